/* simulator/load/lane.py, in C. */

#include "frames.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/types.h>

/* As in lane.py, marks.py and transport/steady.py; a test compares them. */
#define MAX_WAITING 500
#define CHECK_EVERY 64
#define UNREAD (-1)
#define JITTER_SHARE_BITS 4
#define POOL_FRAMES 2048
#define READ_BYTES 8192

#ifndef MSG_NOSIGNAL
#define MSG_NOSIGNAL 0
#endif

/* What each frame needs stands together. */
typedef struct {
    PyObject_HEAD
    int fd; /* -1 where the socket isn't the kernel's own */
    int number;
    int oldest;
    int expected;
    char idle;
    Py_ssize_t frame_bytes;
    Py_ssize_t read_bytes;
    long long last_ns;
    long long jitter_16;
    Times *waiting;
    PyObject *returned;
    PyObject *book;
    PyObject *framed;
    PyObject *check;
    PyObject *long_way;
    PyObject *sock;
} Lane;

static PyTypeObject *lane_type;
static PyObject *socket_type;
/* In the place of lane.py's BUFFER, for sockets that aren't the kernel's own. */
static PyObject *buffer;
static PyObject *name_send, *name_recv_into, *name_keep_unsent, *name_take, *name_readable, *name_ready, *name_abort;

/* Calls a method for what it does; -1 with an exception. Who is called may replace the object that we have it from. */
static int call(PyObject *object, PyObject *name, PyObject *first, PyObject *second)
{
    Py_INCREF(object);
    PyObject *result = PyObject_CallMethodObjArgs(object, name, first, second, NULL);
    Py_DECREF(object);
    if (result == NULL)
        return -1;
    Py_DECREF(result);
    return 0;
}

static int call_with_bytes(PyObject *object, PyObject *name, const void *data, Py_ssize_t size, PyObject *second)
{
    PyObject *bytes = PyBytes_FromStringAndSize(data, size);
    if (bytes == NULL)
        return -1;
    int result = call(object, name, bytes, second);
    Py_DECREF(bytes);
    return result;
}

/* Lane: what comes. */

/* 1: it is; 0: it isn't; -1 with an exception. */
static int is_expected(const Lane *self, const unsigned char *in)
{
    if (self->expected < 0)
        return 0;
    PyObject *message = PySequence_GetItem(self->returned, self->expected);
    char *data;
    Py_ssize_t size;
    if (message == NULL)
        return -1;
    int result = -1;
    if (PyBytes_AsStringAndSize(message, &data, &size) == 0)
        result = size == self->frame_bytes && memcmp(in, data, (size_t)size) == 0;
    Py_DECREF(message);
    return result;
}

/* 1: it is counted; 0: that isn't as simple as it seems; -1 with an exception. */
static int returned_next(Lane *self, long long now)
{
    int number = self->expected;
    if (number != self->oldest || self->waiting->count == 0 || !self->idle)
        return 0;
    long long span_ns = minus(now, times_shift(self->waiting)), jitter_16 = self->jitter_16;
    self->expected = self->oldest = number != POOL_FRAMES - 1 ? number + 1 : 0;
    self->jitter_16 = plus(jitter_16, minus(size_of(minus(span_ns, self->last_ns)), jitter_16 >> JITTER_SHARE_BITS));
    self->last_ns = span_ns;
    PyObject *book = Py_NewRef(self->book);
    int result = count_returned(book, span_ns);
    Py_DECREF(book);
    return result < 0 ? -1 : 1;
}

static int go_long_way(Lane *self, const unsigned char *data, Py_ssize_t size, PyObject *now)
{
    if (self->long_way == Py_None)
        return 0;
    return call_with_bytes(self->long_way, name_take, data, size, now);
}

/* All that a read gave; none is the end. */
static int take(Lane *self, const unsigned char *in, Py_ssize_t count, long long now, PyObject *now_object)
{
    Py_ssize_t at = 0;
    while (self->frame_bytes > 0 && self->frame_bytes <= count - at) {
        Py_ssize_t size = self->frame_bytes;
        int came = is_expected(self, in + at);
        if (came > 0)
            came = returned_next(self, now);
        if (came < 0)
            return -1;
        if (came == 0)
            break;
        at += size;
    }
    return at > 0 && at == count ? 0 : go_long_way(self, in + at, count - at, now_object);
}

