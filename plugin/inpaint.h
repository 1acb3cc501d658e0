// The filter Inpaint, as VapourSynth calls it.
#pragma once

#include "VapourSynth4.h"

namespace dfvi
{

void VS_CC createInpaint(const VSMap *in, VSMap *out, void *userData, VSCore *core, const VSAPI *vsapi);

}  // namespace dfvi
