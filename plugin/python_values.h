// Values of Python, made and read. All of it runs on the engine's thread, with the GIL.
#pragma once

#include "python_api.h"
#include "python_engine.h"

#include <string>
#include <utility>
#include <vector>

namespace dfvi
{

// Take Python's pending exception as "<Type>: <text>".
EngineFailure pendingException();

// Own a new reference, or throw the pending exception where there is none.
PyRef owned(PyObject *object);

PyRef toPython(int64_t value);
PyRef toPython(int value);
PyRef toPython(double value);
PyRef toPython(const std::string &text);
PyRef toPython(const Scalar &scalar);
PyRef toPython(const Dictionary &dictionary);
PyRef toPython(const Formats &formats);
PyRef planesToPython(const std::vector<PlaneView> &planes, bool writable);
PyRef framesToPython(const std::vector<FrameView> &frames);
PyRef framesToPython(const std::vector<std::pair<std::string, std::vector<FrameView>>> &clips);

void setItem(const PyRef &tuple, int index, PyRef item);

template <typename... Items>
PyRef tupleOf(Items &&...items)
{
    PyRef tuple = owned(pythonApi().PyTuple_New(sizeof...(items)));
    int index = 0;
    (setItem(tuple, index++, std::forward<Items>(items)), ...);
    return tuple;
}

// An item of a tuple, borrowed.
PyObject *item(PyObject *tuple, int index);

int64_t toInt(PyObject *object);
std::string toText(PyObject *object);
Dictionary toDictionary(PyObject *dict);

}  // namespace dfvi
