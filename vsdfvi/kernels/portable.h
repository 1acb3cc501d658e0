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
// so, and waits as well. VSDFVI_LEAST gives each the smallest of their keys, and waits too: every thread of a block must
// come to each of these three. VSDFVI_BLOCK_ARRAY is an array that they share. On the CPU a block is one thread.
//
// VSDFVI_UNROLL stands before a loop over an array that is to stay in registers on the GPU.
#pragma once

#ifdef __CUDACC__

#define VSDFVI_KERNEL extern "C" __global__ void
#define VSDFVI_INLINE __device__ __forceinline__
#define VSDFVI_FOR_EACH_PIXEL(column, row, width, row_begin, row_end)                                 \
    for (int row = (row_begin) + vsdfvi_first_row(), row##_step_ = vsdfvi_row_step(); row < (row_end); \
         row += row##_step_)                                                                          \
        for (int column = vsdfvi_first_item(); column < (width); column += vsdfvi_item_step())
#define VSDFVI_FOR_EACH_ITEM(i, begin, end) \
    for (int i = (begin) + vsdfvi_first_item(), i##_step_ = vsdfvi_item_step(); i < (end); i += i##_step_)

// What a macro's arguments must not reach: a loop over "x" would rename the x of blockIdx, too.
VSDFVI_INLINE int vsdfvi_first_row() { return int(blockIdx.y * blockDim.y + threadIdx.y); }
VSDFVI_INLINE int vsdfvi_row_step() { return int(gridDim.y * blockDim.y); }
VSDFVI_INLINE int vsdfvi_first_item() { return int(blockIdx.x * blockDim.x + threadIdx.x); }
VSDFVI_INLINE int vsdfvi_item_step() { return int(gridDim.x * blockDim.x); }

VSDFVI_INLINE int vsdfvi_block() { return int(blockIdx.x); }
VSDFVI_INLINE int vsdfvi_blocks() { return int(gridDim.x); }
VSDFVI_INLINE int vsdfvi_thread() { return int(threadIdx.x); }
VSDFVI_INLINE int vsdfvi_threads() { return int(blockDim.x); }

#define VSDFVI_FOR_EACH_TASK(task, begin, end) \
    for (int task = (begin) + vsdfvi_block(); task < (end); task += vsdfvi_blocks())
#define VSDFVI_SHARED(i, begin, end) for (int i = (begin) + vsdfvi_thread(); i < (end); i += vsdfvi_threads())
#define VSDFVI_UNROLL _Pragma("unroll")
#define VSDFVI_BARRIER() __syncthreads()
#define VSDFVI_ANY(condition) __syncthreads_or(condition)
#define VSDFVI_BLOCK_ARRAY(type, name, count) __shared__ type name[count]
#define VSDFVI_LEAST(key) vsdfvi_least(key)

// Of whole numbers the smallest is the same in any order, so an atomic does no harm here.
VSDFVI_INLINE unsigned long long vsdfvi_least(unsigned long long key)
{
    __shared__ unsigned long long least;
    if (threadIdx.x == 0)
        least = ~0ull;
    __syncthreads();
    atomicMin(&least, key);
    __syncthreads();
    const unsigned long long found = least;
    __syncthreads();  // or the next call could overwrite it before all have read it
    return found;
}

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
#define VSDFVI_BLOCK_ARRAY(type, name, count) type name[count]
#define VSDFVI_LEAST(key) (key)

#endif
