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

// The source at a position on its grid; false where it has no box.
VSDFVI_INLINE bool lanczos_at(const float *source, const int *boxes, int box_count, const float *table, int phases,
                              float x, float y, float *value)
{
    const int *box = find_box(boxes, box_count, x, y);
    if (!box)
        box = nearest_box(boxes, box_count, x, y);
    if (!box)
        return false;
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
    VSDFVI_UNROLL
    for (int tap = 0; tap < VSDFVI_LANCZOS_TAPS; ++tap) {
        const int at = x0 - 3 + tap;
        columns[tap] = at < 0 ? 0 : at >= width ? width - 1 : at;
    }
    float sum = 0.0f;
    VSDFVI_UNROLL
    for (int j = 0; j < VSDFVI_LANCZOS_TAPS; ++j) {
        const int at = y0 - 3 + j;
        const float *line = samples + (at < 0 ? 0 : at >= height ? height - 1 : at) * width;
        float part = 0.0f;
        VSDFVI_UNROLL
        for (int tap = 0; tap < VSDFVI_LANCZOS_TAPS; ++tap)
            part += weight_x[tap] * line[columns[tap]];
        sum += weight_y[j] * part;
    }
    *value = sum;
    return true;
}

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
        float value;
        if (lanczos_at(source, boxes, box_count, table, phases, x, y, &value)) {
            out[item] = value;
            got[item] = 1;
        }
    }
}

// The same of several sources: each trajectory has the one that it ended in.
//
// Arrays  sources: (count, 3) int64, the addresses of source and boxes, and box_count, of the frame 1, 2, ... steps away;
//         zeros where none is asked for. column, row, index: (samples). end_x, end_y, state: (turns, pixels), for as
//         many turns as there are; start_x, start_y: (pixels). out, got: (turns, samples), written where
//         state names a source. An item is a sample of a turn.
VSDFVI_KERNEL sample_sources(const long long *sources, int count, const int *column, const int *row, const int *index,
                             const int *start_x, const int *start_y, const float *end_x, const float *end_y,
                             const int *state, const float *table, float *out, unsigned char *got, int samples,
                             int pixels, int phases, int begin, int end, float inverse_x, float inverse_y)
{
    VSDFVI_FOR_EACH_ITEM(item, begin, end)
    {
        const int sample = item % samples;
        const int pixel = index[sample], i = item / samples * pixels + pixel;
        if (state[i] < 1 || state[i] > count)
            continue;
        const long long *source = sources + (state[i] - 1) * 3;
        const float x = float(column[sample]) + (end_x[i] - float(start_x[pixel])) * inverse_x;
        const float y = float(row[sample]) + (end_y[i] - float(start_y[pixel])) * inverse_y;
        float value;
        if (lanczos_at(reinterpret_cast<const float *>(source[0]), reinterpret_cast<const int *>(source[1]),
                       int(source[2]), table, phases, x, y, &value)) {
            out[item] = value;
            got[item] = 1;
        }
    }
}

// The same, each sample in its source's light, added to a blend: weighted with the inverse of the distance in steps, and
// with the inverse square of the error that the source is known to have.
//
// Arrays  sources, column, row, index, start_x, start_y, end_x, end_y, state: as for sample_sources, of one turn.
//         group: (pixels) int32, the part of the hole that each trajectory belongs to. light: (5, steps + 1, groups)
//         float32, by the number of steps: gain, offset, error in codes, and what ends are moved by along x and y.
//         blend: (4, items) float32, added to: share * value, share * value^2, share * error, share.
// Scalars rows: steps + 1; no trajectory has ended beyond.
VSDFVI_KERNEL blend_sources(const long long *sources, int count, const int *column, const int *row, const int *index,
                            const int *start_x, const int *start_y, const float *end_x, const float *end_y,
                            const int *state, const int *group, const float *light, const float *table, float *blend,
                            int samples, int rows, int groups, int phases, int begin, int end, float inverse_x,
                            float inverse_y)
{
    VSDFVI_FOR_EACH_ITEM(item, begin, end)
    {
        const int i = index[item], steps = state[i];
        if (steps < 1 || steps > count)
            continue;
        const float *of = light + steps * groups + group[i];
        const int next = rows * groups;  // from one of the five to the next
        const float error = of[2 * next];
        const float to_x = end_x[i] + of[3 * next], to_y = end_y[i] + of[4 * next];
        const long long *source = sources + (steps - 1) * 3;
        const float x = float(column[item]) + (to_x - float(start_x[i])) * inverse_x;
        const float y = float(row[item]) + (to_y - float(start_y[i])) * inverse_y;
        float value;
        if (!lanczos_at(reinterpret_cast<const float *>(source[0]), reinterpret_cast<const int *>(source[1]),
                        int(source[2]), table, phases, x, y, &value))
            continue;
        value = of[0] * value + of[next];
        const float share = 1.0f / (error * error * float(steps));
        blend[item] += share * value;
        blend[samples + item] += share * (value * value);
        blend[2 * samples + item] += share * error;
        blend[3 * samples + item] += share;
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
