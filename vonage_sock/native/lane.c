/* The lane of transport/direct.py, in C. */

#include "frames.h"

#include <stddef.h>

typedef struct {
    PyObject_HEAD
    long long at;
    long long step_ns;
    Py_ssize_t end;
    Py_ssize_t left;
    long long grid_ns;
    PyObject *frames;
    PyObject *times;
    PyObject *steady;
    PyObject *due;
    PyObject *driver;
    PyObject *poller;
    PyObject *action;
} Lane;

static PyTypeObject *lane_type;
static PyObject *name_latest, *name_call_again, *name_deadline_passed, *name_fire;

/* Its next time, among the others of the same millisecond where there are any. */
static int call_again(Lane *self, long long at)
{
    long long beyond = at % self->grid_ns;
    PyObject *on_grid = PyLong_FromLongLong(beyond ? at + self->grid_ns - beyond : at);
    if (on_grid == NULL)
        return -1;
    PyObject *timers = PyDict_GetItemWithError(self->due, on_grid);
    Py_DECREF(on_grid);
    if (timers != NULL && PyList_Check(timers)) {
        self->at = at;
        return PyList_Append(timers, OBJECT(self));
    }
    if (PyErr_Occurred())
        return -1;
    PyObject *time = PyLong_FromLongLong(at);
    if (time == NULL)
        return -1;
    PyObject *called = PyObject_CallMethodObjArgs(self->poller, name_call_again, self, time, NULL);
    Py_DECREF(time);
    Py_XDECREF(called);
    return called == NULL ? -1 : 0;
}

/* 1: the frame that is due is on its way; 0: that is for the driver; -1 with an exception. */
static int send_due(Lane *self, long long now)
{
    if (self->left <= 0 || now - self->at >= self->step_ns)
        return 0;
    if (self->frames == NULL || self->times == NULL || !PyList_Check(self->times)) {
        PyErr_SetString(PyExc_TypeError, "a passage has frames, and a list of times");
        return -1;
    }
    PyObject *frame = PySequence_GetItem(self->frames, self->end - self->left);
    if (frame == NULL)
        return -1;
    int sent = steady_send(as_steady(self->steady), frame);
    Py_DECREF(frame);
    return sent;
}

static PyObject *fire_for(Lane *self, PyObject *driver, PyObject *now_object)
{
    long long now = PyLong_AsLongLong(now_object);
    if (now == -1 && PyErr_Occurred())
        return NULL;
    int sent = send_due(self, now);
    if (sent < 0)
        return NULL;
    if (sent == 0)
        return PyObject_CallMethodObjArgs(driver, name_deadline_passed, now_object, NULL);
    self->left--;
    if (PyList_Append(self->times, now_object) < 0 || PyObject_SetAttr(driver, name_latest, now_object) < 0
        || call_again(self, self->at + self->step_ns) < 0)
        return NULL;
    return none();
}

static PyObject *lane_fire(Lane *self, PyObject *now_object)
{
    /* Sending may be what ends the call, and cancels us. */
    PyObject *driver = Py_NewRef(self->driver), *result = fire_for(self, driver, now_object);
    Py_DECREF(driver);
    return result;
}

static PyObject *lane_stop(Lane *self, PyObject *Py_UNUSED(none))
{
    self->left = 0;
    return none();
}

static PyObject *lane_cancel(Lane *self, PyObject *Py_UNUSED(none))
{
    /* It may stand in the poller's list for long yet: nobody is held meanwhile. */
    replace(&self->action, Py_None);
    replace(&self->driver, Py_None);
    return none();
}

