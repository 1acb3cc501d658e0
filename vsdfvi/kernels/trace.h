// Trajectories: from frame t to its neighbour, and on, along completed flow.
//
// trace_step takes every trajectory one frame on, trace_walk several, until each has ended, and trace_follow several
// with no end but the last. A step is the same in all three:
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

#define VSDFVI_CROSSING 9  // numbers that a step of several is described by: see trace_walk

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

// One step, from (px, py) to where it leads: false, and nothing changed, where it is lost. See above.
VSDFVI_INLINE bool cross(const float *flow, const int *boxes, int box_count, int x_plane, int width, int height,
                         float scale, float limit, float *px, float *py, float *gap)
{
    const float half = 0.5f * (scale - 1.0f);  // from a pixel's centre to the grid: (p - half) / scale
    const float gx = clamp_to_grid(*px, half, scale, width), gy = clamp_to_grid(*py, half, scale, height);
    const int *box = find_box(boxes, box_count, gx, gy);
    if (!box)
        return false;
    const float qx = *px + sample_box(flow, box, x_plane, gx, gy);
    const float qy = *py + sample_box(flow, box, x_plane + 1, gx, gy);

    // Asked as "is it inside", so that NaN, which is nowhere, counts as outside.
    const bool inside = qx >= 0.0f && qx <= float(width - 1) && qy >= 0.0f && qy <= float(height - 1);
    const float hx = clamp_to_grid(qx, half, scale, width), hy = clamp_to_grid(qy, half, scale, height);
    const int *there = inside ? find_box(boxes, box_count, hx, hy) : nullptr;
    if (!there)
        return false;
    const float ex = qx + sample_box(flow, there, 2 - x_plane, hx, hy) - *px;
    const float ey = qy + sample_box(flow, there, 3 - x_plane, hx, hy) - *py;
    *gap = sqrtf(ex * ex + ey * ey);
    if (!(*gap <= limit))
        return false;
    *px = qx;
    *py = qy;
    return true;
}

VSDFVI_KERNEL trace_step(float *x, float *y, float *error, int *state, const float *flow, const int *boxes,
                         int box_count, int x_plane, const unsigned char *hole, int hole_x, int hole_y, int hole_width,
                         int hole_height, int width, int height, int step, int stop, int begin, int end, float scale,
                         float limit)
{
    VSDFVI_FOR_EACH_ITEM(i, begin, end)
    {
        if (state[i] != 0)
            continue;

        float px = x[i], py = y[i], gap = 0.0f;
        if (!cross(flow, boxes, box_count, x_plane, width, height, scale, limit, &px, &py, &gap)) {
            state[i] = -1;
            continue;
        }
        x[i] = px;
        y[i] = py;
        if (gap > error[i])
            error[i] = gap;
        if (stop && known_weight(hole, hole_x, hole_y, hole_width, hole_height, px, py) >= 0.5f)
            state[i] = step;
    }
}

// A step of several, in VSDFVI_CROSSING numbers: the addresses of flow and boxes, box_count, the address of the hole,
// hole_x, hole_y, hole_width, hole_height, and for trace_follow the row of its results, or -1.
VSDFVI_INLINE bool cross_one(const long long *crossing, int x_plane, int width, int height, float scale, float limit,
                             float *px, float *py, float *gap)
{
    return cross(reinterpret_cast<const float *>(crossing[0]), reinterpret_cast<const int *>(crossing[1]),
                 int(crossing[2]), x_plane, width, height, scale, limit, px, py, gap);
}

VSDFVI_INLINE bool is_known(const long long *crossing, float x, float y)
{
    return known_weight(reinterpret_cast<const unsigned char *>(crossing[3]), int(crossing[4]), int(crossing[5]),
                        int(crossing[6]), int(crossing[7]), x, y) >= 0.5f;
}

// The steps first, first + 1, ... of every trajectory, as many as there are crossings.
//
// Arrays  crossings: (count, VSDFVI_CROSSING) int64. since: (items) int32, the steps that lie behind a trajectory before
//         it sets out; it walks for `most` steps from there, and is lost if it has found nothing then. x, y, error,
//         state: as for trace_step. met: (count + 1) int32, set to 1 for each step at which one found something, and
//         at its end where one has still to walk; else left.
// Scalars nearest: the first step that may end on known picture.
// Bits    Exact. Threads may write met at the same time, and all write the same.
VSDFVI_KERNEL trace_walk(float *x, float *y, float *error, int *state, const int *since, const long long *crossings,
                         int *met, int count, int x_plane, int width, int height, int first, int most, int nearest,
                         int begin, int end, float scale, float limit)
{
    VSDFVI_FOR_EACH_ITEM(i, begin, end)
    {
        if (state[i] != 0)
            continue;

        const int behind = since[i];
        float px = x[i], py = y[i], worst = error[i], gap = 0.0f;
        int ended = 0;
        for (int k = 0; k < count && ended == 0; ++k) {
            const int step = first + k;
            const long long *crossing = crossings + k * VSDFVI_CROSSING;
            if (step <= behind)
                continue;
            if (step - behind > most || !cross_one(crossing, x_plane, width, height, scale, limit, &px, &py, &gap)) {
                ended = -1;
                continue;
            }
            if (gap > worst)
                worst = gap;
            if (step >= nearest && is_known(crossing, px, py)) {
                ended = step;
                met[k] = 1;
            }
        }
        x[i] = px;
        y[i] = py;
        error[i] = worst;
        state[i] = ended;
        if (ended == 0)
            met[count] = 1;
    }
}

// Pixels walked over all crossings, through known picture and hole, and where they are after some of them.
//
// Arrays  x, y: (items) int32, the pixels. crossings: (count, VSDFVI_CROSSING) int64. to_x, to_y: (rows, items) float32,
//         state: (rows, items) int32, written for each crossing that has a row: where the pixel is, and step (1 for the
//         first crossing) where that is known picture, 0 where it is not, -1 where it was lost on the way.
// Bits    Exact.
VSDFVI_KERNEL trace_follow(const int *x, const int *y, const long long *crossings, float *to_x, float *to_y, int *state,
                           int count, int items, int x_plane, int width, int height, int begin, int end, float scale,
                           float limit)
{
    VSDFVI_FOR_EACH_ITEM(i, begin, end)
    {
        float px = float(x[i]), py = float(y[i]), gap = 0.0f;
        bool walks = true;
        for (int k = 0; k < count; ++k) {
            const long long *crossing = crossings + k * VSDFVI_CROSSING;
            walks = walks && cross_one(crossing, x_plane, width, height, scale, limit, &px, &py, &gap);
            const int row = int(crossing[8]);
            if (row < 0)
                continue;
            to_x[row * items + i] = px;
            to_y[row * items + i] = py;
            state[row * items + i] = !walks ? -1 : is_known(crossing, px, py) ? k + 1 : 0;
        }
    }
}
