/* What a lane of a load needs of collections.deque, in C: a ring of times. */

#include "frames.h"

static PyTypeObject *times_type;

static long long *time_at(const Times *self, Py_ssize_t at)
{
    return &self->slots[(self->first + at) & (self->places - 1)];
}

static int times_grow(Times *self)
{
    Py_ssize_t places = self->places * 2;
    long long *slots = places > PY_SSIZE_T_MAX / (Py_ssize_t)sizeof *slots ? NULL : PyMem_Malloc((size_t)places * sizeof *slots);
    if (slots == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    for (Py_ssize_t at = 0; at < self->count; at++)
        slots[at] = *time_at(self, at);
    if (self->slots != self->few)
        PyMem_Free(self->slots);
    self->slots = slots;
    self->places = places;
    self->first = 0;
    return 0;
}

int times_push(Times *self, long long time)
{
    if (self->count == self->places && times_grow(self) < 0)
        return -1;
    *time_at(self, self->count) = time;
    self->count++;
    return 0;
}

/* There is one. */
long long times_shift(Times *self)
{
    long long time = *time_at(self, 0);
    self->first = (self->first + 1) & (self->places - 1);
    self->count--;
    return time;
}

static Times *make(PyTypeObject *type)
{
    allocfunc allocate = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
    Times *self = (Times *)allocate(type, 0);
    if (self == NULL)
        return NULL;
    self->slots = self->few;
    self->places = FEW_TIMES;
    return self;
}

static PyObject *times_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {NULL};
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "", names))
        return NULL;
    return (PyObject *)make(type);
}

static void times_dealloc(Times *self)
{
    PyTypeObject *type = Py_TYPE(OBJECT(self));
    if (self->slots != self->few)
        PyMem_Free(self->slots);
    ((freefunc)PyType_GetSlot(type, Py_tp_free))(self);
    Py_DECREF(type);
}

static PyObject *times_append(Times *self, PyObject *object)
{
    long long time = PyLong_AsLongLong(object);
    if ((time == -1 && PyErr_Occurred()) || times_push(self, time) < 0)
        return NULL;
    return none();
}

static PyObject *times_popleft(Times *self, PyObject *Py_UNUSED(none))
{
    if (self->count == 0) {
        PyErr_SetString(PyExc_IndexError, "no time is left");
        return NULL;
    }
    return PyLong_FromLongLong(times_shift(self));
}

static PyObject *times_clear(Times *self, PyObject *Py_UNUSED(none))
{
    self->count = 0;
    return none();
}

static PyObject *times_count(Times *self, PyObject *object)
{
    long long time = PyLong_AsLongLong(object);
    if (time == -1 && PyErr_Occurred())
        return NULL;
    Py_ssize_t found = 0;
    for (Py_ssize_t at = 0; at < self->count; at++)
        found += *time_at(self, at) == time;
    return PyLong_FromSsize_t(found);
}

static Py_ssize_t times_length(Times *self)
{
    return self->count;
}

static int is_in(const Times *self, Py_ssize_t at)
{
    if (at >= 0 && at < self->count)
        return 1;
    PyErr_SetString(PyExc_IndexError, "so many times aren't there");
    return 0;
}

static PyObject *times_item(Times *self, Py_ssize_t at)
{
    return is_in(self, at) ? PyLong_FromLongLong(*time_at(self, at)) : NULL;
}

static int times_set_item(Times *self, Py_ssize_t at, PyObject *object)
{
    if (object == NULL) {
        PyErr_SetString(PyExc_TypeError, "a time can be replaced, and not taken out");
        return -1;
    }
    long long time = PyLong_AsLongLong(object);
    if ((time == -1 && PyErr_Occurred()) || !is_in(self, at))
        return -1;
    *time_at(self, at) = time;
    return 0;
}

static PyMethodDef times_methods[] = {
    {"append", (PyCFunction)times_append, METH_O, NULL},
    {"popleft", (PyCFunction)times_popleft, METH_NOARGS, NULL},
    {"clear", (PyCFunction)times_clear, METH_NOARGS, NULL},
    {"count", (PyCFunction)times_count, METH_O, NULL},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot times_slots[] = {
    {Py_tp_new, times_new},
    {Py_tp_dealloc, times_dealloc},
    {Py_tp_methods, times_methods},
    {Py_sq_length, times_length},
    {Py_sq_item, times_item},
    {Py_sq_ass_item, times_set_item},
    {0, NULL},
};

static PyType_Spec times_spec = {
    .name = "vonage_sock.native._frames.Times",
    .basicsize = sizeof(Times),
    .flags = Py_TPFLAGS_DEFAULT,
    .slots = times_slots,
};

Times *times_make(void)
{
    return make(times_type);
}

int add_times(PyObject *module)
{
    return add_type(module, &times_spec, "Times", &times_type);
}
