// One step of every trajectory: from frame t to its neighbour, along completed flow.
//
//   q     = p + out(p)                     where the pixel lies in the neighbour
//   error = |out(p) + back(q)|             how well the flow back agrees, in pixels
//   found   when at least half of the bilinear weight at q is known picture
//
// out is the flow from t to the neighbour, back the flow from the neighbour to t. Flow may be held
// on a coarser grid: grid sample (i, j) is centred on pixel ((i + 1/2) * scale - 1/2, ...), and
// vectors stay in pixels of the frame.
//
// Arrays  x, y: (count) float32, position in frame t, replaced by the position in the neighbour
//         while the trajectory goes on. error: (count) float32, the worst error so far.
//         state: (count) int32, 0 = walking; becomes `step` where found, -1 where lost.
//         flow: packed planes (regions.h), plane x_plane and x_plane + 1 of a box are out, planes
//         2 - x_plane and 3 - x_plane are back. boxes: (box_count, 6) int32, on the flow's grid.
//         hole: (hole_height, hole_width) uint8 of the neighbour, 1 = unknown, placed at
//         (hole_x, hole_y) of the frame; all of the frame outside it is known.
// Scalars step: 1 or more. scale: pixels per flow sample. width, height: of the frame.
//         stop: 1 = end on known picture, 0 = walk on through it (to carry a fill to another frame).
//         limit: pixels; a step with a larger error loses the trajectory.
// Border  A position outside the frame, outside the flow's boxes, or not a number is lost.
// Bits    Exact. Each item is read and written by one thread.
#pragma once
#include "portable.h"
#include "regions.h"

VSDFVI_INLINE float known_weight(const unsigned char *hole, int hole_x, int hole_y, int hole_width, int hole_height,
                                 float x, float y)
{
    const int x0 = int(floorf(x)), y0 = int(floorf(y));
    const float wx = x - float(x0), wy = y - float(y0);
    float known = 0.0f;
    for (int j = 0; j < 2; ++j)
        for (int i = 0; i < 2; ++i) {
            const int column = x0 + i - hole_x, row = y0 + j - hole_y;
            const bool inside = column >= 0 && column < hole_width && row >= 0 && row < hole_height;
            if (!inside || !hole[row * hole_width + column])
                known += (i ? wx : 1.0f - wx) * (j ? wy : 1.0f - wy);
        }
    return known;
}

VSDFVI_KERNEL trace_step(float *x, float *y, float *error, int *state, const float *flow, const int *boxes,
                         int box_count, int x_plane, const unsigned char *hole, int hole_x, int hole_y, int hole_width,
                         int hole_height, int width, int height, int step, int stop, int begin, int end, float scale,
                         float limit)
{
    const float half = 0.5f * (scale - 1.0f);  // from a pixel's centre to the grid: (p - half) / scale

    VSDFVI_FOR_EACH_ITEM(i, begin, end)
    {
        if (state[i] != 0)
            continue;

        const float px = x[i], py = y[i];
        const float gx = clamp_to_grid(px, half, scale, width), gy = clamp_to_grid(py, half, scale, height);
        const int *box = find_box(boxes, box_count, gx, gy);
        if (!box) {
            state[i] = -1;
            continue;
        }
        const float qx = px + sample_box(flow, box, x_plane, gx, gy);
        const float qy = py + sample_box(flow, box, x_plane + 1, gx, gy);

        // Asked as "is it inside", so that NaN, which is nowhere, counts as outside.
        const bool inside = qx >= 0.0f && qx <= float(width - 1) && qy >= 0.0f && qy <= float(height - 1);
        const float hx = clamp_to_grid(qx, half, scale, width), hy = clamp_to_grid(qy, half, scale, height);
        const int *there = inside ? find_box(boxes, box_count, hx, hy) : nullptr;
        if (!there) {
            state[i] = -1;
            continue;
        }
        const float ex = qx + sample_box(flow, there, 2 - x_plane, hx, hy) - px;
        const float ey = qy + sample_box(flow, there, 3 - x_plane, hx, hy) - py;
        const float gap = sqrtf(ex * ex + ey * ey);
        if (!(gap <= limit)) {
            state[i] = -1;
            continue;
        }

        x[i] = qx;
        y[i] = qy;
        if (gap > error[i])
            error[i] = gap;
        if (stop && known_weight(hole, hole_x, hole_y, hole_width, hole_height, qx, qy) >= 0.5f)
            state[i] = step;
    }
}
