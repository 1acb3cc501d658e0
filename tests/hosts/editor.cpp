// A host that looks for VSScript by the name that vsedit looks for, opens a script as its preview does, seeks, closes it
// and opens it again in the same process. Prints the sum of the first plane of each frame that it was shown.
#include <cstdio>
#include <cstdlib>
#include <dlfcn.h>

#include "VSScript4.h"
#include "VapourSynth4.h"

namespace
{

void fail(const char *what)
{
    std::fprintf(stderr, "%s\n", what);
    std::exit(1);
}

void show(const VSSCRIPTAPI *scripts, const char *path, int argc, char **frames)
{
    const VSAPI *vsapi = scripts->getVSAPI(VAPOURSYNTH_API_VERSION);
    VSScript *script = scripts->createScript(nullptr);
    scripts->evalSetWorkingDir(script, 1);
    scripts->evaluateFile(script, path);
    if (const char *error = scripts->getError(script))
        fail(error);
    VSNode *node = scripts->getOutputNode(script, 0);
    for (int i = 0; i < argc; ++i) {
        char message[1024];
        const VSFrame *frame = vsapi->getFrame(std::atoi(frames[i]), node, message, sizeof message);
        if (!frame)
            fail(message);
        const unsigned char *row = vsapi->getReadPtr(frame, 0);
        long long sum = 0;
        for (int y = 0; y < vsapi->getFrameHeight(frame, 0); ++y, row += vsapi->getStride(frame, 0))
            for (int x = 0; x < vsapi->getFrameWidth(frame, 0); ++x)
                sum += row[x];
        std::printf("%lld\n", sum);
        vsapi->freeFrame(frame);
    }
    vsapi->freeNode(node);
    scripts->freeScript(script);
}

}  // namespace

// editor <script> <frame>...
int main(int argc, char **argv)
{
    void *library = dlopen("libvapoursynth-script.so", RTLD_NOW | RTLD_GLOBAL);
    if (!library)
        fail(dlerror());
    using Get = const VSSCRIPTAPI *(int);
    auto *get = reinterpret_cast<Get *>(dlsym(library, "getVSScriptAPI"));
    if (!get)
        fail(dlerror());
    const VSSCRIPTAPI *scripts = get(VSSCRIPT_API_VERSION);
    if (!scripts) {
        using Why = const char *();
        auto *why = reinterpret_cast<Why *>(dlsym(library, "getVSScriptAPILastError"));
        fail(why ? why() : "VSScript cannot be started");
    }
    for (int opened = 0; opened < 2; ++opened)
        show(scripts, argv[1], argc - 2, argv + 2);
}