static Py_ssize_t wanted_bytes(const Lane *self)
{
    return self->read_bytes > 0 && self->read_bytes < READ_BYTES ? self->read_bytes : READ_BYTES;
}

static int read_kernel(Lane *self, long long now, PyObject *now_object)
{
    unsigned char in[READ_BYTES];
    ssize_t count = recv(self->fd, in, (size_t)wanted_bytes(self), MSG_DONTWAIT);
    if (count < 0) {
        if (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR)
            return 0;
        count = 0; /* the end of it */
    }
    return take(self, in, count, now, now_object);
}

static int is_exception(PyObject *type)
{
    if (!PyErr_ExceptionMatches(type))
        return 0;
    PyErr_Clear();
    return 1;
}

/* How much a socket in Python gave, or UNREAD; -2 where there is nothing now, and -3 with an exception. */
static Py_ssize_t ask_socket(Lane *self)
{
    PyObject *sock = Py_NewRef(self->sock), *wanted = PyLong_FromSsize_t(wanted_bytes(self)), *given = NULL;
    if (wanted != NULL)
        given = PyObject_CallMethodObjArgs(sock, name_recv_into, buffer, wanted, NULL);
    Py_XDECREF(wanted);
    Py_DECREF(sock);
    if (given == NULL) {
        if (is_exception(PyExc_BlockingIOError) || is_exception(PyExc_InterruptedError))
            return -2;
        return is_exception(PyExc_OSError) ? 0 : -3;
    }
    Py_ssize_t count = PyLong_AsSsize_t(given);
    Py_DECREF(given);
    if (count == -1 && PyErr_Occurred())
        return -3;
    if (count >= UNREAD && count <= READ_BYTES && count <= PyByteArray_Size(buffer))
        return count;
    PyErr_SetString(PyExc_ValueError, "a socket gave more than was asked for");
    return -3;
}

static int read_other(Lane *self, long long now, PyObject *now_object)
{
    unsigned char in[READ_BYTES];
    Py_ssize_t count = self->sock == Py_None ? UNREAD : ask_socket(self);
    if (count == UNREAD)
        return self->long_way == Py_None ? 0 : call(self->long_way, name_readable, now_object, NULL);
    if (count < 0)
        return count == -2 ? 0 : -1;
    /* Whoever is called may read, too. */
    memcpy(in, PyByteArray_AsString(buffer), (size_t)count);
    return take(self, in, count, now, now_object);
}

static PyObject *lane_readable(Lane *self, PyObject *now_object)
{
    long long now = PyLong_AsLongLong(now_object);
    if (now == -1 && PyErr_Occurred())
        return NULL;
    /* Who is called may let go of us. */
    Py_INCREF(OBJECT(self));
    int result = self->fd >= 0 ? read_kernel(self, now, now_object) : read_other(self, now, now_object);
    Py_DECREF(OBJECT(self));
    if (result < 0)
        return NULL;
    return none();
}

static PyObject *lane_returned_next(Lane *self, PyObject *now_object)
{
    long long now = PyLong_AsLongLong(now_object);
    if (now == -1 && PyErr_Occurred())
        return NULL;
    int came = returned_next(self, now);
    return came < 0 ? NULL : PyBool_FromLong(came);
}

static PyObject *lane_expect(Lane *self, PyObject *returned)
{
    PyObject *first = PySequence_GetItem(returned, 0);
    if (first == NULL)
        return NULL;
    Py_ssize_t size = PyObject_Size(first);
    Py_DECREF(first);
    if (size <= 0) {
        if (!PyErr_Occurred())
            PyErr_SetString(PyExc_ValueError, "a frame that comes back isn't empty");
        return NULL;
    }
    PyObject *before = self->returned;
    self->returned = Py_NewRef(returned);
    self->frame_bytes = size;
    /* Whole frames, of which none is cut in two by where reading stops. */
    self->read_bytes = READ_BYTES / size * size;
    Py_DECREF(before);
    return none();
}

