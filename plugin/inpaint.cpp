#include "inpaint.h"
#include "arguments.h"
#include "frame_window.h"

#include <algorithm>
#include <atomic>
#include <exception>
#include <memory>
#include <string>
#include <vector>

namespace dfvi
{

namespace
{

void log(const std::string &level, const std::string &text, VSCore *core, const VSAPI *vsapi)
{
    const VSMessageType type = level == "debug"         ? mtDebug
                               : level == "information" ? mtInformation
                               : level == "warning"     ? mtWarning
                                                        : mtCritical;
    vsapi->logMessage(type, ("Inpaint: " + text).c_str(), core);
}

// Frames beyond those the engine reads at a time that a cache must hold so that every source frame is rendered
// once: requests run ahead by the core's threads, and an application may ask for more at a time than that.
int cacheSlack(VSCore *core, const VSAPI *vsapi)
{
    VSCoreInfo info{};
    vsapi->getCoreInfo(core, &info);
    return 2 * info.numThreads + 20;
}

// What one output frame has asked for so far, kept in its frameData: nothing to free, whatever its end.
class Round
{
public:
    explicit Round(void **frameData) : slots_(frameData) {}

    Span span() const { return {get(0), get(1)}; }
    void setSpan(Span span)
    {
        set(0, span.first);
        set(1, span.last);
    }
    // True while the engine knows of the frame, and so must be told if it is given up.
    bool isKnown() const { return get(2); }
    void setKnown(bool known) { set(2, known); }
    // True once the frames of the survey were asked for: they are lent to the end of the round.
    bool isSurveyed() const { return get(3); }
    void setSurveyed(bool surveyed) { set(3, surveyed); }

private:
    int get(int slot) const { return int(reinterpret_cast<intptr_t>(slots_[slot])); }
    void set(int slot, int value) { slots_[slot] = reinterpret_cast<void *>(intptr_t(value)); }

    void **slots_;
};

// One call of getFrame.
struct Request {
    int n;
    Round round;
    VSFrameContext *context;
    VSCore *core;
    const VSAPI *vsapi;
};

// A clip that the call gave besides clip and mask.
struct Extra {
    const char *name;
    int planes;
    int reach;  // frames on each side of the one that is made
    std::unique_ptr<Input> input;
};

class Inpaint
{
public:
    Inpaint(const VSMap *in, VSCore *core, const VSAPI *vsapi);

    const VSVideoInfo &info() const { return clip_.info(); }
    std::vector<VSFilterDependency> dependencies() const;

    void requestFirst(Request &request);
    const VSFrame *process(Request &request);  // null: more frames were requested
    void abandon(Request &request);

private:
    void takeExtras(const VSMap *in, const VSAPI *vsapi);
    void requestStill(const Request &request);
    void requestMoving(Span span, const Request &request);
    void requestMore(Span wanted, Request &request);
    void requestSurvey(Request &request);
    Span extraSpan(const Extra &extra, Span span, int n) const;
    Answer ask(const Request &request);
    const VSFrame *sourceFrame(const Request &request);
    const VSFrame *finishedFrame(const Request &request);

    Input clip_;
    Input mask_;
    std::vector<Extra> extras_;
    std::unique_ptr<PythonEngine> engine_;

