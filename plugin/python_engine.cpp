#include "python_engine.h"
#include "engine_thread.h"
#include "python_values.h"

#include <memory>

namespace dfvi
{

struct PythonEngine::Call {
    std::function<PyRef()> arguments;       // a tuple
    std::function<void(PyObject *)> value;  // takes what the call returned
};

// What host.call says besides its value.
struct PythonEngine::Reply {
    std::string failure;  // empty if it succeeded
    std::vector<std::pair<std::string, std::string>> log;
};

namespace
{

// host.call takes the name and the arguments in one tuple.
PyRef withName(const char *name, const PyRef &arguments)
{
    const PythonApi &py = pythonApi();
    const std::ptrdiff_t count = py.PyTuple_Size(arguments.get());
    PyRef tuple = owned(py.PyTuple_New(count + 1));
    setItem(tuple, 0, toPython(std::string(name)));
    for (int i = 0; i < int(count); ++i) {
        PyObject *argument = item(arguments.get(), i);
        py.Py_IncRef(argument);
        setItem(tuple, i + 1, PyRef(argument));
    }
    return tuple;
}

}  // namespace

PythonEngine::Reply PythonEngine::exchange(EngineThread &thread, const char *name, const Call &call)
{
    PyObject *hostCall = thread.hostCall();
    const PyRef arguments = withName(name, call.arguments());
    const PyRef answer = owned(pythonApi().PyObject_CallObject(hostCall, arguments.get()));

    Reply reply;
    PyObject *log = item(answer.get(), 2);
    const auto lines = int(pythonApi().PyTuple_Size(log));
    for (int i = 0; i < lines; ++i)
        reply.log.emplace_back(toText(item(item(log, i), 0)), toText(item(item(log, i), 1)));
    if (pythonApi().PyObject_IsTrue(item(answer.get(), 0)))
        call.value(item(answer.get(), 1));
    else
        reply.failure = toText(item(answer.get(), 1));
    return reply;
}

void PythonEngine::deliver(const Reply &reply)
{
    for (const auto &[level, text] : reply.log)
        sink_(level, text);
    if (!reply.failure.empty())
        throw EngineFailure(reply.failure);
}

void PythonEngine::call(const char *name, const Call &call)
{
    EngineThread &thread = EngineThread::instance();
    const WithoutGil released;
    Reply reply;
    thread.run([&] { reply = exchange(thread, name, call); });
    deliver(reply);
}

PythonEngine::PythonEngine(const Dictionary &arguments, const Dictionary &clip, const Dictionary &mask,
                           const Formats &extras, LogSink sink)
    : sink_(std::move(sink))
{
    const auto send = [&] {
        return tupleOf(toPython(arguments), toPython(clip), toPython(mask), toPython(extras),
                       toPython(libraryPath()));
    };
    const auto receive = [&](PyObject *value) {
        handle_ = toInt(item(value, 0));
        reach_ = int(toInt(item(value, 1)));
        extraReach_ = toDictionary(item(value, 2));
        PyObject *survey = item(value, 3);
        const auto frames = int(pythonApi().PyTuple_Size(survey));
        for (int i = 0; i < frames; ++i)
            survey_.push_back(int(toInt(item(survey, i))));
    };
    call("open", {send, receive});
}

PythonEngine::~PythonEngine()
{
    try {
        EngineThread &thread = EngineThread::instance();
        const WithoutGil released;
        const auto reply = std::make_shared<Reply>();
        // Owns all it uses: it may run when this engine is gone.
        const bool ended = thread.runOrLeave([&thread, reply, handle = handle_] {
            *reply = exchange(thread, "close", {[handle] { return tupleOf(toPython(handle)); }, [](PyObject *) {}});
        });
        if (ended)
            deliver(*reply);
    } catch (const std::exception &failure) {
        sink_("warning", failure.what());
    }
}

int PythonEngine::extraReach(const std::string &name) const
{
    for (const auto &[key, frames] : extraReach_)
        if (key == name)
            return int(std::get<int64_t>(frames));
    throw EngineFailure("open must say how far " + name + " is read, got nothing");
}

Answer PythonEngine::prepare(int n, const Lent &lent)
{
    Answer answer{Answer::Kind::source, 0, 0};
    const auto send = [&] {
        return tupleOf(toPython(handle_), toPython(n), framesToPython(lent.clip), framesToPython(lent.mask),
                       framesToPython(lent.extras), framesToPython(lent.surveyClip), framesToPython(lent.surveyMask));
    };
    const auto receive = [&](PyObject *value) {
        const std::string kind = toText(item(value, 0));
        if (kind == "source")
            return;
        if (kind == "survey") {
            answer.kind = Answer::Kind::survey;
            return;
        }
        if (kind != "need" && kind != "ready")
            throw EngineFailure("prepare must answer source, need, survey or ready, got " + kind);
        answer.kind = kind == "need" ? Answer::Kind::need : Answer::Kind::ready;
        answer.first = int(toInt(item(value, 1)));
        answer.last = int(toInt(item(value, 2)));
    };
    call("prepare", {send, receive});
    return answer;
}

Dictionary PythonEngine::finish(int n, const std::vector<PlaneView> &planes)
{
    Dictionary properties;
    const auto send = [&] { return tupleOf(toPython(handle_), toPython(n), planesToPython(planes, true)); };
    call("finish", {send, [&](PyObject *value) { properties = toDictionary(value); }});
    return properties;
}

void PythonEngine::discard(int n)
{
    call("discard", {[&] { return tupleOf(toPython(handle_), toPython(n)); }, [](PyObject *) {}});
}

}  // namespace dfvi
