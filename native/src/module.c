/* The kernel for Python, by the stable ABI: a forest, and a call that is bound to one row. */
#define PY_SSIZE_T_CLEAN
#define Py_LIMITED_API 0x030B0000
#include <Python.h>

#include <string.h>

#include "model.h"

typedef struct {
    PyObject_HEAD
    model model;
} ForestObject;

typedef struct {
    PyObject_HEAD
    PyObject *forest;
    const walk_forest *walk;
    Py_buffer row, margins;
} BoundObject;

static PyTypeObject *Forest, *Bound;

/* A buffer of float32, (rows, width), in C order; `rows` below 0 takes any number. */
static int take(PyObject *from, Py_buffer *view, Py_ssize_t rows, uint32_t width, int writable) {
    int flags = PyBUF_C_CONTIGUOUS | PyBUF_FORMAT | (writable ? PyBUF_WRITABLE : 0);
    if (PyObject_GetBuffer(from, view, flags)) return -1;
    if (view->ndim == 2 && view->itemsize == 4 && view->format && !strcmp(view->format, "f") &&
        view->shape[1] == (Py_ssize_t)width && (rows < 0 || view->shape[0] == rows))
        return 0;
    PyBuffer_Release(view);
    PyErr_Format(PyExc_ValueError, "Expected float32 of shape (%s, %u) in C order.",
                 rows == 1 ? "1" : "n", (unsigned)width);
    return -1;
}

static PyObject *forest_new(PyTypeObject *type, PyObject *args, PyObject *kwargs) {
    static char *names[] = {"data", "strategy", NULL};
    const char *strategy = NULL, *expected;
    Py_buffer data;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "y*|z", names, &data, &strategy)) return NULL;
    allocfunc alloc = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
    ForestObject *self = (ForestObject *)alloc(type, 0);
    if (self) {
        expected = model_open(&self->model, data.buf, (size_t)data.len, strategy);
        if (expected) {
            PyErr_Format(PyExc_ValueError, "Expected %s.", expected);
            Py_CLEAR(self);
        }
    }
    PyBuffer_Release(&data);
    return (PyObject *)self;
}

static void forest_dealloc(PyObject *self) {
    PyTypeObject *type = Py_TYPE(self);
    model_close(&((ForestObject *)self)->model);
    ((freefunc)PyType_GetSlot(type, Py_tp_free))(self);
    Py_DECREF(type);
}

static PyObject *forest_margins(PyObject *self, PyObject *const *args, Py_ssize_t n) {
    const model *of = &((ForestObject *)self)->model;
    Py_buffer rows, margins;
    if (n != 2) {
        PyErr_SetString(PyExc_TypeError, "Expected rows and margins.");
        return NULL;
    }
    if (take(args[0], &rows, -1, of->walk.file.n_features, 0)) return NULL;
    if (take(args[1], &margins, rows.shape[0], of->walk.file.n_targets, 1)) {
        PyBuffer_Release(&rows);
        return NULL;
    }
    int failed;
    Py_BEGIN_ALLOW_THREADS
    failed = model_margins(of, rows.buf, (size_t)rows.shape[0], margins.buf);
    Py_END_ALLOW_THREADS
    PyBuffer_Release(&rows);
    PyBuffer_Release(&margins);
    if (failed) return PyErr_NoMemory();
    Py_RETURN_NONE;
}

static PyObject *forest_bind(PyObject *self, PyObject *const *args, Py_ssize_t n) {
    const walk_forest *walk = &((ForestObject *)self)->model.walk;
    if (n != 2) {
        PyErr_SetString(PyExc_TypeError, "Expected a row and margins.");
        return NULL;
    }
    BoundObject *bound = (BoundObject *)((allocfunc)PyType_GetSlot(Bound, Py_tp_alloc))(Bound, 0);
    if (!bound) return NULL;
    if (take(args[0], &bound->row, 1, walk->file.n_features, 0)) {
        Py_DECREF(bound);
        return NULL;
    }
    if (take(args[1], &bound->margins, 1, walk->file.n_targets, 1)) {
        Py_DECREF(bound);
        return NULL;
    }
    Py_INCREF(self);
    bound->forest = self;
    bound->walk = walk;
    return (PyObject *)bound;
}

