// windows_host VAPOURSYNTH PLUGIN: loads the plugin into VapourSynth's core, in a process that has no Python, and prints
// its name, its version, its arguments, and what a call says.
#include <windows.h>

#include <cstdio>
#include <cstdlib>
#include <string>

#include "VapourSynth4.h"

namespace
{

[[noreturn]] void fail(const std::string &text)
{
    std::fprintf(stderr, "%s, error %lu\n", text.c_str(), GetLastError());
    std::exit(1);
}

}  // namespace

int main(int count, char **arguments)
{
    if (count != 3)
        fail("windows_host VAPOURSYNTH PLUGIN");
    HMODULE library = LoadLibraryExA(arguments[1], nullptr, LOAD_WITH_ALTERED_SEARCH_PATH);
    if (!library)
        fail(std::string("cannot load ") + arguments[1]);
    using Entry = const VSAPI *(*)(int);
    const auto entry = reinterpret_cast<Entry>(reinterpret_cast<void *>(GetProcAddress(library, "getVapourSynthAPI")));
    const VSAPI *vsapi = entry ? entry(VAPOURSYNTH_API_VERSION) : nullptr;
    if (!vsapi)
        fail("no VapourSynth");
    VSCore *core = vsapi->createCore(ccfDisableAutoLoading);
    VSPlugin *standard = vsapi->getPluginByNamespace("std", core);

    VSMap *given = vsapi->createMap();
    vsapi->mapSetData(given, "path", arguments[2], -1, dtUtf8, maReplace);
    VSMap *answer = vsapi->invoke(standard, "LoadPlugin", given);
    if (const char *error = vsapi->mapGetError(answer))
        fail(error);
    VSPlugin *plugin = vsapi->getPluginByNamespace("dfvi", core);
    const int version = vsapi->getPluginVersion(plugin);
    std::printf("%s %d.%d\n", vsapi->getPluginID(plugin), version >> 16, version & 0xffff);
    std::printf("%s\n", vsapi->getPluginFunctionArguments(vsapi->getPluginFunctionByName("Inpaint", plugin)));

    vsapi->clearMap(given);
    vsapi->mapSetInt(given, "length", 3, maReplace);
    VSMap *made = vsapi->invoke(standard, "BlankClip", given);
    VSNode *clip = vsapi->mapGetNode(made, "clip", 0, nullptr);
    vsapi->clearMap(given);
    vsapi->mapSetNode(given, "clip", clip, maReplace);
    for (const bool withMask : {false, true}) {
        if (withMask)
            vsapi->mapSetNode(given, "mask", clip, maReplace);
        VSMap *called = vsapi->invoke(plugin, "Inpaint", given);
        const char *error = vsapi->mapGetError(called);
        std::printf("%s\n", error ? error : "no error");
        vsapi->freeMap(called);
    }
    std::fflush(stdout);
    return 0;
}
