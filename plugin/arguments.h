// What a call of Inpaint may be given: the names and types VapourSynth is told, and the rules of its clips.
#pragma once

#include "python_engine.h"

#include "VapourSynth4.h"

#include <stdexcept>
#include <string>

namespace dfvi
{

// A user's mistake. Its text reaches them as "Inpaint: <text>".
struct ArgumentError : std::runtime_error {
    using std::runtime_error::runtime_error;
};

// The argument string of Inpaint, as registerFunction wants it.
std::string signature();

// The settings that a call gives, unchecked: their rules stand in vsdfvi/settings.py, once.
Dictionary givenSettings(const VSMap *in, const VSAPI *vsapi);

// Throw ArgumentError unless the filter takes these inputs.
void checkInputs(const VSVideoInfo &clip, const VSVideoInfo &mask, const VSAPI *vsapi);

// A checked clip's format by the names of vsdfvi.frames.pixels.VideoFormat.
Dictionary describeFormat(const VSVideoInfo &clip);

}  // namespace dfvi
