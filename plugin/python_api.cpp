#include "python_api.h"

#include <stdexcept>
#include <string>

#ifdef _WIN32
#ifndef NOMINMAX
#define NOMINMAX  // some compilers have it set already
#endif
#define PSAPI_VERSION 2
#include <windows.h>
#include <psapi.h>
#include <vector>
#else
#include <dlfcn.h>
#endif

namespace dfvi
{

namespace
{

#ifdef _WIN32

// Every module is asked: Python's DLL has its version in its name, and python3.dll forwards the stable part alone.
void *findSymbol(const char *name)
{
    DWORD bytes = 0;
    EnumProcessModules(GetCurrentProcess(), nullptr, 0, &bytes);
    std::vector<HMODULE> modules(bytes / sizeof(HMODULE));
    if (modules.empty() || !EnumProcessModules(GetCurrentProcess(), modules.data(), bytes, &bytes))
        return nullptr;
    for (HMODULE module : modules)
        if (void *symbol = reinterpret_cast<void *>(GetProcAddress(module, name)))
            return symbol;
    return nullptr;
}

#else

void *findSymbol(const char *name) { return dlsym(RTLD_DEFAULT, name); }

#endif

template <typename T>
void resolve(T &target, const char *name, const char *formerName = nullptr)
{
    void *symbol = findSymbol(name);
    if (!symbol && formerName)
        symbol = findSymbol(formerName);
    if (!symbol)
        throw std::runtime_error(std::string("no Python interpreter in this process: ") + name +
                                 " was not found. Use a host that runs scripts: vspipe, an editor or Python itself");
    target = reinterpret_cast<T>(symbol);
}

PythonApi resolveAll()
{
    PythonApi api;
#define DFVI_RESOLVE(result, name, parameters) resolve(api.name, #name);
    DFVI_PYTHON_FUNCTIONS(DFVI_RESOLVE)
#undef DFVI_RESOLVE
    resolve(api.PyLong_Type, "PyLong_Type");
    resolve(api.PyFloat_Type, "PyFloat_Type");
    resolve(api.threadStateOrNull, "PyThreadState_GetUnchecked", "_PyThreadState_UncheckedGet");
    resolve(api.isFinalizing, "Py_IsFinalizing", "_Py_IsFinalizing");
    if (!api.Py_IsInitialized())
        throw std::runtime_error("no Python interpreter in this process: it is loaded, but was not started");
    return api;
}

}  // namespace

const PythonApi &pythonApi()
{
    static const PythonApi api = resolveAll();  // tried again next time if it throws
    return api;
}

PyRef::~PyRef()
{
    // Where Python ends this thread in the middle of a call, the GIL is not held here: the object is left alone.
    if (object_ && pythonApi().threadStateOrNull())
        pythonApi().Py_DecRef(object_);
}

// Not PyGILState_Check: it answers "held" to everyone once a process has made a subinterpreter.
WithoutGil::WithoutGil()
{
    if (pythonApi().threadStateOrNull())
        saved_ = pythonApi().PyEval_SaveThread();
}

WithoutGil::~WithoutGil() noexcept(false)
{
    if (saved_)
        pythonApi().PyEval_RestoreThread(saved_);
}

#ifdef _WIN32

std::string libraryPath()
{
    HMODULE self = nullptr;
    wchar_t wide[32768];
    GetModuleHandleExW(GET_MODULE_HANDLE_EX_FLAG_FROM_ADDRESS | GET_MODULE_HANDLE_EX_FLAG_UNCHANGED_REFCOUNT,
                       reinterpret_cast<LPCWSTR>(&libraryPath), &self);
    const DWORD length = GetModuleFileNameW(self, wide, sizeof(wide) / sizeof(*wide));
    std::string path(size_t(length) * 3, '\0');
    path.resize(WideCharToMultiByte(CP_UTF8, 0, wide, int(length), &path[0], int(path.size()), nullptr, nullptr));
    return path;
}

void stayLoaded()
{
    HMODULE self = nullptr;
    if (!GetModuleHandleExW(GET_MODULE_HANDLE_EX_FLAG_FROM_ADDRESS | GET_MODULE_HANDLE_EX_FLAG_PIN,
                            reinterpret_cast<LPCWSTR>(&libraryPath), &self))
        throw std::runtime_error("the plugin's library must stay loaded, got error " + std::to_string(GetLastError()));
}

#else

std::string libraryPath()
{
    Dl_info info{};
    if (!dladdr(reinterpret_cast<void *>(&libraryPath), &info) || !info.dli_fname)
        throw std::runtime_error("the plugin's own file was not found by dladdr");
    return info.dli_fname;
}

void stayLoaded()
{
    if (!dlopen(libraryPath().c_str(), RTLD_NOW | RTLD_NOLOAD | RTLD_NODELETE)) {
        const char *why = dlerror();
        throw std::runtime_error(std::string("the plugin's library must stay loaded, got ") + (why ? why : "nothing"));
    }
}

#endif

}  // namespace dfvi
