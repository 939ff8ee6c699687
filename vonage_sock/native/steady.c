/* transport/steady.py, in C. */

#include "frames.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/types.h>

#define READ_BYTES 8192
#define SHORT_HEAD_BYTES 4
#define MASK_BYTES 4
#define MAX_HEAD_BYTES 10

#ifndef MSG_NOSIGNAL
#define MSG_NOSIGNAL 0
#endif

struct Steady {
    PyObject_HEAD
    int fd;
    char client;
    char early;
    unsigned char usual_head[SHORT_HEAD_BYTES];
    unsigned char plain_head[MAX_HEAD_BYTES];
    Py_ssize_t plain_head_bytes;
    Py_ssize_t usual_bytes;
    Py_ssize_t plain_bytes;
    Py_ssize_t read_bytes;
    long long heard_at;
    PyObject *mirror;
    PyObject *receiver;
    PyObject *owner;
};

static PyTypeObject *steady_type;
static PyObject *name_binary, *name_take, *name_take_early, *name_reflect, *name_settle_mirror, *name_keep_unsent, *name_ready,
    *name_abort;

Steady *as_steady(PyObject *object)
{
    return Py_TYPE(object) == steady_type ? (Steady *)object : NULL;
}

/* Calls a method for what it does; -1 with an exception. */
static int done(PyObject *result)
{
    if (result == NULL)
        return -1;
    Py_DECREF(result);
    return 0;
}

static int give_bytes(PyObject *object, PyObject *name, const unsigned char *data, Py_ssize_t size, PyObject *now)
{
    PyObject *bytes = PyBytes_FromStringAndSize((const char *)data, size);
    if (bytes == NULL)
        return -1;
    int result = done(PyObject_CallMethodObjArgs(object, name, bytes, now, NULL));
    Py_DECREF(bytes);
    return result;
}

/* What the kernel didn't take goes to the owner, with the kernel's error where there was one. */
static int keep_unsent(Steady *self, const unsigned char *data, Py_ssize_t size, int error_number)
{
    if (error_number) {
        errno = error_number;
        PyErr_SetFromErrno(PyExc_OSError);
        if (!PyErr_ExceptionMatches(PyExc_OSError))
            return -1; /* a signal's */
    }
    PyObject *error = error_number ? raised() : Py_NewRef(Py_None);
    if (error == NULL)
        return -1;
    int result = give_bytes(self->owner, name_keep_unsent, data, size, error);
    Py_DECREF(error);
    return result;
}

static int send_all(Steady *self, const unsigned char *data, Py_ssize_t size)
{
    ssize_t sent = send(self->fd, data, (size_t)size, MSG_NOSIGNAL);
    if (sent == size)
        return 0;
    return sent < 0 ? keep_unsent(self, data, size, errno) : keep_unsent(self, data + sent, size - sent, 0);
}