    // What the last frame read on each side, to be asked for at once with the next: a guess that saves a round.
    std::atomic<int> before_{0};
    std::atomic<int> after_{0};
};

Inpaint::Inpaint(const VSMap *in, VSCore *core, const VSAPI *vsapi)
    : clip_(vsapi->mapGetNode(in, "clip", 0, nullptr), vsapi), mask_(vsapi->mapGetNode(in, "mask", 0, nullptr), vsapi)
{
    checkInputs(clip_.info(), mask_.info(), vsapi);
    takeExtras(in, vsapi);
    Formats formats;
    for (const Extra &extra : extras_)
        formats.emplace_back(extra.name, describeFormat(extra.input->info()));
    const auto sink = [core, vsapi](const std::string &level, const std::string &text) {
        log(level, text, core, vsapi);
    };
    engine_ = std::make_unique<PythonEngine>(givenSettings(in, vsapi), describeFormat(clip_.info()),
                                             describeFormat(mask_.info()), formats, sink);
    clip_.keepFrames(engine_->reach() + cacheSlack(core, vsapi));
    mask_.keepFrames(engine_->reach() + cacheSlack(core, vsapi));
    for (Extra &extra : extras_) {
        extra.reach = engine_->extraReach(extra.name);
        extra.input->keepFrames(std::min(2 * extra.reach + 1, extra.input->info().numFrames) +
                                cacheSlack(core, vsapi));
    }
}

void Inpaint::takeExtras(const VSMap *in, const VSAPI *vsapi)
{
    bool flows[2] = {false, false};
    for (const ExtraClip &kind : extraClips()) {
        int absent = 0;
        VSNode *node = vsapi->mapGetNode(in, kind.name, 0, &absent);
        if (absent)
            continue;
        auto input = std::make_unique<Input>(node, vsapi);
        checkExtra(kind, input->info(), clip_.info(), vsapi);
        flows[0] |= std::string("flow_fw") == kind.name;
        flows[1] |= std::string("flow_bw") == kind.name;
        const int planes = kind.planes ? kind.planes : input->info().format.numPlanes;
        extras_.push_back({kind.name, planes, 0, std::move(input)});
    }
    checkFlows(flows[0], flows[1]);
}

std::vector<VSFilterDependency> Inpaint::dependencies() const
{
    std::vector<VSFilterDependency> all{{clip_.node(), rpGeneral}, {mask_.node(), rpGeneral}};
    for (const Extra &extra : extras_)
        all.push_back({extra.input->node(), rpGeneral});
    return all;
}

// The frames of an extra clip that are read where the clip's are these, to make frame n.
Span Inpaint::extraSpan(const Extra &extra, Span span, int n) const
{
    return extra.input->beside(span.common({n - extra.reach, n + extra.reach}));
}

// What serves all frames, asked for once for each.
void Inpaint::requestStill(const Request &request)
{
    if (mask_.isStill())
        mask_.request({0, 0}, request.context);
    for (const Extra &extra : extras_)
        if (extra.input->isStill())
            extra.input->request({0, 0}, request.context);
}

// Frames of the clip, and of what goes along with it.
void Inpaint::requestMoving(Span span, const Request &request)
{
    clip_.request(span, request.context);
    if (!mask_.isStill())
        mask_.request(span, request.context);
    for (const Extra &extra : extras_)
        if (!extra.input->isStill())
            extra.input->request(extraSpan(extra, span, request.n), request.context);
}

void Inpaint::requestFirst(Request &request)
{
    const Span span = Span{request.n - before_, request.n + after_}.within(info().numFrames);
    request.round.setSpan(span);
    request.round.setKnown(false);
    request.round.setSurveyed(false);
    requestStill(request);
    requestMoving(span, request);
}

void Inpaint::requestMore(Span wanted, Request &request)
{
    const Span have = request.round.span(), more = wanted.within(info().numFrames);
    const Span left{std::min(more.first, have.first), have.first - 1};
    const Span right{have.last + 1, std::max(more.last, have.last)};
    // A call that gives no frame, no error and no request would end the process.
    if (left.last < left.first && right.last < right.first)
        throw EngineFailure("prepare must need frames beyond " + std::to_string(have.first) + " to " +
                            std::to_string(have.last) + ", got " + std::to_string(wanted.first) + " to " +
                            std::to_string(wanted.last));
    request.round.setSpan({left.first, right.last});
    requestMoving(left, request);
    requestMoving(right, request);
}

void Inpaint::requestSurvey(Request &request)
{
    if (engine_->survey().empty())
        throw EngineFailure("prepare must ask for a survey whose frames open has named, got none of them");
    if (request.round.isSurveyed())
        throw EngineFailure("prepare must ask for the survey once, got it again");
    request.round.setSurveyed(true);
    const Span have = request.round.span();
    for (const int n : engine_->survey()) {
        if (have.holds(n))
            continue;
        clip_.request({n, n}, request.context);
        if (!mask_.isStill())
            mask_.request({n, n}, request.context);
    }
    // Where the span holds them all: a call that requests nothing would end the process.
    clip_.request({request.n, request.n}, request.context);
}

Answer Inpaint::ask(const Request &request)
{
    const Span span = request.round.span();
    const FrameWindow clip(clip_, span, info().format.numPlanes, request.context, request.vsapi);
    const FrameWindow mask(mask_, mask_.beside(span), 1, request.context, request.vsapi);
    std::vector<FrameWindow> extras;
    for (const Extra &extra : extras_)
        extras.emplace_back(*extra.input, extraSpan(extra, span, request.n), extra.planes, request.context,
                            request.vsapi);
    const std::vector<int> none, &survey = request.round.isSurveyed() ? engine_->survey() : none;
    const FrameWindow surveyClip(clip_, survey, info().format.numPlanes, request.context, request.vsapi);
    const FrameWindow surveyMask(mask_, mask_.isStill() && !survey.empty() ? std::vector<int>{0} : survey, 1,
                                 request.context, request.vsapi);

    Lent lent{clip.views(), mask.views(), {}, surveyClip.views(), surveyMask.views()};
    for (size_t i = 0; i < extras.size(); ++i)
        lent.extras.emplace_back(extras_[i].name, extras[i].views());
    return engine_->prepare(request.n, lent);
}

const VSFrame *Inpaint::sourceFrame(const Request &request)
{
    return request.vsapi->getFrameFilter(request.n, clip_.node(), request.context);
}

const VSFrame *Inpaint::finishedFrame(const Request &request)
{
    const VSAPI *vsapi = request.vsapi;
    const FrameRef source(sourceFrame(request), vsapi);
    VSFrame *frame = vsapi->copyFrame(source.get(), request.core);
    FrameRef result(frame, vsapi);
    VSMap *properties = vsapi->getFramePropertiesRW(frame);
    for (const auto &[name, value] : engine_->finish(request.n, writablePlanes(frame, vsapi))) {
        if (const auto *integer = std::get_if<int64_t>(&value))
            vsapi->mapSetInt(properties, name.c_str(), *integer, maReplace);
        else if (const auto *real = std::get_if<double>(&value))
            vsapi->mapSetFloat(properties, name.c_str(), *real, maReplace);
        else if (const auto *text = std::get_if<std::string>(&value))
            vsapi->mapSetData(properties, name.c_str(), text->data(), int(text->size()), dtUtf8, maReplace);
    }
    return result.release();
}

const VSFrame *Inpaint::process(Request &request)
{
    request.round.setKnown(true);
    const Answer answer = ask(request);
    if (answer.kind == Answer::Kind::need) {
        requestMore({answer.first, answer.last}, request);
        return nullptr;
    }
    if (answer.kind == Answer::Kind::survey) {
        requestSurvey(request);
        return nullptr;
    }
    before_ = answer.first;
    after_ = answer.last;
    const VSFrame *frame = answer.kind == Answer::Kind::source ? sourceFrame(request) : finishedFrame(request);
    request.round.setKnown(false);
    return frame;
}

void Inpaint::abandon(Request &request)
{
    if (!request.round.isKnown())
        return;
    request.round.setKnown(false);
    try {
        engine_->discard(request.n);
    } catch (const std::exception &failure) {
        log("warning", failure.what(), request.core, request.vsapi);
    }
}

// Ends as VapourSynth demands it: with a frame, a request or an error, and never by an exception.
const VSFrame *VS_CC getFrame(int n, int activationReason, void *instanceData, void **frameData,
                              VSFrameContext *context, VSCore *core, const VSAPI *vsapi)
{
    auto *filter = static_cast<Inpaint *>(instanceData);
    Request request{n, Round(frameData), context, core, vsapi};
    try {
        if (activationReason == arInitial)
            filter->requestFirst(request);
        else if (activationReason == arAllFramesReady)
            return filter->process(request);
        else
            filter->abandon(request);
    } catch (const std::exception &failure) {
        filter->abandon(request);
        vsapi->setFilterError((std::string("Inpaint: ") + failure.what()).c_str(), context);
    }
    return nullptr;
}

void VS_CC freeInpaint(void *instanceData, VSCore *, const VSAPI *) { delete static_cast<Inpaint *>(instanceData); }

}  // namespace

void VS_CC createInpaint(const VSMap *in, VSMap *out, void *, VSCore *core, const VSAPI *vsapi)
{
    try {
        auto filter = std::make_unique<Inpaint>(in, core, vsapi);
        const std::vector<VSFilterDependency> dependencies = filter->dependencies();
        const VSVideoInfo info = filter->info();
        // VapourSynth frees the instance even where it fails to make the node.
        vsapi->createVideoFilter(out, "Inpaint", &info, getFrame, freeInpaint, fmParallelRequests,
                                 dependencies.data(), int(dependencies.size()), filter.release(), core);
    } catch (const std::exception &failure) {
        vsapi->mapSetError(out, (std::string("Inpaint: ") + failure.what()).c_str());
    }
}

}  // namespace dfvi
