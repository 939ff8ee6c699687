#include "frames.h"
int add_load(PyObject *module) { (void)module; return 0; }
