// The way to vsdfvi/host.py, where a frame is computed. Knows Python, and nothing of VapourSynth.
//
// All Python runs on one thread of our own, which lives as long as the process: what Python, torch and CUDA keep
// per thread stays in place between frames. A caller waits for its job, and lets the GIL go while it waits.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <stdexcept>
#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace dfvi
{

using Scalar = std::variant<int64_t, double, std::string>;
using Dictionary = std::vector<std::pair<std::string, Scalar>>;
using Formats = std::vector<std::pair<std::string, Dictionary>>;

// A plane as the host lends it: strideBytes * height bytes.
struct PlaneView {
    void *samples;
    std::ptrdiff_t strideBytes;
    int width;
    int height;
};

struct FrameView {
    int number;
    std::vector<PlaneView> planes;
    Dictionary properties;
};

// What the engine is lent for one frame. Frames are those of a span; the survey's are empty unless it was asked for.
struct Lent {
    std::vector<FrameView> clip;
    std::vector<FrameView> mask;
    std::vector<std::pair<std::string, std::vector<FrameView>>> extras;  // by name
    std::vector<FrameView> surveyClip;
    std::vector<FrameView> surveyMask;
};

// What the engine says of a frame before it makes it.
struct Answer {
    enum class Kind {
        source,  // the source frame is the result
        need,    // give frames [first, last] too
        survey,  // give the frames of the survey too
        ready,   // made: `first` frames before n and `last` after it were of use
    };
    Kind kind;
    int first;
    int last;
};

// The engine refused or failed; the text says why and is for the user.
struct EngineFailure : std::runtime_error {
    using std::runtime_error::runtime_error;
};

class EngineThread;

// One inpainter in the engine. Every function may be called from any thread, and throws EngineFailure.
class PythonEngine
{
public:
    // Where the engine's messages go: (level, text), level as in Python's logging, lower case. Called without the GIL.
    using LogSink = std::function<void(const std::string &, const std::string &)>;

    // Args: formats of the clip, of the mask, and of the extra clips that are given, by name.
    PythonEngine(const Dictionary &arguments, const Dictionary &clip, const Dictionary &mask, const Formats &extras,
                 LogSink sink);
    ~PythonEngine();
    PythonEngine(const PythonEngine &) = delete;
    PythonEngine &operator=(const PythonEngine &) = delete;

    // Frames of each input that are in use at a time, at most.
    int reach() const { return reach_; }

    // Frames on each side of frame n of an extra clip that the engine may read to make frame n.
    int extraReach(const std::string &name) const;

    // Frames of the whole clip that prepare() may ask for, ascending.
    const std::vector<int> &survey() const { return survey_; }

    Answer prepare(int n, const Lent &lent);

    // Write frame n, which prepare() called ready, into planes that hold the source frame. Returns its properties.
    Dictionary finish(int n, const std::vector<PlaneView> &planes);

    // Frame n will not be finished.
    void discard(int n);

private:
    struct Call;
    struct Reply;
    static Reply exchange(EngineThread &thread, const char *name, const Call &call);  // on the engine's thread
    void call(const char *name, const Call &call);
    void deliver(const Reply &reply);

    LogSink sink_;
    int64_t handle_ = -1;
    int reach_ = 0;
    Dictionary extraReach_;
    std::vector<int> survey_;
};

}  // namespace dfvi
