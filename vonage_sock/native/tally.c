/* What simulator/load/lane.py counts in the objects of simulator/load/tally.py, in C. */

#include "frames.h"

/* As in tally.py; a test compares them. */
#define FINE_BITS 8
#define SUB_BITS 7

static PyObject *name_tally, *name_round_trip, *name_counts, *name_max_ns, *name_late_ns, *name_late;

static int get_number(PyObject *object, PyObject *name, long long *number)
{
    PyObject *value = PyObject_GetAttr(object, name);
    if (value == NULL)
        return -1;
    *number = PyLong_AsLongLong(value);
    Py_DECREF(value);
    return *number == -1 && PyErr_Occurred() ? -1 : 0;
}

static int set_number(PyObject *object, PyObject *name, long long number)
{
    PyObject *value = PyLong_FromLongLong(number);
    if (value == NULL)
        return -1;
    int result = PyObject_SetAttr(object, name, value);
    Py_DECREF(value);
    return result;
}

/* As tally.py's bucket_of. */
static long long bucket_of(long long span_ns)
{
    int bits = span_ns == 0 ? 0 : 64 - __builtin_clzll((unsigned long long)size_of(span_ns)), shift = bits - FINE_BITS;
    return shift > 0 ? ((long long)shift << SUB_BITS) + (span_ns >> shift) : span_ns;
}

static int count_one(PyObject *counts, long long bucket)
{
    PyObject *key = PyLong_FromLongLong(bucket), *more = NULL;
    int result = -1;
    if (key == NULL)
        return -1;
    PyObject *before = PyDict_GetItemWithError(counts, key);
    if (before != NULL) {
        long long count = PyLong_AsLongLong(before);
        if (count != -1 || !PyErr_Occurred())
            more = PyLong_FromLongLong(plus(count, 1));
    } else if (!PyErr_Occurred()) {
        more = PyLong_FromLong(1);
    }
    if (more != NULL) {
        result = PyDict_SetItem(counts, key, more);
        Py_DECREF(more);
    }
    Py_DECREF(key);
    return result;
}

static int count_span(PyObject *round_trip, long long span_ns)
{
    PyObject *counts = PyObject_GetAttr(round_trip, name_counts);
    if (counts == NULL)
        return -1;
    int result = count_one(counts, bucket_of(span_ns));
    Py_DECREF(counts);
    long long max_ns;
    if (result < 0 || get_number(round_trip, name_max_ns, &max_ns) < 0)
        return -1;
    return span_ns > max_ns ? set_number(round_trip, name_max_ns, span_ns) : 0;
}

static int count_late(PyObject *book, PyObject *tally, long long span_ns)
{
    long long late_ns, late;
    if (get_number(book, name_late_ns, &late_ns) < 0)
        return -1;
    if (span_ns <= late_ns)
        return 0;
    return get_number(tally, name_late, &late) < 0 ? -1 : set_number(tally, name_late, plus(late, 1));
}

int count_returned(PyObject *book, long long span_ns)
{
    PyObject *tally = PyObject_GetAttr(book, name_tally), *round_trip;
    if (tally == NULL)
        return -1;
    int result = -1;
    if ((round_trip = PyObject_GetAttr(tally, name_round_trip)) != NULL) {
        if (count_span(round_trip, span_ns) == 0)
            result = count_late(book, tally, span_ns);
        Py_DECREF(round_trip);
    }
    Py_DECREF(tally);
    return result;
}

int add_tally(PyObject *module)
{
    struct {
        PyObject **kept;
        const char *name;
    } names[] = {
        {&name_tally, "tally"},   {&name_round_trip, "round_trip"}, {&name_counts, "counts"},
        {&name_max_ns, "max_ns"}, {&name_late_ns, "late_ns"},       {&name_late, "late"},
    };
    for (size_t at = 0; at < sizeof names / sizeof *names; at++)
        if ((*names[at].kept = PyUnicode_InternFromString(names[at].name)) == NULL)
            return -1;
    return PyModule_AddIntMacro(module, FINE_BITS) < 0 ? -1 : PyModule_AddIntMacro(module, SUB_BITS);
}