static PyObject *lane_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"at", "driver", "steady", "poller", "due", "grid_ns", NULL};
    long long at, grid_ns;
    PyObject *driver, *steady, *poller, *due;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "LOOOO!L", names, &at, &driver, &steady, &poller, &PyDict_Type, &due, &grid_ns))
        return NULL;
    if (as_steady(steady) == NULL || grid_ns <= 0) {
        PyErr_SetString(PyExc_TypeError, "a lane in C has a socket's steady state in C, and a grid of some nanoseconds");
        return NULL;
    }
    allocfunc allocate = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
    Lane *self = (Lane *)allocate(type, 0);
    if (self == NULL)
        return NULL;
    self->at = at;
    self->grid_ns = grid_ns;
    self->frames = PyTuple_New(0);
    self->times = PyList_New(0);
    self->steady = Py_NewRef(steady);
    self->due = Py_NewRef(due);
    self->driver = Py_NewRef(driver);
    self->poller = Py_NewRef(poller);
    self->action = PyObject_GetAttr(OBJECT(self), name_fire);
    if (self->frames == NULL || self->times == NULL || self->action == NULL) {
        Py_DECREF(OBJECT(self));
        return NULL;
    }
    return OBJECT(self);
}

static int lane_traverse(Lane *self, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(OBJECT(self)));
    Py_VISIT(self->frames);
    Py_VISIT(self->times);
    Py_VISIT(self->steady);
    Py_VISIT(self->due);
    Py_VISIT(self->driver);
    Py_VISIT(self->poller);
    Py_VISIT(self->action);
    return 0;
}

static int lane_clear(Lane *self)
{
    /* What is called afterwards all the same has nothing to send. */
    self->left = 0;
    Py_CLEAR(self->action);
    Py_CLEAR(self->frames);
    Py_CLEAR(self->times);
    return 0;
}

static void lane_dealloc(Lane *self)
{
    PyTypeObject *type = Py_TYPE(OBJECT(self));
    PyObject_GC_UnTrack(self);
    lane_clear(self);
    Py_CLEAR(self->steady);
    Py_CLEAR(self->due);
    Py_CLEAR(self->driver);
    Py_CLEAR(self->poller);
    ((freefunc)PyType_GetSlot(type, Py_tp_free))(self);
    Py_DECREF(type);
}

static PyMethodDef lane_methods[] = {
    {"fire", (PyCFunction)lane_fire, METH_O, NULL},
    {"stop", (PyCFunction)lane_stop, METH_NOARGS, NULL},
    {"cancel", (PyCFunction)lane_cancel, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static PyMemberDef lane_members[] = {
    {"at", T_LONGLONG, offsetof(Lane, at), 0, NULL},
    {"step_ns", T_LONGLONG, offsetof(Lane, step_ns), 0, NULL},
    {"end", T_PYSSIZET, offsetof(Lane, end), 0, NULL},
    {"left", T_PYSSIZET, offsetof(Lane, left), 0, NULL},
    {"frames", T_OBJECT_EX, offsetof(Lane, frames), 0, NULL},
    {"times", T_OBJECT_EX, offsetof(Lane, times), 0, NULL},
    {"action", T_OBJECT_EX, offsetof(Lane, action), READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyType_Slot lane_slots[] = {
    {Py_tp_new, lane_new},
    {Py_tp_dealloc, lane_dealloc},
    {Py_tp_traverse, lane_traverse},
    {Py_tp_clear, lane_clear},
    {Py_tp_methods, lane_methods},
    {Py_tp_members, lane_members},
    {0, NULL},
};

static PyType_Spec lane_spec = {
    .name = "vonage_sock.native._frames.Lane",
    .basicsize = sizeof(Lane),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
    .slots = lane_slots,
};

int add_lane(PyObject *module)
{
    if ((name_latest = PyUnicode_InternFromString("latest")) == NULL
        || (name_call_again = PyUnicode_InternFromString("call_again")) == NULL
        || (name_deadline_passed = PyUnicode_InternFromString("deadline_passed")) == NULL
        || (name_fire = PyUnicode_InternFromString("fire")) == NULL)
        return -1;
    return add_type(module, &lane_spec, "Lane", &lane_type);
}