static PyObject *lane_ready(Lane *self, PyObject *args)
{
    PyObject *events, *now;
    if (!PyArg_ParseTuple(args, "OO", &events, &now))
        return NULL;
    if (self->long_way != Py_None && call(self->long_way, name_ready, events, now) < 0)
        return NULL;
    return none();
}

static PyObject *lane_abort(Lane *self, PyObject *Py_UNUSED(none))
{
    if (self->long_way != Py_None && call(self->long_way, name_abort, NULL, NULL) < 0)
        return NULL;
    return none();
}

/* Lane: what is said. */

/* Not all was taken; with an exception set where the kernel gave one. */
static int keep_unsent(Lane *self, const char *data, Py_ssize_t size)
{
    PyObject *error = PyErr_Occurred() ? raised() : Py_NewRef(Py_None);
    if (error == NULL)
        return -1;
    int result = self->long_way == Py_None ? 0 : call_with_bytes(self->long_way, name_keep_unsent, data, size, error);
    Py_DECREF(error);
    return result;
}

static int send_kernel(Lane *self, const char *data, Py_ssize_t size)
{
    ssize_t sent = send(self->fd, data, (size_t)size, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent == size)
        return 0;
    if (sent < 0) {
        PyErr_SetFromErrno(PyExc_OSError);
        if (!PyErr_ExceptionMatches(PyExc_OSError))
            return -1; /* a signal's */
        sent = 0;
    }
    return keep_unsent(self, data + sent, size - sent);
}

static int send_other(Lane *self, PyObject *message, const char *data, Py_ssize_t size)
{
    if (self->sock == Py_None)
        return 0;
    PyObject *sock = Py_NewRef(self->sock), *given = PyObject_CallMethodObjArgs(sock, name_send, message, NULL);
    Py_DECREF(sock);
    if (given == NULL)
        return PyErr_ExceptionMatches(PyExc_OSError) ? keep_unsent(self, data, size) : -1;
    Py_ssize_t sent = PyLong_AsSsize_t(given);
    Py_DECREF(given);
    if (sent == -1 && PyErr_Occurred())
        return -1;
    if (sent < 0 || sent > size) {
        PyErr_SetString(PyExc_ValueError, "a socket took more than there was");
        return -1;
    }
    return sent == size ? 0 : keep_unsent(self, data + sent, size - sent);
}

static int say_number(Lane *self, int number)
{
    PyObject *message = PySequence_GetItem(self->framed, number);
    char *data;
    Py_ssize_t size;
    if (message == NULL)
        return -1;
    int result = PyBytes_AsStringAndSize(message, &data, &size);
    if (result == 0)
        result = self->fd >= 0 ? send_kernel(self, data, size) : send_other(self, message, data, size);
    Py_DECREF(message);
    return result;
}

static int say_next(Lane *self, long long now, PyObject *now_object)
{
    int number = self->number;
    self->number = number != POOL_FRAMES - 1 ? number + 1 : 0;
    if (say_number(self, number) < 0 || times_push(self->waiting, now) < 0)
        return -1;
    if ((self->waiting->count <= MAX_WAITING && number % CHECK_EVERY) || self->check == Py_None)
        return 0;
    PyObject *check = Py_NewRef(self->check), *result = PyObject_CallFunctionObjArgs(check, now_object, NULL);
    Py_DECREF(check);
    if (result == NULL)
        return -1;
    Py_DECREF(result);
    return 0;
}

static PyObject *say(PyObject *Py_UNUSED(module), PyObject *args)
{
    PyObject *lanes, *now_object;
    if (!PyArg_ParseTuple(args, "OO", &lanes, &now_object))
        return NULL;
    long long now = PyLong_AsLongLong(now_object);
    if (now == -1 && PyErr_Occurred())
        return NULL;
    /* Who is called may change how many there are. */
    for (Py_ssize_t at = 0; at < PySequence_Size(lanes); at++) {
        PyObject *lane = PySequence_GetItem(lanes, at);
        if (lane == NULL)
            return NULL;
        int result = -1;
        if (Py_TYPE(lane) == lane_type)
            result = say_next((Lane *)lane, now, now_object);
        else
            PyErr_SetString(PyExc_TypeError, "only lanes say something");
        Py_DECREF(lane);
        if (result < 0)
            return NULL;
    }
    if (PyErr_Occurred())
        return NULL;
    return none();
}

