// One kernel text, two compilers.
//
// Every other header in this folder is compiled twice from the same bytes: by NVRTC, through
// CuPy, as CUDA; and by the host compiler, into the plugin's shared library
// (plugin/kernels.cpp). Both builds turn floating-point contraction off (--fmad=false,
// -ffp-contract=off). A kernel made only of + - * / sqrt floor and comparisons then returns
// the same bits on both, subnormals apart (CuPy always adds -ftz=true), and tests/kernels/
// holds it to equality. A kernel that needs more says so under "Bits", with the bound tested.
//
// Indices are int: a plane has fewer than 2^31 samples, which the Python face checks.
// No standard headers on the GPU side: NVRTC has none.
//
// VSDFVI_FOR_EACH_PIXEL walks rows [y_begin, y_end) of a plane, VSDFVI_FOR_EACH_ITEM the items
// [begin, end) of a list: grid-stride loops on the GPU, plain loops on the CPU, where the caller
// splits the range over its threads.
//
// VSDFVI_FOR_EACH_TASK gives each of the tasks [begin, end) to a block of threads that work together: within it,
// VSDFVI_SHARED deals out items among them, VSDFVI_BARRIER waits for all, and VSDFVI_ANY says whether any of them says
// so, and waits as well: every thread of a block must come to each of these two. On the CPU a block is one thread.
//
// VSDFVI_UNROLL stands before a loop over an array that is to stay in registers on the GPU.
#pragma once

#ifdef __CUDACC__

#define VSDFVI_KERNEL extern "C" __global__ void
#define VSDFVI_INLINE __device__ __forceinline__
#define VSDFVI_FOR_EACH_PIXEL(x, y, width, y_begin, y_end)                                                       \
    for (int y = (y_begin) + int(blockIdx.y * blockDim.y + threadIdx.y), y_step_ = int(gridDim.y * blockDim.y); \
         y < (y_end); y += y_step_)                                                                              \
        for (int x = int(blockIdx.x * blockDim.x + threadIdx.x); x < (width); x += int(gridDim.x * blockDim.x))
#define VSDFVI_FOR_EACH_ITEM(i, begin, end)                                                      \
    for (int i = (begin) + int(blockIdx.x * blockDim.x + threadIdx.x), i##_step_ = int(gridDim.x * blockDim.x); \
         i < (end); i += i##_step_)
#define VSDFVI_FOR_EACH_TASK(task, begin, end) \
    for (int task = (begin) + int(blockIdx.x); task < (end); task += int(gridDim.x))
#define VSDFVI_SHARED(i, begin, end) for (int i = (begin) + int(threadIdx.x); i < (end); i += int(blockDim.x))
#define VSDFVI_UNROLL _Pragma("unroll")
#define VSDFVI_BARRIER() __syncthreads()
#define VSDFVI_ANY(condition) __syncthreads_or(condition)

#else

#include <math.h>

#ifdef _WIN32
#define VSDFVI_KERNEL extern "C" __declspec(dllexport) void
#else
#define VSDFVI_KERNEL extern "C" __attribute__((visibility("default"))) void
#endif
#define VSDFVI_INLINE static inline
#define VSDFVI_FOR_EACH_PIXEL(x, y, width, y_begin, y_end) \
    for (int y = (y_begin); y < (y_end); ++y)              \
        for (int x = 0; x < (width); ++x)
#define VSDFVI_FOR_EACH_ITEM(i, begin, end) for (int i = (begin); i < (end); ++i)
#define VSDFVI_FOR_EACH_TASK(task, begin, end) for (int task = (begin); task < (end); ++task)
#define VSDFVI_SHARED(i, begin, end) for (int i = (begin); i < (end); ++i)
#define VSDFVI_UNROLL
#define VSDFVI_BARRIER() ((void)0)
#define VSDFVI_ANY(condition) (condition)

#endif
