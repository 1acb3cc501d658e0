// What VapourSynth finds when it opens the library. Runs in every process that makes a core: it touches no Python.
#include "arguments.h"
#include "inpaint.h"

VS_EXTERNAL_API(void) VapourSynthPluginInit2(VSPlugin *plugin, const VSPLUGINAPI *vspapi)
{
    vspapi->configPlugin("com.vsdfvi.dfvi", "dfvi", "Deep flow-guided video inpainting",
                         VS_MAKE_VERSION(VSDFVI_VERSION_MAJOR, VSDFVI_VERSION_MINOR), VAPOURSYNTH_API_VERSION, 0,
                         plugin);
    vspapi->registerFunction("Inpaint", dfvi::signature().c_str(), "clip:vnode;", dfvi::createInpaint, nullptr, plugin);
}
