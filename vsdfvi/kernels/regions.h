// Planes that exist only on some boxes of the frame.
//
// A packed plane set holds, for each of a few disjoint boxes, `planes` contiguous planes of that
// box. Nothing outside the boxes is stored. A box is six ints:
//   x, y           its first sample, in samples of the set's own grid
//   width, height  its size
//   offset         where its first plane begins in the packed array
//   planes         planes stored for it, width * height samples each
#pragma once
#include "portable.h"

#define VSDFVI_BOX_INTS 6

// The box that holds a position, or null. A position belongs to a box when it lies on or between
// the box's outermost sample centres.
VSDFVI_INLINE const int *find_box(const int *boxes, int box_count, float x, float y)
{
    for (int i = 0; i < box_count; ++i) {
        const int *box = boxes + i * VSDFVI_BOX_INTS;
        if (x >= float(box[0]) && x <= float(box[0] + box[2] - 1) && y >= float(box[1]) && y <= float(box[1] + box[3] - 1))
            return box;
    }
    return nullptr;
}

// The box that is nearest to a position, by squared distance from its outermost sample centres; the first of several.
// Null where there is no box.
VSDFVI_INLINE const int *nearest_box(const int *boxes, int box_count, float x, float y)
{
    const int *nearest = nullptr;
    float least = 0.0f;
    for (int i = 0; i < box_count; ++i) {
        const int *box = boxes + i * VSDFVI_BOX_INTS;
        const float left = float(box[0]) - x, right = x - float(box[0] + box[2] - 1);
        const float above = float(box[1]) - y, below = y - float(box[1] + box[3] - 1);
        const float dx = left > 0.0f ? left : right > 0.0f ? right : 0.0f;
        const float dy = above > 0.0f ? above : below > 0.0f ? below : 0.0f;
        const float away = dx * dx + dy * dy;
        if (!nearest || away < least) {
            nearest = box;
            least = away;
        }
    }
    return nearest;
}

// One plane of a box at a position inside it, bilinear.
VSDFVI_INLINE float sample_box(const float *packed, const int *box, int plane, float x, float y)
{
    const int width = box[2], height = box[3];
    const float *samples = packed + box[4] + plane * width * height;
    const float local_x = x - float(box[0]), local_y = y - float(box[1]);
    const int x0 = int(floorf(local_x)), y0 = int(floorf(local_y));
    const int x1 = x0 + 1 < width ? x0 + 1 : x0;  // past the edge only with weight 0
    const int y1 = y0 + 1 < height ? y0 + 1 : y0;
    const float wx = local_x - float(x0), wy = local_y - float(y0);

    const float top = (1.0f - wx) * samples[y0 * width + x0] + wx * samples[y0 * width + x1];
    const float bottom = (1.0f - wx) * samples[y1 * width + x0] + wx * samples[y1 * width + x1];
    return (1.0f - wy) * top + wy * bottom;
}

// Grid coordinate of a pixel coordinate; the outermost half samples of a coarser grid are held.
VSDFVI_INLINE float clamp_to_grid(float position, float half, float scale, int size)
{
    const float last = floorf((float(size) + scale - 1.0f) / scale) - 1.0f;  // ceil(size / scale) - 1
    const float at = (position - half) / scale;
    return at < 0.0f ? 0.0f : at > last ? last : at;
}
