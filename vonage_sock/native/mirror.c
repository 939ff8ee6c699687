/* call/mirror.py, in C. */

#include "frames.h"

#include <stddef.h>
#include <string.h>

static PyTypeObject *mirror_type;
static PyObject *no_frame;

/* For each first byte and for each pair of first bytes, whether a file may begin with it: a bit each. */
static unsigned char first_bytes[256 / 8];
static unsigned char beginnings[65536 / 8];

static int begins_file(const unsigned char *payload)
{
    unsigned int first = payload[0], pair = first << 8 | payload[1];
    /* Of the large table nothing is in the processor's cache, and most frames begin with none of the first bytes. */
    return (first_bytes[first >> 3] >> (first & 7) & 1) && (beginnings[pair >> 3] >> (pair & 7) & 1);
}

Mirror *as_mirror(PyObject *object)
{
    return Py_TYPE(object) == mirror_type ? (Mirror *)object : NULL;
}

int mirror_passes(const Mirror *mirror, const unsigned char *payload, Py_ssize_t size, long long now)
{
    return size == mirror->size && size >= 2 && !begins_file(payload) && now >= mirror->not_before
           && mirror->count < TIMES_AT_ONCE;
}

int mirror_is_full(const Mirror *mirror)
{
    return mirror->count >= TIMES_AT_ONCE || mirror->failed;
}

/* What somebody raised who heard a frame ends the call; -1 where that is no ordinary exception. */
static int tell_failure(Mirror *mirror, long long now)
{
    if (!PyErr_ExceptionMatches(PyExc_Exception))
        return -1;
    PyObject *error = raised(), *time = PyLong_FromLongLong(now), *told = NULL;
    if (error != NULL && time != NULL)
        told = PyObject_CallFunctionObjArgs(mirror->fail, error, time, NULL);
    mirror->failed = 1;
    Py_XDECREF(error);
    Py_XDECREF(time);
    Py_XDECREF(told);
    return told == NULL ? -1 : 0;
}

static int let_hear(PyObject *hear, PyObject *payload)
{
    Gathered *gathered = as_gathered(hear);
    if (gathered != NULL)
        return gathered_add(gathered, payload);
    PyObject *heard = PyObject_CallFunctionObjArgs(hear, payload, NULL);
    Py_XDECREF(heard);
    return heard == NULL ? -1 : 0;
}

int mirror_note(Mirror *mirror, PyObject *payload, long long now)
{
    PyObject **place = &mirror->latest[mirror->count % LEVEL_WINDOW_FRAMES];
    PyObject *before = *place;
    *place = Py_NewRef(payload);
    mirror->times[mirror->count++] = now;
    Py_DECREF(before);
    PyObject *hearing = mirror->hearing;
    Py_ssize_t listeners = PyTuple_Size(hearing);
    if (listeners == 0)
        return 0;
    int result = 0;
    Py_INCREF(hearing);
    for (Py_ssize_t at = 0; at < listeners && result == 0; at++)
        if (let_hear(PyTuple_GetItem(hearing, at), payload) < 0)
            result = tell_failure(mirror, now);
    Py_DECREF(hearing);
    return result;
}

static PyObject *mirror_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"settle", "fail", NULL};
    PyObject *settle, *fail;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "OO", names, &settle, &fail))
        return NULL;
    allocfunc allocate = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
    Mirror *self = (Mirror *)allocate(type, 0);
    if (self == NULL)
        return NULL;
    self->size = -1;
    for (int at = 0; at < LEVEL_WINDOW_FRAMES; at++)
        self->latest[at] = Py_NewRef(no_frame);
    self->settle = Py_NewRef(settle);
    self->fail = Py_NewRef(fail);
    self->hearing = PyTuple_New(0);
    if (self->hearing == NULL) {
        Py_DECREF(OBJECT(self));
        return NULL;
    }
    return (PyObject *)self;
}

static int mirror_traverse(Mirror *self, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(OBJECT(self)));
    Py_VISIT(self->settle);
    Py_VISIT(self->fail);
    Py_VISIT(self->hearing);
    return 0;
}

/* Whoever calls it all the same finds something in each place. */
static int mirror_clear(Mirror *self)
{
    PyObject *nobody = PyTuple_New(0);
    if (nobody == NULL)
        PyErr_Clear();
    else
        replace(&self->hearing, nobody);
    Py_XDECREF(nobody);
    replace(&self->settle, Py_None);
    replace(&self->fail, Py_None);
    return 0;
}

static void mirror_dealloc(Mirror *self)
{
    PyTypeObject *type = Py_TYPE(OBJECT(self));
    PyObject_GC_UnTrack(self);
    Py_CLEAR(self->settle);
    Py_CLEAR(self->fail);
    Py_CLEAR(self->hearing);
    for (int at = 0; at < LEVEL_WINDOW_FRAMES; at++)
        Py_CLEAR(self->latest[at]);
    ((freefunc)PyType_GetSlot(type, Py_tp_free))(self);
    Py_DECREF(type);
}

static PyObject *mirror_takes(Mirror *self, PyObject *args)
{
    PyObject *payload;
    long long now;
    char *data;
    Py_ssize_t size;
    if (!PyArg_ParseTuple(args, "SL", &payload, &now) || PyBytes_AsStringAndSize(payload, &data, &size) < 0)
        return NULL;
    if (!mirror_passes(self, (const unsigned char *)data, size, now))
        return PyBool_FromLong(0);
    if (mirror_note(self, payload, now) < 0)
        return NULL;
    return PyBool_FromLong(1);
}

