/* What the parts of this module share. Times are in nanoseconds, as everywhere. */

#ifndef VSOCK_FRAMES_H
#define VSOCK_FRAMES_H

/* No more than all versions have, so that none is forgotten; each is compiled for by itself all the same. */
#define Py_LIMITED_API 0x030B0000
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <structmember.h>

#include <stdint.h>

#define OBJECT(value) ((PyObject *)(value))

/* As in vonage_sock/call/stats.py; a test compares them. */
#define TIMES_AT_ONCE 25
#define LEVEL_WINDOW_FRAMES 5

typedef struct {
    PyObject_HEAD
    PyObject *settle;
    PyObject *fail;
    PyObject *hearing; /* a tuple */
    char failed;
    Py_ssize_t size;
    long long not_before;
    int count;
    long long times[TIMES_AT_ONCE];
    PyObject *latest[LEVEL_WINDOW_FRAMES];
} Mirror;

typedef struct Steady Steady;
typedef struct Gathered Gathered;

/* So many frames of a call are out where the server is quick; more times have a place of their own. */
#define FEW_TIMES 4

typedef struct {
    PyObject_HEAD
    long long *slots;
    Py_ssize_t places; /* a power of two */
    Py_ssize_t first;
    Py_ssize_t count;
    long long few[FEW_TIMES];
} Times;

/* Each adds its types to the module; -1 with an exception where that fails. */
int add_mirror(PyObject *module);
int add_gathered(PyObject *module);
int add_steady(PyObject *module);
int add_lane(PyObject *module);
int add_load(PyObject *module);
int add_times(PyObject *module);
int add_tally(PyObject *module);
int add_round(PyObject *module);

/* The mirror, where this is one of ours. */
Mirror *as_mirror(PyObject *object);

/* Whether a frame may go straight back now; nothing is noted. */
int mirror_passes(const Mirror *mirror, const unsigned char *payload, Py_ssize_t size, long long now);

/* Note a frame and let those who hear it hear it; -1 with an exception. */
int mirror_note(Mirror *mirror, PyObject *payload, long long now);

/* It is time to settle. */
int mirror_is_full(const Mirror *mirror);

/* What gathers the audio of a recording, where this is one of ours. */
Gathered *as_gathered(PyObject *object);

/* As the call; -1 with an exception. */
int gathered_add(Gathered *gathered, PyObject *frame);

/* The socket's short way, where this is one of ours. */
Steady *as_steady(PyObject *object);

/* As the method. */
PyObject *steady_readable(Steady *steady, PyObject *now);

/* 1: it went, or waits; 0: it has to go the long way; -1 with an exception. */
int steady_send(Steady *steady, PyObject *message);

/* In place of Py_RETURN_NONE: as Python 3.12 has that, older versions lose a reference each time. */
static inline PyObject *none(void)
{
    return Py_NewRef(Py_None);
}

/* Puts something in the place of what is there; both count their references. */
static inline void replace(PyObject **place, PyObject *with)
{
    PyObject *before = *place;
    *place = Py_NewRef(with);
    Py_XDECREF(before);
}

/* The exception that was raised, as an object, and raised no longer; NULL where that fails. */
PyObject *raised(void);

/* Adds a type made of a specification, and keeps it in *kept too. */
int add_type(PyObject *module, PyType_Spec *spec, const char *name, PyTypeObject **kept);

/* Times: NULL or -1 with an exception where there is no memory; whoever takes the first one knows that there is one. */
Times *times_make(void);
int times_push(Times *times, long long time);
long long times_shift(Times *times);

/* A frame of a load came back; -1 with an exception. */
int count_returned(PyObject *book, long long span_ns);

/* A clock that goes wrong gives wrong figures, and nothing worse. */
static inline long long minus(long long a, long long b)
{
    return (long long)((unsigned long long)a - (unsigned long long)b);
}

static inline long long plus(long long a, long long b)
{
    return (long long)((unsigned long long)a + (unsigned long long)b);
}

static inline long long size_of(long long number)
{
    return number < 0 ? minus(0, number) : number;
}

#endif
