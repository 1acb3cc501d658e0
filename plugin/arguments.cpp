#include "arguments.h"

#include "VSHelper4.h"

namespace dfvi
{

namespace
{

struct Setting {
    const char *name;
    VSPropertyType type;
};

// Names and order are those of vsdfvi.settings.Settings.
constexpr Setting settings[] = {
    {"radius", ptInt},
    {"min_distance", ptInt},
    {"sources", ptInt},
    {"refine", ptInt},
    {"window", ptInt},
    {"dilate", ptInt},
    {"soften", ptInt},
    {"consistency", ptFloat},
    {"flow", ptData},
    {"completion", ptData},
    {"propagation", ptData},
    {"synthesis", ptData},
    {"unmix", ptInt},
    {"light", ptInt},
    {"seam", ptInt},
    {"grain", ptFloat},
    {"weights", ptData},
    {"keyframe_interval", ptInt},
    {"preset", ptData},
    {"reject", ptData},
    {"record", ptData},
    {"device", ptData},
    {"fp16", ptInt},
    {"scene_threshold", ptFloat},
    {"view", ptData},
    {"memory", ptInt},
    {"device_memory", ptInt},
    {"threads", ptInt},
};

constexpr int minSize = 16;
constexpr int maxSubsampling = 2;  // log2

const char *typeName(VSPropertyType type) { return type == ptInt ? "int" : type == ptFloat ? "float" : "data"; }

std::string formatName(const VSVideoFormat &format, const VSAPI *vsapi)
{
    char name[32] = "";
    return vsapi->getVideoFormatName(&format, name) ? name : "an unknown format";
}

std::string sizeOf(const VSVideoInfo &clip) { return std::to_string(clip.width) + 'x' + std::to_string(clip.height); }

std::string framesOf(int count) { return std::to_string(count) + (count == 1 ? " frame" : " frames"); }

void require(bool kept, const std::string &name, const std::string &rule, const std::string &got)
{
    if (!kept)
        throw ArgumentError(name + " must be " + rule + ", got " + got);
}

void requireConstant(const std::string &name, const VSVideoInfo &clip, const VSAPI *vsapi)
{
    const bool anyFormat = clip.format.colorFamily == cfUndefined, anySize = clip.width == 0 || clip.height == 0;
    require(vsh::isConstantVideoFormat(&clip), name, "of constant format and size",
            (anyFormat ? "varying format" : formatName(clip.format, vsapi)) + " and " +
                (anySize ? "varying size" : sizeOf(clip)));
}

bool isKnownSample(const VSVideoFormat &format)
{
    return format.sampleType == stFloat ? format.bitsPerSample == 16 || format.bitsPerSample == 32
                                        : format.bitsPerSample >= 8 && format.bitsPerSample <= 16;
}

// Of a clip that may hold one frame for all.
void requireLength(const std::string &name, const VSVideoInfo &given, const VSVideoInfo &clip)
{
    require(given.numFrames == 1 || given.numFrames == clip.numFrames, name,
            clip.numFrames == 1 ? "one frame long"
                                : "as long as the clip, " + framesOf(clip.numFrames) + ", or one frame",
            framesOf(given.numFrames));
}

void requireSize(const std::string &name, const VSVideoInfo &given, const VSVideoInfo &clip)
{
    require(given.width == clip.width && given.height == clip.height, name, "of the clip's size, " + sizeOf(clip),
            sizeOf(given));
}

// Of a clip whose first plane marks pixels.
void requireMask(const std::string &name, const VSVideoInfo &given, const VSVideoInfo &clip, const VSAPI *vsapi)
{
    requireConstant(name, given, vsapi);
    require(given.format.colorFamily == cfGray || vsh::isSameVideoFormat(&given.format, &clip.format), name,
            "GRAY or of the clip's own format, " + formatName(clip.format, vsapi), formatName(given.format, vsapi));
    requireSize(name, given, clip);
    requireLength(name, given, clip);
}

}  // namespace

const std::vector<ExtraClip> &extraClips()
{
    static const std::vector<ExtraClip> clips{{"exclude", 1}, {"reference", 0}, {"flow_fw", 2}, {"flow_bw", 2}};
    return clips;
}

std::string signature()
{
    std::string text = "clip:vnode;mask:vnode;";
    for (const Setting &setting : settings)
        text += std::string(setting.name) + ':' + typeName(setting.type) + ":opt;";
    for (const ExtraClip &extra : extraClips())
        text += std::string(extra.name) + ":vnode:opt;";
    return text;
}

Dictionary givenSettings(const VSMap *in, const VSAPI *vsapi)
{
    Dictionary given;
    for (const auto &[name, type] : settings) {
        if (vsapi->mapNumElements(in, name) < 1)
            continue;
        if (type == ptInt)
            given.emplace_back(name, vsapi->mapGetInt(in, name, 0, nullptr));
        else if (type == ptFloat)
            given.emplace_back(name, vsapi->mapGetFloat(in, name, 0, nullptr));
        else
            given.emplace_back(name, std::string(vsapi->mapGetData(in, name, 0, nullptr),
                                                 size_t(vsapi->mapGetDataSize(in, name, 0, nullptr))));
    }
    return given;
}

void checkInputs(const VSVideoInfo &clip, const VSVideoInfo &mask, const VSAPI *vsapi)
{
    const std::string samples = "8 to 16 bit integer or 16 or 32 bit float samples";
    const std::string clipFormat = formatName(clip.format, vsapi);

    requireConstant("clip", clip, vsapi);
    require(isKnownSample(clip.format), "clip", "of " + samples, clipFormat);
    require(clip.format.subSamplingW <= maxSubsampling && clip.format.subSamplingH <= maxSubsampling, "clip",
            "subsampled by " + std::to_string(1 << maxSubsampling) + " at most", clipFormat);
    require(clip.width >= minSize && clip.height >= minSize, "clip",
            "at least " + std::to_string(minSize) + 'x' + std::to_string(minSize) + " pixels", sizeOf(clip));

    requireMask("mask", mask, clip, vsapi);
}

void checkExtra(const ExtraClip &extra, const VSVideoInfo &given, const VSVideoInfo &clip, const VSAPI *vsapi)
{
    const std::string name = extra.name, format = formatName(given.format, vsapi);
    if (name == "exclude") {
        requireMask(name, given, clip, vsapi);
        return;
    }
    requireConstant(name, given, vsapi);
    if (name == "reference") {
        require(vsh::isSameVideoFormat(&given.format, &clip.format), name,
                "of the clip's own format, " + formatName(clip.format, vsapi), format);
        requireSize(name, given, clip);
        requireLength(name, given, clip);
        return;
    }
    const VSVideoFormat &flow = given.format;
    require(flow.colorFamily == cfRGB && flow.sampleType == stFloat && flow.bitsPerSample == 32, name,
            "of format RGBS, x in its first plane and y in its second", format);
    requireSize(name, given, clip);
    require(given.numFrames == clip.numFrames, name, "as long as the clip, " + framesOf(clip.numFrames),
            framesOf(given.numFrames));
}

void checkFlows(bool forward, bool backward)
{
    const std::string given = forward ? "flow_fw" : "flow_bw", missing = forward ? "flow_bw" : "flow_fw";
    require(forward == backward, missing, "given with " + given, "none");
}

Dictionary describeFormat(const VSVideoInfo &clip)
{
    const VSVideoFormat &format = clip.format;
    const char *family = format.colorFamily == cfGray ? "GRAY" : format.colorFamily == cfYUV ? "YUV" : "RGB";
    return {
        {"family", family},
        {"is_float", int64_t(format.sampleType == stFloat)},
        {"bits", int64_t(format.bitsPerSample)},
        {"subsampling_w", int64_t(format.subSamplingW)},
        {"subsampling_h", int64_t(format.subSamplingH)},
        {"width", int64_t(clip.width)},
        {"height", int64_t(clip.height)},
        {"frames", int64_t(clip.numFrames)},
    };
}

}  // namespace dfvi
