// Samples of one source frame where trajectories ended, taken once with a high-order kernel.
//
//   value = sum over 8 x 8 taps of weight_y * weight_x * source      (Lanczos, a = 4)
//   at    = own position + (trajectory's end - trajectory's start) / subsampling
//
// A trajectory belongs to a pixel of plane 0. A sample of a subsampled plane follows the trajectory
// of one pixel that it covers: item -> index[item].
//
// Arrays  source: packed planes (regions.h), one plane of the source frame, unknown samples near the
//         known ones extended from them, so that no tap reads the hole. boxes: on that plane's grid.
//         column, row: (items) int32, the sample to fill. index: (items) int32.
//         start_x, start_y: (pixels) int32; end_x, end_y: (pixels) float32; state: (pixels) int32.
//         table: (phases + 1, 8) float32, kernel weights by sub-sample phase, each row summing to 1.
//         out: (items) float32, written where state[index[item]] == step.
//         got: (items) uint8, set to 1 there.
// Scalars inverse_x, inverse_y: 1 / subsampling. phases: of the table.
// Border  Taps outside the box are taken from its nearest sample; a position outside all boxes is
//         moved to the nearest sample of the nearest box: chroma of an odd column, or what was found to
//         have drifted, may lie a part of a sample beyond the frame. Without a box nothing is got.
// Bits    Exact: the kernel's sines are in the table. Phases are rounded to 1 / phases of a sample.
#pragma once
#include "portable.h"
#include "regions.h"

#define VSDFVI_LANCZOS_TAPS 8

VSDFVI_KERNEL sample_lanczos(const float *source, const int *boxes, int box_count, const int *column, const int *row,
                             const int *index, const int *start_x, const int *start_y, const float *end_x,
                             const float *end_y, const int *state, const float *table, float *out, unsigned char *got,
                             int step, int phases, int begin, int end, float inverse_x, float inverse_y)
{
    VSDFVI_FOR_EACH_ITEM(item, begin, end)
    {
        const int i = index[item];
        if (state[i] != step)
            continue;

        const float x = float(column[item]) + (end_x[i] - float(start_x[i])) * inverse_x;
        const float y = float(row[item]) + (end_y[i] - float(start_y[i])) * inverse_y;
        const int *box = find_box(boxes, box_count, x, y);
        if (!box)
            box = nearest_box(boxes, box_count, x, y);
        if (!box)
            continue;
        const int width = box[2], height = box[3];
        const float *samples = source + box[4];

        const float last_x = float(width - 1), last_y = float(height - 1);
        float local_x = x - float(box[0]), local_y = y - float(box[1]);
        local_x = local_x < 0.0f ? 0.0f : local_x > last_x ? last_x : local_x;
        local_y = local_y < 0.0f ? 0.0f : local_y > last_y ? last_y : local_y;

        const int x0 = int(floorf(local_x)), y0 = int(floorf(local_y));
        const float *weight_x = table + int(floorf((local_x - float(x0)) * float(phases) + 0.5f)) * VSDFVI_LANCZOS_TAPS;
        const float *weight_y = table + int(floorf((local_y - float(y0)) * float(phases) + 0.5f)) * VSDFVI_LANCZOS_TAPS;

        int columns[VSDFVI_LANCZOS_TAPS];
        for (int tap = 0; tap < VSDFVI_LANCZOS_TAPS; ++tap) {
            const int at = x0 - 3 + tap;
            columns[tap] = at < 0 ? 0 : at >= width ? width - 1 : at;
        }
        float sum = 0.0f;
        for (int j = 0; j < VSDFVI_LANCZOS_TAPS; ++j) {
            const int at = y0 - 3 + j;
            const float *line = samples + (at < 0 ? 0 : at >= height ? height - 1 : at) * width;
            float part = 0.0f;
            for (int tap = 0; tap < VSDFVI_LANCZOS_TAPS; ++tap)
                part += weight_x[tap] * line[columns[tap]];
            sum += weight_y[j] * part;
        }
        out[item] = sum;
        got[item] = 1;
    }
}

// Flow where trajectories ended, bilinear.
//
// Arrays  flow: packed planes; x, y: (items) float32 in pixels of the frame; state: (items) int32.
//         out: (2, items) float32, plane and plane + 1 of the flow, written where state == step.
// Border  As for trace_step: the outermost samples of the grid are held; outside all boxes nothing
//         is written.
// Bits    Exact.
VSDFVI_KERNEL sample_flow(const float *flow, const int *boxes, int box_count, int plane, const float *x, const float *y,
                          const int *state, float *out, int items, int step, int width, int height, int begin, int end,
                          float scale)
{
    const float half = 0.5f * (scale - 1.0f);

    VSDFVI_FOR_EACH_ITEM(i, begin, end)
    {
        if (state[i] != step)
            continue;
        const float gx = clamp_to_grid(x[i], half, scale, width), gy = clamp_to_grid(y[i], half, scale, height);
        const int *box = find_box(boxes, box_count, gx, gy);
        if (!box)
            continue;
        out[i] = sample_box(flow, box, plane, gx, gy);
        out[items + i] = sample_box(flow, box, plane + 1, gx, gy);
    }
}
