#include "frame_window.h"

#include <algorithm>
#include <map>
#include <mutex>
#include <set>

namespace dfvi
{

namespace
{

// The properties that say how samples are meant and where scenes end.
constexpr const char *readProperties[] = {
    "_FieldBased", "_Matrix", "_Range", "_SceneChangePrev", "_SceneChangeNext", "_ChromaLocation",
};

Dictionary propertiesOf(const VSFrame *frame, const VSAPI *vsapi)
{
    const VSMap *map = vsapi->getFramePropertiesRO(frame);
    Dictionary properties;
    for (const char *name : readProperties) {
        int absent = 0;
        const int64_t value = vsapi->mapGetInt(map, name, 0, &absent);
        if (!absent)
            properties.emplace_back(name, value);
    }
    return properties;
}

std::vector<PlaneView> planesOf(const VSFrame *frame, int planes, const VSAPI *vsapi)
{
    std::vector<PlaneView> views;
    for (int plane = 0; plane < planes; ++plane)
        views.push_back({const_cast<uint8_t *>(vsapi->getReadPtr(frame, plane)), vsapi->getStride(frame, plane),
                         vsapi->getFrameWidth(frame, plane), vsapi->getFrameHeight(frame, plane)});
    return views;
}

// How many frames each living filter wants of a node. A node has one cache for all that read from it, so the
// largest wish holds: a second Inpaint with a smaller radius must not take the frames of the first.
// The pointer is a safe key: whoever is in here holds a reference to the node. Never destroyed: filters may outlive
// static objects.
struct CacheWishes {
    std::mutex mutex;
    std::map<VSNode *, std::multiset<int>> sizes;
};

CacheWishes &cacheWishes()
{
    static CacheWishes *const wishes = new CacheWishes;
    return *wishes;
}

}  // namespace

Input::Input(VSNode *owned, const VSAPI *vsapi) : vsapi_(vsapi), node_(owned, vsapi), info_(vsapi->getVideoInfo(owned))
{
}

Input::~Input()
{
    CacheWishes &wishes = cacheWishes();
    const std::lock_guard<std::mutex> lock(wishes.mutex);
    const auto entry = wishes.sizes.find(node());
    if (!kept_ || entry == wishes.sizes.end())
        return;
    entry->second.erase(entry->second.find(kept_));
    if (entry->second.empty())
        wishes.sizes.erase(entry);
}

void Input::keepFrames(int count)
{
    CacheWishes &wishes = cacheWishes();
    const std::lock_guard<std::mutex> lock(wishes.mutex);
    std::multiset<int> &sizes = wishes.sizes[node()];
    sizes.insert(count);
    kept_ = count;
    vsapi_->setCacheMode(node(), cmForceEnable);
    vsapi_->setCacheOptions(node(), 1, *sizes.rbegin(), -1);
}

Span Input::beside(Span span) const { return isStill() ? Span{0, 0} : span; }

void Input::request(Span span, VSFrameContext *context) const
{
    for (int n = span.first; n <= span.last; ++n)
        vsapi_->requestFrameFilter(n, node(), context);
}

Span Span::within(int frames) const { return {std::max(first, 0), std::min(last, frames - 1)}; }

Span Span::common(Span other) const { return {std::max(first, other.first), std::min(last, other.last)}; }

FrameWindow::FrameWindow(const Input &input, Span span, int planes, VSFrameContext *context, const VSAPI *vsapi)
{
    for (int n = span.first; n <= span.last; ++n)
        take(input, n, planes, context, vsapi);
}

FrameWindow::FrameWindow(const Input &input, const std::vector<int> &frames, int planes, VSFrameContext *context,
                         const VSAPI *vsapi)
{
    for (const int n : frames)
        take(input, n, planes, context, vsapi);
}

void FrameWindow::take(const Input &input, int n, int planes, VSFrameContext *context, const VSAPI *vsapi)
{
    frames_.emplace_back(vsapi->getFrameFilter(n, input.node(), context), vsapi);
    const VSFrame *frame = frames_.back().get();
    views_.push_back({n, planesOf(frame, planes, vsapi), propertiesOf(frame, vsapi)});
}

std::vector<PlaneView> writablePlanes(VSFrame *frame, const VSAPI *vsapi)
{
    const int planes = vsapi->getVideoFrameFormat(frame)->numPlanes;
    for (int plane = 0; plane < planes; ++plane)
        vsapi->getWritePtr(frame, plane);  // makes the plane this frame's own; reading it then gives the same pointer
    return planesOf(frame, planes, vsapi);
}

}  // namespace dfvi