/* Lane: as an object. */

/* Looked for by whoever wants a lane: the others needn't wait for its module. */
static int find_socket_type(void)
{
    if (socket_type != NULL)
        return 0;
    PyObject *module = PyImport_ImportModule("socket");
    if (module == NULL)
        return -1;
    socket_type = PyObject_GetAttrString(module, "socket");
    Py_DECREF(module);
    return socket_type == NULL ? -1 : 0;
}

static PyObject *lane_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"book", NULL};
    PyObject *book;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O", names, &book) || find_socket_type() < 0)
        return NULL;
    allocfunc allocate = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
    Lane *self = (Lane *)allocate(type, 0);
    if (self == NULL)
        return NULL;
    self->fd = -1;
    self->expected = -1;
    self->last_ns = -1;
    self->idle = 1;
    self->read_bytes = READ_BYTES;
    self->book = Py_NewRef(book);
    self->check = Py_NewRef(Py_None);
    self->long_way = Py_NewRef(Py_None);
    self->sock = Py_NewRef(Py_None);
    self->framed = PyTuple_New(0);
    self->returned = PyTuple_New(0);
    self->waiting = times_make();
    if (self->framed == NULL || self->returned == NULL || self->waiting == NULL) {
        Py_DECREF(OBJECT(self));
        return NULL;
    }
    return (PyObject *)self;
}

static int lane_traverse(Lane *self, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(OBJECT(self)));
    Py_VISIT(self->returned);
    Py_VISIT(self->book);
    Py_VISIT(self->framed);
    Py_VISIT(self->check);
    Py_VISIT(self->long_way);
    Py_VISIT(self->sock);
    return 0;
}

static int lane_clear(Lane *self)
{
    /* Whoever calls us all the same finds something there. */
    self->fd = -1;
    replace(&self->returned, Py_None);
    replace(&self->book, Py_None);
    replace(&self->framed, Py_None);
    replace(&self->check, Py_None);
    replace(&self->long_way, Py_None);
    replace(&self->sock, Py_None);
    return 0;
}

static void lane_dealloc(Lane *self)
{
    PyTypeObject *type = Py_TYPE(OBJECT(self));
    PyObject_GC_UnTrack(self);
    Py_CLEAR(self->returned);
    Py_CLEAR(self->book);
    Py_CLEAR(self->framed);
    Py_CLEAR(self->check);
    Py_CLEAR(self->long_way);
    Py_CLEAR(self->sock);
    Py_XDECREF(OBJECT(self->waiting));
    ((freefunc)PyType_GetSlot(type, Py_tp_free))(self);
    Py_DECREF(type);
}

static PyObject **place_of(Lane *self, void *offset)
{
    return (PyObject **)((char *)self + (size_t)offset);
}

static PyObject *lane_get(Lane *self, void *offset)
{
    return Py_NewRef(*place_of(self, offset));
}

static int lane_set(Lane *self, PyObject *value, void *offset)
{
    replace(place_of(self, offset), value == NULL ? Py_None : value);
    return 0;
}

/* The kernel's own socket is used without its object, which lives as long as it stands here. */
static int lane_set_sock(Lane *self, PyObject *value, void *Py_UNUSED(closure))
{
    int fd = -1;
    if (value != NULL && OBJECT(Py_TYPE(value)) == socket_type && (fd = PyObject_AsFileDescriptor(value)) < 0)
        PyErr_Clear(); /* closed: it says so itself */
    self->fd = fd;
    replace(&self->sock, value == NULL ? Py_None : value);
    return 0;
}

