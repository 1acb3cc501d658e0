// What a call of Inpaint may be given: the names and types VapourSynth is told, and the rules of its clips.
#pragma once

#include "python_engine.h"

#include "VapourSynth4.h"

#include <stdexcept>
#include <string>
#include <vector>

namespace dfvi
{

// A user's mistake. Its text reaches them as "Inpaint: <text>".
struct ArgumentError : std::runtime_error {
    using std::runtime_error::runtime_error;
};

// A clip that a call may give besides clip and mask.
struct ExtraClip {
    const char *name;
    int planes;  // that are read, from the first; 0 is all
};

// In the order in which the signature names them.
const std::vector<ExtraClip> &extraClips();

// The argument string of Inpaint, as registerFunction wants it.
std::string signature();

// The settings that a call gives, unchecked: their rules stand in vsdfvi/settings.py, once.
Dictionary givenSettings(const VSMap *in, const VSAPI *vsapi);

// Throw ArgumentError unless the filter takes these inputs.
void checkInputs(const VSVideoInfo &clip, const VSVideoInfo &mask, const VSAPI *vsapi);

// Throw ArgumentError unless the filter takes this extra clip, or where of the two flows one alone is given.
void checkExtra(const ExtraClip &extra, const VSVideoInfo &given, const VSVideoInfo &clip, const VSAPI *vsapi);
void checkFlows(bool forward, bool backward);

// A checked clip's format by the names of vsdfvi.frames.pixels.VideoFormat.
Dictionary describeFormat(const VSVideoInfo &clip);

}  // namespace dfvi
