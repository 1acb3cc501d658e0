// Planes as a flow finds them: what each pixel's vector leads to.
//
//   out(p) = planes(p + flow(p))        bilinear
//
// Arrays  planes, out: (plane_count, height, width) float32. flow: (2, height, width) float32, plane 0 = x, in pixels
//         of these planes.
// Border  A position outside the planes is moved to their border; one that is no number, to the first column or row.
// Bits    Exact. A gather: every sample is written once, by one thread.
#pragma once
#include "portable.h"

VSDFVI_KERNEL warp_planes(const float *planes, const float *flow, float *out, int plane_count, int width, int height,
                          int y_begin, int y_end)
{
    const int size = width * height;
    const float last_x = float(width - 1), last_y = float(height - 1);

    VSDFVI_FOR_EACH_PIXEL(x, y, width, y_begin, y_end)
    {
        const int at = y * width + x;
        float to_x = float(x) + flow[at], to_y = float(y) + flow[size + at];
        // Asked as "is it inside", so that NaN, which is nowhere, is moved as well.
        to_x = to_x > 0.0f ? to_x : 0.0f;
        to_y = to_y > 0.0f ? to_y : 0.0f;
        to_x = to_x < last_x ? to_x : last_x;
        to_y = to_y < last_y ? to_y : last_y;
        const int x0 = int(to_x), y0 = int(to_y);
        const int x1 = x0 + 1 < width ? x0 + 1 : x0, y1 = y0 + 1 < height ? y0 + 1 : y0;
        const float wx = to_x - float(x0), wy = to_y - float(y0);
        for (int c = 0; c < plane_count; ++c) {
            const float *plane = planes + c * size;
            const float top = (1.0f - wx) * plane[y0 * width + x0] + wx * plane[y0 * width + x1];
            const float bottom = (1.0f - wx) * plane[y1 * width + x0] + wx * plane[y1 * width + x1];
            out[c * size + at] = (1.0f - wy) * top + wy * bottom;
        }
    }
}