static PyMethodDef lane_methods[] = {
    {"readable", (PyCFunction)lane_readable, METH_O, NULL},
    {"ready", (PyCFunction)lane_ready, METH_VARARGS, NULL},
    {"abort", (PyCFunction)lane_abort, METH_NOARGS, NULL},
    {"returned_next", (PyCFunction)lane_returned_next, METH_O, NULL},
    {"expect", (PyCFunction)lane_expect, METH_O, NULL},
    {NULL, NULL, 0, NULL},
};

static PyMemberDef lane_members[] = {
    {"number", T_INT, offsetof(Lane, number), 0, NULL},
    {"oldest", T_INT, offsetof(Lane, oldest), 0, NULL},
    {"expected", T_INT, offsetof(Lane, expected), 0, NULL},
    {"idle", T_BOOL, offsetof(Lane, idle), 0, NULL},
    {"frame_bytes", T_PYSSIZET, offsetof(Lane, frame_bytes), READONLY, NULL},
    {"read_bytes", T_PYSSIZET, offsetof(Lane, read_bytes), READONLY, NULL},
    {"last_ns", T_LONGLONG, offsetof(Lane, last_ns), 0, NULL},
    {"jitter_16", T_LONGLONG, offsetof(Lane, jitter_16), 0, NULL},
    {"waiting", T_OBJECT_EX, offsetof(Lane, waiting), READONLY, NULL},
    {"returned", T_OBJECT_EX, offsetof(Lane, returned), READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyGetSetDef lane_getset[] = {
    {"book", (getter)lane_get, (setter)lane_set, NULL, (void *)offsetof(Lane, book)},
    {"framed", (getter)lane_get, (setter)lane_set, NULL, (void *)offsetof(Lane, framed)},
    {"check", (getter)lane_get, (setter)lane_set, NULL, (void *)offsetof(Lane, check)},
    {"long_way", (getter)lane_get, (setter)lane_set, NULL, (void *)offsetof(Lane, long_way)},
    {"sock", (getter)lane_get, (setter)lane_set_sock, NULL, (void *)offsetof(Lane, sock)},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot lane_slots[] = {
    {Py_tp_new, lane_new},
    {Py_tp_dealloc, lane_dealloc},
    {Py_tp_traverse, lane_traverse},
    {Py_tp_clear, lane_clear},
    {Py_tp_methods, lane_methods},
    {Py_tp_members, lane_members},
    {Py_tp_getset, lane_getset},
    {0, NULL},
};

static PyType_Spec lane_spec = {
    .name = "vonage_sock.native._frames.LoadLane",
    .basicsize = sizeof(Lane),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
    .slots = lane_slots,
};

static PyMethodDef functions[] = {
    {"say", say, METH_VARARGS, "Each of these lanes says its next frame."},
    {NULL, NULL, 0, NULL},
};

static int add_numbers(PyObject *module)
{
    return PyModule_AddIntMacro(module, MAX_WAITING) < 0 || PyModule_AddIntMacro(module, CHECK_EVERY) < 0
                   || PyModule_AddIntMacro(module, JITTER_SHARE_BITS) < 0 || PyModule_AddIntMacro(module, POOL_FRAMES) < 0
               ? -1
               : 0;
}

int add_load(PyObject *module)
{
    struct {
        PyObject **kept;
        const char *name;
    } names[] = {
        {&name_send, "send"},         {&name_recv_into, "recv_into"}, {&name_keep_unsent, "keep_unsent"},
        {&name_take, "take"},         {&name_readable, "readable"},   {&name_ready, "ready"},
        {&name_abort, "abort"},
    };
    for (size_t at = 0; at < sizeof names / sizeof *names; at++)
        if ((*names[at].kept = PyUnicode_InternFromString(names[at].name)) == NULL)
            return -1;
    if ((buffer = PyByteArray_FromStringAndSize(NULL, READ_BYTES)) == NULL)
        return -1;
    if (add_numbers(module) < 0 || PyModule_AddFunctions(module, functions) < 0 || add_times(module) < 0
        || add_tally(module) < 0)
        return -1;
    return add_type(module, &lane_spec, "LoadLane", &lane_type);
}
