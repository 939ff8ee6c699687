/* media/sink.py's Gathered, in C. */

#include "frames.h"

#include <stddef.h>

struct Gathered {
    PyObject_HEAD
    PyObject *frames; /* a list */
    PyObject *beyond;
    Py_ssize_t uncounted;
};

static PyTypeObject *gathered_type;

Gathered *as_gathered(PyObject *object)
{
    return Py_TYPE(object) == gathered_type ? (Gathered *)object : NULL;
}

int gathered_add(Gathered *gathered, PyObject *frame)
{
    if (PyList_Size(gathered->frames) < gathered->uncounted)
        return PyList_Append(gathered->frames, frame);
    PyObject *done = PyObject_CallFunctionObjArgs(gathered->beyond, frame, NULL);
    Py_XDECREF(done);
    return done == NULL ? -1 : 0;
}

static PyObject *gathered_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"uncounted_frames", "beyond", NULL};
    PyObject *beyond;
    Py_ssize_t uncounted;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "nO", names, &uncounted, &beyond))
        return NULL;
    allocfunc allocate = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
    Gathered *self = (Gathered *)allocate(type, 0);
    if (self == NULL)
        return NULL;
    self->uncounted = uncounted;
    self->beyond = Py_NewRef(beyond);
    self->frames = PyList_New(0);
    if (self->frames == NULL) {
        Py_DECREF(OBJECT(self));
        return NULL;
    }
    return (PyObject *)self;
}

static int gathered_traverse(Gathered *self, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(OBJECT(self)));
    Py_VISIT(self->frames);
    Py_VISIT(self->beyond);
    return 0;
}

/* The list can't be part of a circle without what is called. */
static int gathered_clear(Gathered *self)
{
    replace(&self->beyond, Py_None);
    return 0;
}

static void gathered_dealloc(Gathered *self)
{
    PyTypeObject *type = Py_TYPE(OBJECT(self));
    PyObject_GC_UnTrack(self);
    Py_CLEAR(self->frames);
    Py_CLEAR(self->beyond);
    ((freefunc)PyType_GetSlot(type, Py_tp_free))(self);
    Py_DECREF(type);
}

static PyObject *gathered_call(Gathered *self, PyObject *args, PyObject *kwargs)
{
    PyObject *frame;
    static char *names[] = {"", NULL};
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "S", names, &frame) || gathered_add(self, frame) < 0)
        return NULL;
    return none();
}

static PyMemberDef gathered_members[] = {
    {"frames", T_OBJECT_EX, offsetof(Gathered, frames), READONLY, NULL},
    {"uncounted_frames", T_PYSSIZET, offsetof(Gathered, uncounted), 0, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyType_Slot gathered_slots[] = {
    {Py_tp_new, gathered_new},
    {Py_tp_dealloc, gathered_dealloc},
    {Py_tp_traverse, gathered_traverse},
    {Py_tp_clear, gathered_clear},
    {Py_tp_call, gathered_call},
    {Py_tp_members, gathered_members},
    {0, NULL},
};

static PyType_Spec gathered_spec = {
    .name = "vonage_sock.native._frames.Gathered",
    .basicsize = sizeof(Gathered),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
    .slots = gathered_slots,
};

int add_gathered(PyObject *module)
{
    return add_type(module, &gathered_spec, "Gathered", &gathered_type);
}
