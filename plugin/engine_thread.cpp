#include "engine_thread.h"
#include "python_values.h"

#include <chrono>
#include <string>

#ifdef __GLIBCXX__
#include <cxxabi.h>
#endif

namespace dfvi
{

namespace
{

// Closing a filter takes milliseconds. Who waits longer waits for someone who waits for them.
constexpr std::chrono::seconds patience{2};

std::exception_ptr pythonHasEnded()
{
    return std::make_exception_ptr(EngineFailure("the Python interpreter of this process has ended"));
}

}  // namespace

struct EngineThread::Job {
    std::function<void()> work;
    std::exception_ptr failure = nullptr;
    bool done = false;
};

// Ends a job however its scope is left, by Python ending this thread in the middle included.
struct EngineThread::Completion {
    EngineThread &thread;
    Job &job;
    std::exception_ptr failure = pythonHasEnded();

    ~Completion()
    {
        const std::lock_guard<std::mutex> lock(thread.mutex_);
        job.failure = failure;
        job.done = true;
        thread.changed_.notify_all();
    }
};

// Refuses the work that waits and all that comes, once the thread is at its end.
struct EngineThread::Stop {
    EngineThread &thread;

    ~Stop()
    {
        const std::lock_guard<std::mutex> lock(thread.mutex_);
        thread.stopped_ = true;
        for (const auto &job : thread.queue_) {
            job->failure = pythonHasEnded();
            job->done = true;
        }
        thread.queue_.clear();
        thread.changed_.notify_all();
    }
};

EngineThread &EngineThread::instance()
{
    pythonApi();
    static EngineThread *const thread = new EngineThread;
    return *thread;
}

std::shared_ptr<EngineThread::Job> EngineThread::post(std::function<void()> work)
{
    if (stopped_)
        std::rethrow_exception(pythonHasEnded());
    auto job = std::make_shared<Job>();
    job->work = std::move(work);
    queue_.push_back(job);
    changed_.notify_all();
    return job;
}

void EngineThread::run(std::function<void()> work)
{
    std::unique_lock<std::mutex> lock(mutex_);
    const auto job = post(std::move(work));
    changed_.wait(lock, [&] { return job->done; });
    if (job->failure)
        std::rethrow_exception(job->failure);
}

bool EngineThread::runOrLeave(std::function<void()> work)
{
    std::unique_lock<std::mutex> lock(mutex_);
    const auto job = post(std::move(work));
    if (std::this_thread::get_id() == self_ || !changed_.wait_for(lock, patience, [&] { return job->done; }))
        return false;
    if (job->failure)
        std::rethrow_exception(job->failure);
    return true;
}

PyObject *EngineThread::hostCall()
{
    if (!hostCall_) {
        const PyRef host = owned(pythonApi().PyImport_ImportModule("vsdfvi.host"));
        const PyRef versionObject = owned(pythonApi().PyObject_GetAttrString(host.get(), "VERSION"));
        const std::string version = toText(versionObject.get());
        if (version != VSDFVI_VERSION)
            throw EngineFailure("the Python package vsdfvi must be of the plugin's version, " VSDFVI_VERSION ", got " +
                                version);
        hostCall_ = owned(pythonApi().PyObject_GetAttrString(host.get(), "call")).release();
    }
    return hostCall_;
}

EngineThread::EngineThread()
{
    stayLoaded();
    std::thread thread([this] { serve(); });
    const std::lock_guard<std::mutex> lock(mutex_);
    self_ = thread.get_id();
    thread.detach();
}

std::shared_ptr<EngineThread::Job> EngineThread::next()
{
    std::unique_lock<std::mutex> lock(mutex_);
    changed_.wait(lock, [&] { return !queue_.empty(); });
    const auto job = queue_.front();
    queue_.pop_front();
    return job;
}

void EngineThread::serve()
{
    const PythonApi &py = pythonApi();
    const Stop stop{*this};
    if (py.gone())
        return;
    // One thread state for all time: a pair of Ensure and Release for each call would lose threading.local each time.
    py.PyGILState_Ensure();
    for (;;) {
        PyThreadState *state = py.PyEval_SaveThread();
        const auto job = next();
        Completion completion{*this, *job};
        if (py.gone())
            return;
        py.PyEval_RestoreThread(state);
        completion.failure = outcome(*job);
    }
}

std::exception_ptr EngineThread::outcome(const Job &job)
{
    try {
        job.work();
        return nullptr;
#ifdef __GLIBCXX__
    } catch (const abi::__forced_unwind &) {
        throw;  // Python ends this thread (up to 3.13, at finalisation); swallowing that would end the process
#endif
    } catch (...) {
        return std::current_exception();
    }
}

}  // namespace dfvi
