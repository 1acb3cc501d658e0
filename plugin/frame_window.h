// Nodes, frames and runs of frames, held by scope.
#pragma once

#include "python_engine.h"

#include "VapourSynth4.h"

#include <vector>

namespace dfvi
{

// One reference to a VSNode or a VSFrame.
template <typename T, auto Release>
class Reference
{
public:
    Reference(T *owned, const VSAPI *vsapi) : object_(owned), vsapi_(vsapi) {}
    Reference(Reference &&other) noexcept : object_(other.release()), vsapi_(other.vsapi_) {}
    Reference &operator=(Reference &&) = delete;
    ~Reference()
    {
        if (object_)
            (vsapi_->*Release)(object_);
    }

    T *get() const { return object_; }
    T *release()
    {
        T *object = object_;
        object_ = nullptr;
        return object;
    }

private:
    T *object_;
    const VSAPI *vsapi_;
};

using NodeRef = Reference<VSNode, &VSAPI::freeNode>;
using FrameRef = Reference<const VSFrame, &VSAPI::freeFrame>;

// Frames [first, last] of a clip. Empty if last < first.
struct Span {
    int first;
    int last;
    Span within(int frames) const;
    Span common(Span other) const;
    bool holds(int n) const { return first <= n && n <= last; }
};

// An input with a cache of its own size, and the number of its frames.
class Input
{
public:
    Input(VSNode *owned, const VSAPI *vsapi);
    ~Input();
    Input(const Input &) = delete;
    Input &operator=(const Input &) = delete;

    VSNode *node() const { return node_.get(); }
    const VSVideoInfo &info() const { return *info_; }

    // Make the node keep this many frames, or as many as another Inpaint on it has asked for, if that is more.
    void keepFrames(int count);

    // One frame serves all.
    bool isStill() const { return info_->numFrames == 1; }

    // The frames of this input that go with these of the clip.
    Span beside(Span span) const;

    // Ask for frames.
    void request(Span span, VSFrameContext *context) const;

private:
    const VSAPI *vsapi_;
    NodeRef node_;
    const VSVideoInfo *info_;
    int kept_ = 0;
};

// The frames of one call, and what the engine sees of them. Everything is released when this goes.
class FrameWindow
{
public:
    FrameWindow(const Input &input, Span span, int planes, VSFrameContext *context, const VSAPI *vsapi);
    FrameWindow(const Input &input, const std::vector<int> &frames, int planes, VSFrameContext *context,
                const VSAPI *vsapi);

    const std::vector<FrameView> &views() const { return views_; }

private:
    void take(const Input &input, int n, int planes, VSFrameContext *context, const VSAPI *vsapi);

    std::vector<FrameRef> frames_;
    std::vector<FrameView> views_;
};

// A new frame's planes, for writing.
std::vector<PlaneView> writablePlanes(VSFrame *frame, const VSAPI *vsapi);

}  // namespace dfvi