static PyObject *bound_call(PyObject *self, PyObject *args, PyObject *kwargs) {
    BoundObject *bound = (BoundObject *)self;
    if (PyTuple_Size(args) || kwargs) {
        PyErr_SetString(PyExc_TypeError, "Expected no arguments.");
        return NULL;
    }
    walk_row(bound->walk, bound->row.buf, bound->margins.buf);
    Py_RETURN_NONE;
}

static void bound_dealloc(PyObject *self) {
    BoundObject *bound = (BoundObject *)self;
    PyTypeObject *type = Py_TYPE(self);
    PyBuffer_Release(&bound->row); /* does nothing where nothing was taken */
    PyBuffer_Release(&bound->margins);
    Py_XDECREF(bound->forest);
    ((freefunc)PyType_GetSlot(type, Py_tp_free))(self);
    Py_DECREF(type);
}

static PyObject *forest_get(PyObject *self, void *what) {
    const model *of = &((ForestObject *)self)->model;
    if (!strcmp(what, "strategy")) return PyUnicode_FromString(of->strategy);
    if (!strcmp(what, "n_features")) return PyLong_FromUnsignedLong(of->walk.file.n_features);
    return PyLong_FromUnsignedLong(of->walk.file.n_targets);
}

static PyObject *checksum(PyObject *module, PyObject *data) {
    Py_buffer view;
    (void)module;
    if (PyObject_GetBuffer(data, &view, PyBUF_SIMPLE)) return NULL;
    uint64_t sum = trees_file_checksum(view.buf, (size_t)view.len);
    PyBuffer_Release(&view);
    return PyLong_FromUnsignedLongLong(sum);
}

static PyObject *strategies(PyObject *module, PyObject *nothing) {
    PyObject *names = PyList_New(0);
    (void)module, (void)nothing;
    for (const char *const *name = model_strategies(); names && *name; name++) {
        PyObject *text = PyUnicode_FromString(*name);
        if (!text || PyList_Append(names, text)) Py_CLEAR(names);
        Py_XDECREF(text);
    }
    return names;
}

static PyMethodDef forest_methods[] = {
    {"margins", (PyCFunction)(void (*)(void))forest_margins, METH_FASTCALL,
     "margins(rows, margins): fills float32 (n, n_targets) from float32 (n, n_features)."},
    {"bind", (PyCFunction)(void (*)(void))forest_bind, METH_FASTCALL,
     "bind(row, margins): a function of no arguments that scores the row as it is then."},
    {NULL, NULL, 0, NULL},
};
static PyGetSetDef forest_fields[] = {
    {"strategy", forest_get, NULL, "How many rows are scored.", "strategy"},
    {"n_features", forest_get, NULL, "Columns of a row.", "n_features"},
    {"n_targets", forest_get, NULL, "Margins of a row.", "n_targets"},
    {NULL, NULL, NULL, NULL, NULL},
};
static PyType_Slot forest_slots[] = {
    {Py_tp_doc, "Forest(data, strategy=None): a file of trees, validated. ValueError where it is not sound."},
    {Py_tp_new, forest_new},
    {Py_tp_dealloc, forest_dealloc},
    {Py_tp_methods, forest_methods},
    {Py_tp_getset, forest_fields},
    {0, NULL},
};
static PyType_Spec forest_spec = {
    "bentoml_ext_simd.kernel.Forest", sizeof(ForestObject), 0, Py_TPFLAGS_DEFAULT, forest_slots};
static PyType_Slot bound_slots[] = {
    {Py_tp_dealloc, bound_dealloc}, {Py_tp_call, bound_call}, {0, NULL}};
static PyType_Spec bound_spec = {
    "bentoml_ext_simd.kernel.Bound", sizeof(BoundObject), 0,
    Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION, bound_slots};

static PyMethodDef functions[] = {
    {"checksum", checksum, METH_O, "The checksum that belongs into the header of these bytes."},
    {"strategies", strategies, METH_NOARGS, "Those of this processor, the best one first."},
    {NULL, NULL, 0, NULL},
};
static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT, "kernel", "Rows to margins, in C.", -1, functions, NULL, NULL, NULL, NULL};

PyMODINIT_FUNC PyInit_kernel(void) {
    PyObject *module = PyModule_Create(&definition);
    if (!module) return NULL;
    Forest = (PyTypeObject *)PyType_FromSpec(&forest_spec);
    Bound = (PyTypeObject *)PyType_FromSpec(&bound_spec);
    if (!Forest || !Bound || PyModule_AddObjectRef(module, "Forest", (PyObject *)Forest)) {
        Py_DECREF(module);
        return NULL;
    }
    return module;
}
