// Fill a hole so that edges go on into it: diffusion that follows edges and does not cross them.
//
//   u(p) += step * div(D grad u)(p)      p in the hole
//   D     = g across the edge, 1 along it; g = 1 / sqrt(1 + |grad v|^2 / contrast^2), v = the first plane, smoothed
//
// This is the edge-enhancing diffusion of Weickert, "Anisotropic diffusion in image processing", Teubner 1998, as
// used to fill holes by Galic and others, "Image compression with anisotropic diffusion", JMIV 31, 2008. All planes
// follow the edges of the first.
//
// Wordings
//   tensor  D, three numbers a pixel: of x with x, x with y, y with y
//
// Arrays  planes, from, to: (plane_count, height, width) float32. tensor: (3, height, width) float32. pixels: (items)
//         int32, y * width + x: where a tensor is wanted; or the hole's. slopes: (2 * STRUCTURE_REACH + 1) float32,
//         bell: as many: a Gaussian's slope and the Gaussian itself, in one direction.
// Scalars step: 0.2; 1 / 4 is where the scheme would cease to be stable.
// Border  What lies beyond the picture is as the nearest pixel inside.
// Bits    Exact, for any split of the range: a pixel reads the state before a step and writes the one after it.
#pragma once
#include "portable.h"

#define STRUCTURE_REACH 4

VSDFVI_INLINE int structure_within(int value, int size) { return value < 0 ? 0 : value < size ? value : size - 1; }

VSDFVI_KERNEL structure_tensor(const float *plane, const int *pixels, const float *slopes, const float *bell,
                               float *tensor, int width, int height, int begin, int end, float contrast)
{
    VSDFVI_FOR_EACH_ITEM(i, begin, end)
    {
        const int at = pixels[i];
        const int y = at / width, x = at - y * width;
        float across = 0.0f, down = 0.0f;
        for (int j = -STRUCTURE_REACH; j <= STRUCTURE_REACH; ++j) {
            const float *row = plane + structure_within(y + j, height) * width;
            float smooth = 0.0f, slope = 0.0f;
            for (int k = -STRUCTURE_REACH; k <= STRUCTURE_REACH; ++k) {
                const float value = row[structure_within(x + k, width)];
                smooth += bell[k + STRUCTURE_REACH] * value;
                slope += slopes[k + STRUCTURE_REACH] * value;
            }
            across += bell[j + STRUCTURE_REACH] * slope;
            down += slopes[j + STRUCTURE_REACH] * smooth;
        }
        const float length = across * across + down * down;
        const float weak = 1.0f / sqrtf(1.0f + length / (contrast * contrast));
        // Where nothing slopes, diffusion is the same in all directions.
        const float share = length > 1e-20f ? (1.0f - weak) / length : 0.0f;
        tensor[at] = 1.0f - share * (across * across);
        tensor[width * height + at] = -(share * (across * down));
        tensor[2 * width * height + at] = 1.0f - share * (down * down);
    }
}

// One step for each pixel of the hole, in all planes. No value leaves the range of its nine neighbours before the step:
// the mixed derivatives alone could carry it beyond.
VSDFVI_KERNEL structure_step(const float *from, float *to, const float *tensor, const int *pixels, int plane_count,
                             int width, int height, int begin, int end, float step)
{
    VSDFVI_FOR_EACH_ITEM(i, begin, end)
    {
        const int at = pixels[i];
        const int y = at / width, x = at - y * width;
        const int left = x > 0 ? -1 : 0, right = x + 1 < width ? 1 : 0;
        const int up = y > 0 ? -width : 0, down = y + 1 < height ? width : 0;
        const float *xx = tensor + at, *xy = tensor + width * height + at, *yy = tensor + 2 * width * height + at;
        const float to_left = 0.5f * (xx[0] + xx[left]), to_right = 0.5f * (xx[0] + xx[right]);
        const float to_up = 0.5f * (yy[0] + yy[up]), to_down = 0.5f * (yy[0] + yy[down]);
        for (int c = 0; c < plane_count; ++c) {
            const float *v = from + c * width * height + at;
            const float middle = v[0];
            const float straight = to_left * (v[left] - middle) + to_right * (v[right] - middle)
                                   + (to_up * (v[up] - middle) + to_down * (v[down] - middle));
            const float mixed = (xy[right] * (v[down + right] - v[up + right]) - xy[left] * (v[down + left] - v[up + left]))
                                + (xy[down] * (v[down + right] - v[down + left]) - xy[up] * (v[up + right] - v[up + left]));
            float value = middle + step * (straight + 0.25f * mixed);
            float least = middle, most = middle;
            for (int j = 0; j < 3; ++j)
                for (int k = 0; k < 3; ++k) {
                    const float near = v[(j == 0 ? up : j == 2 ? down : 0) + (k == 0 ? left : k == 2 ? right : 0)];
                    least = near < least ? near : least;
                    most = near > most ? near : most;
                }
            value = value > least ? value : least;
            to[c * width * height + at] = value < most ? value : most;
        }
    }
}
