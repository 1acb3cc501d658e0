// The C functions of the interpreter that the host has in its process, found by name at run time.
//
// Nothing is linked: one binary serves every version of Python, and loads in a host that has none. Only
// functions and objects of the stable ABI are named, besides three that ask how the interpreter is doing.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace dfvi
{

struct PyObject;  // Python's own, never looked into
struct PyThreadState;

// X(result, name, parameters): functions without which nothing works.
#define DFVI_PYTHON_FUNCTIONS(X)                                                                                       \
    X(int, Py_IsInitialized, ())                                                                                       \
    X(void, Py_DecRef, (PyObject *))                                                                                   \
    X(void, Py_IncRef, (PyObject *))                                                                                   \
    X(int, PyGILState_Ensure, ())                                                                                      \
    X(PyThreadState *, PyEval_SaveThread, ())                                                                          \
    X(void, PyEval_RestoreThread, (PyThreadState *))                                                                   \
    X(PyObject *, PyErr_Occurred, ())                                                                                  \
    X(void, PyErr_Fetch, (PyObject **, PyObject **, PyObject **))                                                      \
    X(void, PyErr_NormalizeException, (PyObject **, PyObject **, PyObject **))                                         \
    X(PyObject *, PyImport_ImportModule, (const char *))                                                               \
    X(PyObject *, PyObject_GetAttrString, (PyObject *, const char *))                                                  \
    X(PyObject *, PyObject_CallObject, (PyObject *, PyObject *))                                                       \
    X(PyObject *, PyObject_Str, (PyObject *))                                                                          \
    X(int, PyObject_IsTrue, (PyObject *))                                                                              \
    X(int, PyObject_IsInstance, (PyObject *, PyObject *))                                                              \
    X(PyObject *, PyLong_FromLongLong, (long long))                                                                    \
    X(long long, PyLong_AsLongLong, (PyObject *))                                                                      \
    X(PyObject *, PyFloat_FromDouble, (double))                                                                        \
    X(double, PyFloat_AsDouble, (PyObject *))                                                                          \
    X(PyObject *, PyUnicode_DecodeUTF8, (const char *, std::ptrdiff_t, const char *))                                  \
    X(const char *, PyUnicode_AsUTF8AndSize, (PyObject *, std::ptrdiff_t *))                                           \
    X(PyObject *, PyMemoryView_FromMemory, (char *, std::ptrdiff_t, int))                                              \
    X(PyObject *, PyTuple_New, (std::ptrdiff_t))                                                                       \
    X(std::ptrdiff_t, PyTuple_Size, (PyObject *))                                                                      \
    X(PyObject *, PyTuple_GetItem, (PyObject *, std::ptrdiff_t))                                                       \
    X(int, PyTuple_SetItem, (PyObject *, std::ptrdiff_t, PyObject *))                                                  \
    X(PyObject *, PyDict_New, ())                                                                                      \
    X(int, PyDict_SetItem, (PyObject *, PyObject *, PyObject *))                                                       \
    X(int, PyDict_Next, (PyObject *, std::ptrdiff_t *, PyObject **, PyObject **))

struct PythonApi {
#define DFVI_DECLARE(result, name, parameters) result(*name) parameters = nullptr;
    DFVI_PYTHON_FUNCTIONS(DFVI_DECLARE)
#undef DFVI_DECLARE
    PyObject *PyLong_Type = nullptr;
    PyObject *PyFloat_Type = nullptr;

    // These changed their names in 3.13; either will do.
    PyThreadState *(*threadStateOrNull)() = nullptr;
    int (*isFinalizing)() = nullptr;

    // True if no thread may take the GIL any more: it would be ended, or held for ever.
    bool gone() const { return !Py_IsInitialized() || isFinalizing(); }
};

// The functions of this process's interpreter. Throws std::runtime_error if there is none.
const PythonApi &pythonApi();

// One owned reference. Made and released on the engine's thread, with the GIL.
class PyRef
{
public:
    explicit PyRef(PyObject *owned = nullptr) : object_(owned) {}
    PyRef(PyRef &&other) noexcept : object_(other.release()) {}
    PyRef &operator=(PyRef &&) = delete;
    ~PyRef();

    PyObject *get() const { return object_; }
    PyObject *release()
    {
        PyObject *object = object_;
        object_ = nullptr;
        return object;
    }

private:
    PyObject *object_;
};

// Lets other threads have the GIL for as long as this lives, if the calling thread holds it.
class WithoutGil
{
public:
    WithoutGil();
    ~WithoutGil() noexcept(false);  // Python may end the thread here
    WithoutGil(const WithoutGil &) = delete;
    WithoutGil &operator=(const WithoutGil &) = delete;

private:
    PyThreadState *saved_ = nullptr;
};

// The file that this code was loaded from, UTF-8.
std::string libraryPath();

// Keep this library in the process to its end: hosts close a plugin with every core, and our thread lives on in it.
void stayLoaded();

}  // namespace dfvi
