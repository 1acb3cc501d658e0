// The median of each sample's neighbourhood of 5 x 5, by a fixed order of exchanges, so that its 25 numbers stay in
// registers.
//
// Arrays  planes, out: (plane_count, height, width) float32, without NaN.
// Border  The planes' outermost samples go on beyond it.
// Bits    Exact: the answer is one of the samples.
#pragma once
#include "portable.h"

VSDFVI_INLINE void median_exchange(float &low, float &high)
{
    const float smaller = high < low ? high : low;
    high = high < low ? low : high;
    low = smaller;
}

// Moves the smallest of the first `count` numbers to the front and the largest to the back.
template <int count> VSDFVI_INLINE void median_ends(float *v)
{
    VSDFVI_UNROLL
    for (int i = 0; i < count / 2; ++i)
        median_exchange(v[i], v[count - 1 - i]);
    VSDFVI_UNROLL
    for (int i = 1; i < (count + 1) / 2; ++i)
        median_exchange(v[0], v[i]);
    VSDFVI_UNROLL
    for (int i = count / 2; i < count - 1; ++i)
        median_exchange(v[i], v[count - 1]);
}

// The median of 25 by forgetting: of any 14 of them neither the smallest nor the largest can be it. Both are dropped, the
// next number comes in, and so on until three are left.
template <int count> VSDFVI_INLINE float median_of(float *v, const float *rest)
{
    median_ends<count>(v);
    if constexpr (count == 3) {
        return v[1];
    } else {
        v[0] = *rest;  // where the smallest was; the largest, at the end, is out of reach from now on
        return median_of<count - 1>(v, rest + 1);
    }
}

VSDFVI_KERNEL median_planes(const float *planes, float *out, int plane_count, int width, int height, int y_begin,
                            int y_end)
{
    VSDFVI_FOR_EACH_PIXEL(x, y, width, y_begin, y_end)
    {
        int columns[5], rows[5];
        VSDFVI_UNROLL
        for (int k = 0; k < 5; ++k) {
            const int column = x + k - 2, row = y + k - 2;
            columns[k] = column < 0 ? 0 : column < width ? column : width - 1;
            rows[k] = (row < 0 ? 0 : row < height ? row : height - 1) * width;
        }
        for (int c = 0; c < plane_count; ++c) {
            const float *plane = planes + c * width * height;
            float v[14], rest[11];
            VSDFVI_UNROLL
            for (int k = 0; k < 25; ++k) {
                const float value = plane[rows[k / 5] + columns[k % 5]];
                if (k < 14)
                    v[k] = value;
                else
                    rest[k - 14] = value;
            }
            out[c * width * height + y * width + x] = median_of<14>(v, rest);
        }
    }
}