static PyObject *mirror_forget(Mirror *self, PyObject *Py_UNUSED(none))
{
    self->count = 0;
    self->failed = 0;
    return none();
}

static PyObject *mirror_get_times(Mirror *self, void *Py_UNUSED(closure))
{
    PyObject *times = PyList_New(self->count);
    for (int at = 0; times != NULL && at < self->count; at++) {
        PyObject *time = PyLong_FromLongLong(self->times[at]);
        if (time == NULL || PyList_SetItem(times, at, time) < 0)
            Py_CLEAR(times);
    }
    return times;
}

static PyObject *mirror_get_latest(Mirror *self, void *Py_UNUSED(closure))
{
    PyObject *latest = PyList_New(LEVEL_WINDOW_FRAMES);
    for (int at = 0; latest != NULL && at < LEVEL_WINDOW_FRAMES; at++)
        if (PyList_SetItem(latest, at, Py_NewRef(self->latest[at])) < 0)
            Py_CLEAR(latest);
    return latest;
}

static PyObject *mirror_get_due(Mirror *self, void *Py_UNUSED(closure))
{
    return PyBool_FromLong(self->count > 0 || self->failed);
}

static PyObject *mirror_get_full(Mirror *self, void *Py_UNUSED(closure))
{
    return PyBool_FromLong(mirror_is_full(self));
}

static PyObject *mirror_get_hearing(Mirror *self, void *Py_UNUSED(closure))
{
    return Py_NewRef(self->hearing);
}

static int mirror_set_hearing(Mirror *self, PyObject *value, void *Py_UNUSED(closure))
{
    if (value == NULL || !PyTuple_Check(value)) {
        PyErr_SetString(PyExc_TypeError, "hearing is a tuple of functions");
        return -1;
    }
    replace(&self->hearing, value);
    return 0;
}

static PyMethodDef mirror_methods[] = {
    {"takes", (PyCFunction)mirror_takes, METH_VARARGS, NULL},
    {"forget", (PyCFunction)mirror_forget, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static PyMemberDef mirror_members[] = {
    {"fail", T_OBJECT_EX, offsetof(Mirror, fail), READONLY, NULL},
    {"settle", T_OBJECT, offsetof(Mirror, settle), 0, NULL},
    {"size", T_PYSSIZET, offsetof(Mirror, size), 0, NULL},
    {"not_before", T_LONGLONG, offsetof(Mirror, not_before), 0, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyGetSetDef mirror_getset[] = {
    {"times", (getter)mirror_get_times, NULL, NULL, NULL},
    {"latest", (getter)mirror_get_latest, NULL, NULL, NULL},
    {"due", (getter)mirror_get_due, NULL, NULL, NULL},
    {"full", (getter)mirror_get_full, NULL, NULL, NULL},
    {"hearing", (getter)mirror_get_hearing, (setter)mirror_set_hearing, NULL, NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot mirror_slots[] = {
    {Py_tp_new, mirror_new},
    {Py_tp_dealloc, mirror_dealloc},
    {Py_tp_traverse, mirror_traverse},
    {Py_tp_clear, mirror_clear},
    {Py_tp_methods, mirror_methods},
    {Py_tp_members, mirror_members},
    {Py_tp_getset, mirror_getset},
    {0, NULL},
};

static PyType_Spec mirror_spec = {
    .name = "vonage_sock.native._frames.Mirror",
    .basicsize = sizeof(Mirror),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
    .slots = mirror_slots,
};

static PyObject *beware(PyObject *Py_UNUSED(module), PyObject *pairs)
{
    PyObject *iterator = PyObject_GetIter(pairs), *pair;
    if (iterator == NULL)
        return NULL;
    memset(first_bytes, 0, sizeof first_bytes);
    memset(beginnings, 0, sizeof beginnings);
    while ((pair = PyIter_Next(iterator)) != NULL) {
        char *data;
        Py_ssize_t size;
        if (PyBytes_AsStringAndSize(pair, &data, &size) == 0 && size == 2) {
            unsigned int first = (unsigned char)data[0], number = first << 8 | (unsigned char)data[1];
            first_bytes[first >> 3] |= (unsigned char)(1 << (first & 7));
            beginnings[number >> 3] |= (unsigned char)(1 << (number & 7));
        } else if (!PyErr_Occurred()) {
            PyErr_SetString(PyExc_ValueError, "a beginning is two bytes");
        }
        Py_DECREF(pair);
        if (PyErr_Occurred())
            break;
    }
    Py_DECREF(iterator);
    if (PyErr_Occurred())
        return NULL;
    return none();
}

static PyMethodDef functions[] = {
    {"beware", beware, METH_O, "What begins with one of these pairs of bytes may be a file, and takes no short way."},
    {NULL, NULL, 0, NULL},
};

int add_mirror(PyObject *module)
{
    if (no_frame == NULL && (no_frame = PyBytes_FromStringAndSize(NULL, 0)) == NULL)
        return -1;
    if (PyModule_AddFunctions(module, functions) < 0)
        return -1;
    return add_type(module, &mirror_spec, "Mirror", &mirror_type);
}
