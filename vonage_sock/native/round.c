/* The round of transport/poller.py, in C. */

#include "frames.h"

#include <errno.h>
#include <sys/epoll.h>

#define MAX_READY 1024

static PyObject *name_readable, *name_ready, *name_run_timers, *name_failed;

/* A time of the clock, of which those are due are done first: what waits to be read can wait on, a frame that is due can't. */
static PyObject *time_now(PyObject *poller, PyObject *clock_now, PyObject *timers_at)
{
    PyObject *now = PyObject_CallNoArgs(clock_now);
    if (now == NULL || PyList_Size(timers_at) == 0)
        return now;
    int is_due = PyObject_RichCompareBool(PyList_GetItem(timers_at, 0), now, Py_LE);
    if (is_due > 0) {
        PyObject *done = PyObject_CallMethodObjArgs(poller, name_run_timers, now, NULL);
        Py_DECREF(now);
        if (done == NULL)
            return NULL;
        Py_DECREF(done);
        return PyObject_CallNoArgs(clock_now);
    }
    if (is_due < 0)
        Py_CLEAR(now);
    return now;
}

/* One connection's trouble must not end the others: the poller is told. */
static int tell_failure(PyObject *poller, PyObject *ready)
{
    if (!PyErr_ExceptionMatches(PyExc_Exception))
        return -1;
    PyObject *error = raised();
    if (error == NULL)
        return -1;
    PyObject *told = PyObject_CallMethodObjArgs(poller, name_failed, ready, error, NULL);
    Py_DECREF(error);
    Py_XDECREF(told);
    return told == NULL ? -1 : 0;
}

static PyObject *look(PyObject *ready, unsigned int events, PyObject *now)
{
    if (events == EPOLLIN) {
        Steady *steady = as_steady(ready);
        return steady != NULL ? steady_readable(steady, now) : PyObject_CallMethodObjArgs(ready, name_readable, now, NULL);
    }
    PyObject *number = PyLong_FromUnsignedLong(events);
    if (number == NULL)
        return NULL;
    PyObject *result = PyObject_CallMethodObjArgs(ready, name_ready, number, now, NULL);
    Py_DECREF(number);
    return result;
}

static int handle(PyObject *poller, PyObject *watched, const struct epoll_event *event, PyObject *now)
{
    PyObject *fd = PyLong_FromLong(event->data.fd);
    if (fd == NULL)
        return -1;
    PyObject *ready = PyDict_GetItemWithError(watched, fd);
    Py_DECREF(fd);
    if (ready == NULL)
        return PyErr_Occurred() ? -1 : 0; /* an earlier one of this round ended it */
    Py_INCREF(ready);
    PyObject *result = look(ready, event->events, now);
    int failed = result == NULL ? tell_failure(poller, ready) : 0;
    Py_XDECREF(result);
    Py_DECREF(ready);
    return failed;
}

static PyObject *handle_ready(PyObject *Py_UNUSED(module), PyObject *args)
{
    PyObject *poller, *watched, *timers_at, *clock_now, *now = NULL;
    int epoll, per_clock;
    if (!PyArg_ParseTuple(
            args, "OiO!O!Oi", &poller, &epoll, &PyDict_Type, &watched, &PyList_Type, &timers_at, &clock_now, &per_clock))
        return NULL;
    struct epoll_event events[MAX_READY];
    int count = epoll_wait(epoll, events, MAX_READY, 0);
    if (count < 0) {
        if (errno != EINTR)
            return PyErr_SetFromErrno(PyExc_OSError);
        count = 0;
    }
    for (int at = 0; at < count; at++) {
        if (at % per_clock == 0) {
            Py_XDECREF(now);
            now = time_now(poller, clock_now, timers_at);
            if (now == NULL)
                return NULL;
        }
        if (handle(poller, watched, &events[at], now) < 0) {
            Py_DECREF(now);
            return NULL;
        }
    }
    Py_XDECREF(now);
    return PyLong_FromLong(count);
}

static PyMethodDef functions[] = {
    {"handle_ready", handle_ready, METH_VARARGS, "A poller's round; see Poller in transport/poller.py."},
    {NULL, NULL, 0, NULL},
};

int add_round(PyObject *module)
{
    if ((name_readable = PyUnicode_InternFromString("readable")) == NULL
        || (name_ready = PyUnicode_InternFromString("ready")) == NULL
        || (name_run_timers = PyUnicode_InternFromString("run_timers")) == NULL
        || (name_failed = PyUnicode_InternFromString("failed")) == NULL)
        return -1;
    return PyModule_AddFunctions(module, functions);
}
