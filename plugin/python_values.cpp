#include "python_values.h"

namespace dfvi
{

namespace
{

std::string textOf(PyObject *object)
{
    const PythonApi &py = pythonApi();
    std::ptrdiff_t size = 0;
    const char *text = object ? py.PyUnicode_AsUTF8AndSize(object, &size) : nullptr;
    return text ? std::string(text, size_t(size)) : std::string("(no text)");
}

}  // namespace

EngineFailure pendingException()
{
    const PythonApi &py = pythonApi();
    PyObject *type = nullptr, *value = nullptr, *traceback = nullptr;
    py.PyErr_Fetch(&type, &value, &traceback);
    py.PyErr_NormalizeException(&type, &value, &traceback);
    const PyRef ownedType(type), ownedValue(value), ownedTraceback(traceback);
    if (!type)
        return EngineFailure("Python failed without an exception");
    const PyRef name(py.PyObject_GetAttrString(type, "__name__"));
    const PyRef text(py.PyObject_Str(value));
    return EngineFailure(textOf(name.get()) + ": " + textOf(text.get()));
}

PyRef owned(PyObject *object)
{
    if (!object)
        throw pendingException();
    return PyRef(object);
}

PyRef toPython(int64_t value) { return owned(pythonApi().PyLong_FromLongLong(value)); }
PyRef toPython(int value) { return toPython(int64_t(value)); }
PyRef toPython(double value) { return owned(pythonApi().PyFloat_FromDouble(value)); }
PyRef toPython(const std::string &text)
{
    return owned(pythonApi().PyUnicode_DecodeUTF8(text.data(), std::ptrdiff_t(text.size()), "replace"));
}
PyRef toPython(const Scalar &scalar)
{
    return std::visit([](const auto &value) { return toPython(value); }, scalar);
}

void setItem(const PyRef &tuple, int index, PyRef item)
{
    if (pythonApi().PyTuple_SetItem(tuple.get(), index, item.release()))
        throw pendingException();
}

PyRef toPython(const Dictionary &dictionary)
{
    PyRef dict = owned(pythonApi().PyDict_New());
    for (const auto &[name, value] : dictionary)
        if (pythonApi().PyDict_SetItem(dict.get(), toPython(name).get(), toPython(value).get()))
            throw pendingException();
    return dict;
}

PyRef toPython(const Formats &formats)
{
    PyRef dict = owned(pythonApi().PyDict_New());
    for (const auto &[name, format] : formats)
        if (pythonApi().PyDict_SetItem(dict.get(), toPython(name).get(), toPython(format).get()))
            throw pendingException();
    return dict;
}

PyRef planesToPython(const std::vector<PlaneView> &planes, bool writable)
{
    const int readFlag = 0x100, writeFlag = 0x200;  // PyBUF_READ and PyBUF_WRITE
    PyRef tuple = owned(pythonApi().PyTuple_New(std::ptrdiff_t(planes.size())));
    for (size_t i = 0; i < planes.size(); ++i) {
        const PlaneView &plane = planes[i];
        PyRef view = owned(pythonApi().PyMemoryView_FromMemory(
            static_cast<char *>(plane.samples), plane.strideBytes * plane.height, writable ? writeFlag : readFlag));
        setItem(tuple, int(i),
                tupleOf(std::move(view), toPython(int64_t(plane.strideBytes)), toPython(plane.width),
                        toPython(plane.height)));
    }
    return tuple;
}

PyRef framesToPython(const std::vector<FrameView> &frames)
{
    PyRef dict = owned(pythonApi().PyDict_New());
    for (const FrameView &frame : frames) {
        const PyRef value = tupleOf(planesToPython(frame.planes, false), toPython(frame.properties));
        if (pythonApi().PyDict_SetItem(dict.get(), toPython(frame.number).get(), value.get()))
            throw pendingException();
    }
    return dict;
}

PyRef framesToPython(const std::vector<std::pair<std::string, std::vector<FrameView>>> &clips)
{
    PyRef dict = owned(pythonApi().PyDict_New());
    for (const auto &[name, frames] : clips)
        if (pythonApi().PyDict_SetItem(dict.get(), toPython(name).get(), framesToPython(frames).get()))
            throw pendingException();
    return dict;
}

PyObject *item(PyObject *tuple, int index)
{
    PyObject *borrowed = pythonApi().PyTuple_GetItem(tuple, index);
    if (!borrowed)
        throw pendingException();
    return borrowed;
}

int64_t toInt(PyObject *object)
{
    const int64_t value = pythonApi().PyLong_AsLongLong(object);
    if (value == -1 && pythonApi().PyErr_Occurred())
        throw pendingException();
    return value;
}

std::string toText(PyObject *object)
{
    std::ptrdiff_t size = 0;
    const char *text = pythonApi().PyUnicode_AsUTF8AndSize(object, &size);
    if (!text)
        throw pendingException();
    return std::string(text, size_t(size));
}

namespace
{

Scalar toScalar(PyObject *object)
{
    if (pythonApi().PyObject_IsInstance(object, pythonApi().PyLong_Type))
        return toInt(object);
    if (pythonApi().PyObject_IsInstance(object, pythonApi().PyFloat_Type))
        return pythonApi().PyFloat_AsDouble(object);
    return toText(object);
}

}  // namespace

Dictionary toDictionary(PyObject *dict)
{
    Dictionary dictionary;
    std::ptrdiff_t position = 0;
    PyObject *key = nullptr, *value = nullptr;
    while (pythonApi().PyDict_Next(dict, &position, &key, &value))
        dictionary.emplace_back(toText(key), toScalar(value));
    return dictionary;
}

}  // namespace dfvi
