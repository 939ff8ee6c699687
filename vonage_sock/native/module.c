/*
 * The path of a frame, in C: what a core does fifty times a second for each call, where there are hundreds of them.
 *
 * Each type here is written in Python, too, and says there what it does; both do the same, and the tests run both. What isn't
 * as it nearly always is goes to Python. Nothing here is kept for all calls, so that nothing need be locked.
 */

#include "frames.h"

int add_type(PyObject *module, PyType_Spec *spec, const char *name, PyTypeObject **kept)
{
    PyObject *type = PyType_FromSpec(spec);
    if (type == NULL || PyModule_AddObjectRef(module, name, type) < 0) {
        Py_XDECREF(type);
        return -1;
    }
    *kept = (PyTypeObject *)type; /* for as long as the program runs */
    return 0;
}

PyObject *raised(void)
{
    PyObject *type, *error, *traceback;
    PyErr_Fetch(&type, &error, &traceback);
    PyErr_NormalizeException(&type, &error, &traceback);
    if (traceback != NULL && error != NULL)
        PyException_SetTraceback(error, traceback);
    Py_XDECREF(type);
    Py_XDECREF(traceback);
    return error;
}

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT,
    .m_name = "vonage_sock.native._frames",
    .m_doc = "The path of a frame, in C; see the Python classes of the same names.",
    .m_size = -1,
};

PyMODINIT_FUNC PyInit__frames(void)
{
    PyObject *module = PyModule_Create(&definition);
    if (module == NULL)
        return NULL;
    if (PyModule_AddIntMacro(module, TIMES_AT_ONCE) < 0 || PyModule_AddIntMacro(module, LEVEL_WINDOW_FRAMES) < 0
        || add_mirror(module) < 0 || add_gathered(module) < 0 || add_steady(module) < 0 || add_round(module) < 0
        || add_lane(module) < 0 || add_load(module) < 0) {
        Py_DECREF(module);
        return NULL;
    }
    return module;
}