int steady_send(Steady *self, PyObject *message)
{
    char *payload;
    Py_ssize_t size;
    if (!PyBytes_Check(message))
        return 0;
    if (PyBytes_AsStringAndSize(message, &payload, &size) < 0)
        return -1;
    if (size != self->plain_bytes)
        return 0;
    unsigned char small[READ_BYTES], *out = small;
    Py_ssize_t head_bytes = self->plain_head_bytes;
    if (size + head_bytes > READ_BYTES && (out = PyMem_Malloc((size_t)(size + head_bytes))) == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    memcpy(out, self->plain_head, (size_t)head_bytes);
    memcpy(out + head_bytes, payload, (size_t)size);
    int result = send_all(self, out, size + head_bytes);
    if (out != small)
        PyMem_Free(out);
    return result < 0 ? -1 : 1;
}

/* to may be from, or another place. */
static void unmask(unsigned char *to, const unsigned char *from, Py_ssize_t size, const unsigned char *mask)
{
    uint32_t mask_32;
    uint64_t mask_64, word;
    Py_ssize_t at = 0;
    memcpy(&mask_32, mask, MASK_BYTES);
    mask_64 = (uint64_t)mask_32 << 32 | mask_32;
    for (; at + 8 <= size; at += 8) {
        memcpy(&word, from + at, 8);
        word ^= mask_64;
        memcpy(to + at, &word, 8);
    }
    for (; at < size; at++)
        to[at] = from[at] ^ mask[at & 3];
}

static int is_usual(const Steady *self, const unsigned char *data)
{
    return memcmp(data, self->usual_head, SHORT_HEAD_BYTES) == 0;
}

static int settle_full(Steady *self, PyObject *now_object)
{
    Mirror *mirror = as_mirror(self->mirror);
    if (mirror == NULL || !mirror_is_full(mirror))
        return 0;
    return done(PyObject_CallMethodObjArgs(self->owner, name_settle_mirror, now_object, NULL));
}

/* One frame, unmasked, that goes back, or to whoever is to have it. */
static int take_one(Steady *self, unsigned char *payload, Py_ssize_t size, long long now, PyObject *now_object)
{
    Mirror *mirror = as_mirror(self->mirror);
    if (self->mirror == Py_None)
        return give_bytes(self->receiver, name_binary, payload, size, now_object);
    if (mirror == NULL || size != self->plain_bytes || !mirror_passes(mirror, payload, size, now))
        return give_bytes(self->owner, name_reflect, payload, size, now_object);
    PyObject *frame = PyBytes_FromStringAndSize((const char *)payload, size);
    if (frame == NULL)
        return -1;
    Py_INCREF(OBJECT(mirror));
    int result = mirror_note(mirror, frame, now);
    if (result == 0) {
        /* Who heard it may have changed what goes out. */
        int sent = steady_send(self, frame);
        result = sent < 0 ? -1 : 0;
        if (sent == 0) {
            result = done(PyObject_CallMethodObjArgs(self->owner, name_settle_mirror, now_object, NULL));
            if (result == 0)
                result = done(PyObject_CallMethodObjArgs(self->receiver, name_binary, frame, now_object, NULL));
        } else if (sent == 1) {
            result = settle_full(self, now_object);
        }
    }
    Py_DECREF(OBJECT(mirror));
    Py_DECREF(frame);
    return result;
}

/*
 * Several frames, of which as many as can go back in one write, when nobody hears them; how many bytes of them that was, or -1
 * with an exception.
 */
static Py_ssize_t reflect_several(Steady *self, const unsigned char *in, Py_ssize_t count, long long now)
{
    Mirror *mirror = as_mirror(self->mirror);
    Py_ssize_t usual_bytes = self->usual_bytes, size = usual_bytes - SHORT_HEAD_BYTES - MASK_BYTES, at = 0;
    if (mirror == NULL || PyTuple_Size(mirror->hearing) > 0 || size != self->plain_bytes)
        return 0;
    unsigned char out[READ_BYTES], *end = out;
    Py_ssize_t head_bytes = self->plain_head_bytes;
    while (at + usual_bytes <= count && end - out + head_bytes + size <= READ_BYTES && is_usual(self, in + at)) {
        const unsigned char *masked = in + at + SHORT_HEAD_BYTES + MASK_BYTES;
        memcpy(end, self->plain_head, (size_t)head_bytes);
        unmask(end + head_bytes, masked, size, masked - MASK_BYTES);
        if (!mirror_passes(mirror, end + head_bytes, size, now))
            break;
        PyObject *frame = PyBytes_FromStringAndSize((const char *)end + head_bytes, size);
        if (frame == NULL)
            return -1;
        int noted = mirror_note(mirror, frame, now);
        Py_DECREF(frame);
        if (noted < 0)
            return -1;
        end += head_bytes + size;
        at += usual_bytes;
    }
    if (at && send_all(self, out, end - out) < 0)
        return -1;
    return at;
}

/* What was read, whose first frame is as usual; where there is no mirror, it is no more than that. */
static int take_usual(Steady *self, unsigned char *in, Py_ssize_t count, long long now, PyObject *now_object)
{
    Py_ssize_t usual_bytes = self->usual_bytes, at = 0;
    self->heard_at = now;
    if (self->client)
        return give_bytes(self->receiver, name_binary, in + SHORT_HEAD_BYTES, count - SHORT_HEAD_BYTES, now_object);
    /* Who is told of a frame may change how it goes on. */
    while (at + usual_bytes <= count && usual_bytes == self->usual_bytes && is_usual(self, in + at)) {
        Py_ssize_t went = count - at > usual_bytes ? reflect_several(self, in + at, count - at, now) : 0;
        if (went < 0)
            return -1;
        if (went > 0) {
            at += went;
            if (settle_full(self, now_object) < 0)
                return -1;
            continue;
        }
        unsigned char *payload = in + at + SHORT_HEAD_BYTES + MASK_BYTES;
        Py_ssize_t size = usual_bytes - SHORT_HEAD_BYTES - MASK_BYTES;
        unmask(payload, payload, size, payload - MASK_BYTES);
        at += usual_bytes;
        if (take_one(self, payload, size, now, now_object) < 0)
            return -1;
    }
    return at < count ? give_bytes(self->owner, name_take, in + at, count - at, now_object) : 0;
}

PyObject *steady_readable(Steady *self, PyObject *now_object)
{
    long long now = PyLong_AsLongLong(now_object);
    if (now == -1 && PyErr_Occurred())
        return NULL;
    if (self->early)
        return PyObject_CallMethodObjArgs(self->owner, name_take_early, now_object, NULL);
    unsigned char in[READ_BYTES];
    Py_ssize_t usual_bytes = self->usual_bytes;
    ssize_t count = recv(self->fd, in, (size_t)self->read_bytes, 0);
    if (count < 0) {
        if (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR)
            return none();
        count = 0; /* the end of it */
    }
    /* Several frames that don't go back are answered in one write, which is the long way's. */
    int several = count > usual_bytes && as_mirror(self->mirror) != NULL && !self->client;
    int result;
    Py_INCREF(OBJECT(self)); /* who is called may let go of us */
    if (count && usual_bytes && (count == usual_bytes || several) && is_usual(self, in))
        result = take_usual(self, in, count, now, now_object);
    else
        result = give_bytes(self->owner, name_take, in, count, now_object);
    Py_DECREF(OBJECT(self));
    if (result < 0)
        return NULL;
    return none();
}

static PyObject *steady_send_plain(Steady *self, PyObject *message)
{
    int sent = steady_send(self, message);
    return sent < 0 ? NULL : PyBool_FromLong(sent);
}

static PyObject *steady_expect(Steady *self, PyObject *args)
{
    const char *head;
    Py_ssize_t head_bytes, frame_bytes;
    if (!PyArg_ParseTuple(args, "y#n", &head, &head_bytes, &frame_bytes))
        return NULL;
    Py_ssize_t around = SHORT_HEAD_BYTES + (self->client ? 0 : MASK_BYTES);
    if (head_bytes != SHORT_HEAD_BYTES || frame_bytes <= around) {
        PyErr_SetString(PyExc_ValueError, "a usual frame has a head of four bytes, and a payload");
        return NULL;
    }
    memcpy(self->usual_head, head, SHORT_HEAD_BYTES);
    self->usual_bytes = frame_bytes;
    /* None is cut in two by where reading stops. */
    self->read_bytes = frame_bytes <= READ_BYTES ? READ_BYTES / frame_bytes * frame_bytes : READ_BYTES;
    return none();
}

static PyObject *steady_prepare(Steady *self, PyObject *args)
{
    const char *head;
    Py_ssize_t head_bytes, payload_bytes;
    if (!PyArg_ParseTuple(args, "y#n", &head, &head_bytes, &payload_bytes))
        return NULL;
    if (head_bytes > MAX_HEAD_BYTES || payload_bytes < 0 || (payload_bytes < 65536 && head_bytes > SHORT_HEAD_BYTES)) {
        PyErr_SetString(PyExc_ValueError, "a frame has a head of at most four bytes, and one of 64 KiB of ten");
        return NULL;
    }
    memcpy(self->plain_head, head, (size_t)head_bytes);
    self->plain_head_bytes = head_bytes;
    self->plain_bytes = payload_bytes;
    return none();
}

static PyObject *steady_expect_nothing(Steady *self, PyObject *Py_UNUSED(none))
{
    self->usual_bytes = 0;
    return none();
}

static PyObject *steady_hold_back(Steady *self, PyObject *Py_UNUSED(none))
{
    self->plain_bytes = -1;
    return none();
}

static PyObject *steady_close(Steady *self, PyObject *Py_UNUSED(none))
{
    self->fd = -1;
    self->usual_bytes = 0;
    self->plain_bytes = -1;
    return none();
}

static PyObject *steady_ready(Steady *self, PyObject *args)
{
    PyObject *events, *now;
    if (!PyArg_ParseTuple(args, "OO", &events, &now))
        return NULL;
    return PyObject_CallMethodObjArgs(self->owner, name_ready, events, now, NULL);
}

static PyObject *steady_abort(Steady *self, PyObject *Py_UNUSED(none))
{
    return PyObject_CallMethodObjArgs(self->owner, name_abort, NULL);
}

static PyObject *steady_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"sock", "owner", "receiver", "client", NULL};
    PyObject *sock, *owner, *receiver;
    int client;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "OOO$p", names, &sock, &owner, &receiver, &client))
        return NULL;
    int fd = PyObject_AsFileDescriptor(sock);
    if (fd < 0)
        return NULL;
    allocfunc allocate = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
    Steady *self = (Steady *)allocate(type, 0);
    if (self == NULL)
        return NULL;
    self->fd = fd;
    self->client = (char)client;
    self->plain_bytes = -1;
    self->read_bytes = READ_BYTES;
    self->mirror = Py_NewRef(Py_None);
    self->receiver = Py_NewRef(receiver);
    self->owner = Py_NewRef(owner);
    return (PyObject *)self;
}

