// The thread that runs all Python of this plugin.
#pragma once

#include <condition_variable>
#include <deque>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>

namespace dfvi
{

struct PyObject;

class EngineThread
{
public:
    // The one of this process, started by the first call. Never destroyed: it outlives every core and every static
    // object, and the library stays mapped. Throws std::runtime_error if the process has no Python.
    static EngineThread &instance();

    // Run a piece of work there, with the GIL, and wait for its end; what it throws is thrown here.
    // The caller must not hold the GIL.
    void run(std::function<void()> work);

    // The same for work whose end need not be awaited, and sometimes cannot be. Returns whether it was.
    //
    // Python collects garbage on any of its threads, and with it goes a filter that nobody holds any more: on this
    // very thread, or on one that this thread waits for. Then the work is left to be done later.
    bool runOrLeave(std::function<void()> work);

    // host.call of vsdfvi/host.py, borrowed; for use by work. Imported once; a failed import is tried again next time.
    PyObject *hostCall();

private:
    struct Job;
    struct Completion;
    struct Stop;

    EngineThread();
    void serve();
    std::shared_ptr<Job> next();
    std::shared_ptr<Job> post(std::function<void()> work);  // with the mutex held
    static std::exception_ptr outcome(const Job &job);

    std::mutex mutex_;
    std::condition_variable changed_;
    std::deque<std::shared_ptr<Job>> queue_;
    std::thread::id self_;
    bool stopped_ = false;
    PyObject *hostCall_ = nullptr;
};

}  // namespace dfvi