static int steady_traverse(Steady *self, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(OBJECT(self)));
    Py_VISIT(self->mirror);
    Py_VISIT(self->receiver);
    Py_VISIT(self->owner);
    return 0;
}

static int steady_clear(Steady *self)
{
    /* Whoever calls us all the same finds something there. */
    replace(&self->mirror, Py_None);
    replace(&self->receiver, Py_None);
    replace(&self->owner, Py_None);
    return 0;
}

static PyObject *steady_release(Steady *self, PyObject *Py_UNUSED(none))
{
    steady_clear(self);
    return none();
}

static void steady_dealloc(Steady *self)
{
    PyTypeObject *type = Py_TYPE(OBJECT(self));
    PyObject_GC_UnTrack(self);
    Py_CLEAR(self->mirror);
    Py_CLEAR(self->receiver);
    Py_CLEAR(self->owner);
    ((freefunc)PyType_GetSlot(type, Py_tp_free))(self);
    Py_DECREF(type);
}

static PyMethodDef steady_methods[] = {
    {"readable", (PyCFunction)steady_readable, METH_O, NULL},
    {"ready", (PyCFunction)steady_ready, METH_VARARGS, NULL},
    {"abort", (PyCFunction)steady_abort, METH_NOARGS, NULL},
    {"send_plain", (PyCFunction)steady_send_plain, METH_O, NULL},
    {"expect", (PyCFunction)steady_expect, METH_VARARGS, NULL},
    {"prepare", (PyCFunction)steady_prepare, METH_VARARGS, NULL},
    {"expect_nothing", (PyCFunction)steady_expect_nothing, METH_NOARGS, NULL},
    {"close", (PyCFunction)steady_close, METH_NOARGS, NULL},
    {"release", (PyCFunction)steady_release, METH_NOARGS, NULL},
    {"hold_back", (PyCFunction)steady_hold_back, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static PyMemberDef steady_members[] = {
    {"usual_bytes", T_PYSSIZET, offsetof(Steady, usual_bytes), READONLY, NULL},
    {"plain_bytes", T_PYSSIZET, offsetof(Steady, plain_bytes), READONLY, NULL},
    {"heard_at", T_LONGLONG, offsetof(Steady, heard_at), 0, NULL},
    {"early", T_BOOL, offsetof(Steady, early), 0, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyObject *steady_get_mirror(Steady *self, void *Py_UNUSED(closure))
{
    return Py_NewRef(self->mirror);
}

static int steady_set_mirror(Steady *self, PyObject *value, void *Py_UNUSED(closure))
{
    replace(&self->mirror, value == NULL ? Py_None : value);
    return 0;
}

static PyGetSetDef steady_getset[] = {
    {"mirror", (getter)steady_get_mirror, (setter)steady_set_mirror, NULL, NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot steady_slots[] = {
    {Py_tp_new, steady_new},
    {Py_tp_dealloc, steady_dealloc},
    {Py_tp_traverse, steady_traverse},
    {Py_tp_clear, steady_clear},
    {Py_tp_methods, steady_methods},
    {Py_tp_members, steady_members},
    {Py_tp_getset, steady_getset},
    {0, NULL},
};

static PyType_Spec steady_spec = {
    .name = "vonage_sock.native._frames.Steady",
    .basicsize = sizeof(Steady),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
    .slots = steady_slots,
};

int add_steady(PyObject *module)
{
    struct {
        PyObject **kept;
        const char *name;
    } names[] = {
        {&name_binary, "binary"},   {&name_take, "take"},   {&name_take_early, "take_early"},
        {&name_reflect, "reflect"}, {&name_ready, "ready"}, {&name_settle_mirror, "settle_mirror"},
        {&name_abort, "abort"},     {&name_keep_unsent, "keep_unsent"},
    };
    for (size_t at = 0; at < sizeof names / sizeof *names; at++)
        if ((*names[at].kept = PyUnicode_InternFromString(names[at].name)) == NULL)
            return -1;
    return add_type(module, &steady_spec, "Steady", &steady_type);
}
