// Light and drift of sources against a target, from the ring of known picture that both show around a hole.
//
// light_lines: gain and offset that turn a source's samples into the target's, robustly, of all of a source and then of
// each part of the hole by that, each believed as far as it stands out from its own uncertainty. light_shift: what a
// source has to be moved by, one step of registration by the target's gradient. vsdfvi/engine/light.py says why, and
// whose the methods are.
//
// Each item is a source. Sums go over the ring in its order, in double precision, so that they are the same everywhere.
//
// Arrays  target: (ring) float32, in codes. sources: (sources, ring) float32. there: (sources, ring) uint8, 1 where the
//         source is known. group: (ring) int32, the part of the hole, from 0. gain, offset, error: (sources, groups)
//         double: error -1 where the ring says nothing. scratch: (sources, 2 * ring + 9 * groups) double.
// Scalars corrects: 0 leaves gain 1 and offset 0, and tells the error alone.
// Bits    Exact: + - * / and square roots in double precision.
#pragma once
#include "portable.h"

#define VSDFVI_LIGHT_ROUNDS 3       // of reweighting: what moves differently, or is damaged, ends with little weight
#define VSDFVI_LIGHT_TOLERATED 2.0  // mean absolute residuals at which a sample has half its weight
#define VSDFVI_LIGHT_ALIKE 4.0      // samples that count as one: grain and errors of flow reach over neighbours
#define VSDFVI_LIGHT_FEWEST 8       // samples from which anything is said
#define VSDFVI_LIGHT_MOST 3.0       // gain of a source as a whole: fades begin and end near black
#define VSDFVI_LIGHT_MOST_LOCAL 1.15  // and of a part of the hole beyond that: more is no light but a shade
#define VSDFVI_LIGHT_FARTHEST 1.0   // pixels of a shift: beyond that one linear step means nothing
#define VSDFVI_LIGHT_SUMS 9         // doubles of scratch for each group

VSDFVI_INLINE double larger(double a, double b) { return a > b ? a : b; }
VSDFVI_INLINE double absolute(double a) { return a < 0.0 ? -a : a; }

VSDFVI_INLINE double light_weight(double left, double scale)
{
    const double ratio = left / larger(VSDFVI_LIGHT_TOLERATED * scale, 1e-12);
    return 1.0 / (1.0 + ratio * ratio);
}

// An estimate, less what its variance alone would make of nothing.
VSDFVI_INLINE double believed(double estimate, double variance)
{
    const double square = estimate * estimate;
    return estimate * larger(square - variance, 0.0) / larger(square, 1e-12);
}

// One source's samples and where they stand: in the light that `gain` and `offset` of the whole source bring.
struct LightRing {
    const float *target, *source;
    const unsigned char *there;
    const int *group;  // null: all are of group 0
    int ring, groups;
    double gain, offset;
};

VSDFVI_INLINE double brought(const LightRing &of, int i) { return of.gain * double(of.source[i]) + of.offset; }
VSDFVI_INLINE int part_of(const LightRing &of, int i) { return of.group ? of.group[i] : 0; }

// Gain and offset of each group, drawn towards 1 and 0 as far as they may be chance. weights: (ring) of scratch.
VSDFVI_INLINE void light_line(const LightRing &of, double most, double *gain, double *offset, double *weights,
                              double *sums)
{
    const int groups = of.groups;
    double *count = sums, *left_of = sums + groups, *weight_of = sums + 2 * groups, *square_of = sums + 3 * groups;
    double *to_of = sums + 4 * groups, *from_of = sums + 5 * groups, *var_to = sums + 6 * groups;
    double *var_from = sums + 7 * groups, *both_of = sums + 8 * groups;
    for (int g = 0; g < groups; ++g) {
        gain[g] = 1.0;
        offset[g] = count[g] = 0.0;
    }
    for (int i = 0; i < of.ring; ++i)
        if (of.there[i])
            count[part_of(of, i)] += 1.0;
    for (int round = 0; round < VSDFVI_LIGHT_ROUNDS; ++round) {
        for (int g = 0; g < groups; ++g)
            left_of[g] = weight_of[g] = square_of[g] = to_of[g] = from_of[g] = var_to[g] = var_from[g] = both_of[g] =
                0.0;
        for (int i = 0; i < of.ring; ++i) {
            if (!of.there[i])
                continue;
            const int g = part_of(of, i);
            weights[i] = absolute(double(of.target[i]) - gain[g] * brought(of, i) - offset[g]);
            left_of[g] += weights[i];
        }
        for (int i = 0; i < of.ring; ++i) {
            if (!of.there[i])
                continue;
            const int g = part_of(of, i);
            const double weight = light_weight(weights[i], left_of[g] / larger(count[g], 1.0));
            weights[i] = weight;
            weight_of[g] += weight;
            square_of[g] += weight * weight;
            to_of[g] += weight * double(of.target[i]);
            from_of[g] += weight * brought(of, i);
        }
        for (int g = 0; g < groups; ++g) {
            weight_of[g] = larger(weight_of[g], 1e-12);
            to_of[g] /= weight_of[g];
            from_of[g] /= weight_of[g];
        }
        for (int i = 0; i < of.ring; ++i) {
            if (!of.there[i])
                continue;
            const int g = part_of(of, i);
            const double to = double(of.target[i]) - to_of[g], from = brought(of, i) - from_of[g];
            var_to[g] += weights[i] * to * to;
            var_from[g] += weights[i] * from * from;
            both_of[g] += weights[i] * to * from;
        }
        for (int g = 0; g < groups; ++g) {
            const double sum = weight_of[g], of_to = var_to[g] / sum, of_from = var_from[g] / sum;
            const double both = both_of[g] / sum, spread = of_to - of_from;
            double line = 1.0;
            if (both > 1e-9)
                line = (spread + sqrt(spread * spread + 4.0 * (both * both))) / (2.0 * both);
            line = line < 1.0 / most ? 1.0 / most : line > most ? most : line;
            const double rest = larger(of_to + line * line * of_from - 2.0 * line * both, 0.0);
            // Of a weighted sum the number of samples that count as much as it does.
            const double effective =
                larger(sum * sum / larger(square_of[g], 1e-12) / VSDFVI_LIGHT_ALIKE, 1.0);
            gain[g] = 1.0 + believed(line - 1.0, rest / (effective * larger(both, 1e-9)));
            offset[g] = believed(to_of[g] - from_of[g], rest / effective) + (1.0 - gain[g]) * from_of[g];
        }
    }
    for (int g = 0; g < groups; ++g)
        if (count[g] < VSDFVI_LIGHT_FEWEST) {
            gain[g] = 1.0;
            offset[g] = 0.0;
        }
}

VSDFVI_KERNEL light_lines(const float *target, const float *sources, const unsigned char *there, const int *group,
                          double *gain, double *offset, double *error, double *scratch, int ring, int groups,
                          int corrects, int begin, int end)
{
    VSDFVI_FOR_EACH_ITEM(item, begin, end)
    {
        double *weights = scratch + item * (2 * ring + VSDFVI_LIGHT_SUMS * groups);
        double *sums = weights + 2 * ring;
        double *gains = gain + item * groups, *offsets = offset + item * groups, *errors = error + item * groups;
        LightRing of = {target, sources + item * ring, there + item * ring, nullptr, ring, 1, 1.0, 0.0};
        for (int g = 0; g < groups; ++g) {
            gains[g] = 1.0;
            offsets[g] = 0.0;
        }
        if (corrects) {
            double whole_gain, whole_offset;
            light_line(of, VSDFVI_LIGHT_MOST, &whole_gain, &whole_offset, weights, sums);
            if (groups > 1) {
                of.group = group;
                of.groups = groups;
                of.gain = whole_gain;
                of.offset = whole_offset;
                light_line(of, VSDFVI_LIGHT_MOST_LOCAL, gains, offsets, weights, sums);
                for (int g = 0; g < groups; ++g) {
                    offsets[g] = gains[g] * whole_offset + offsets[g];
                    gains[g] = gains[g] * whole_gain;
                }
            }
            else {
                gains[0] = whole_gain;
                offsets[0] = whole_offset;
            }
        }

        double *count = sums, *mean = sums + groups, *total = sums + 2 * groups, *square = sums + 3 * groups;
        for (int g = 0; g < groups; ++g)
            count[g] = mean[g] = total[g] = square[g] = 0.0;
        for (int i = 0; i < ring; ++i) {
            if (!of.there[i])
                continue;
            const int g = group[i];
            weights[i] = absolute(double(target[i]) - gains[g] * double(of.source[i]) - offsets[g]);
            mean[g] += weights[i];
            count[g] += 1.0;
        }
        for (int g = 0; g < groups; ++g)
            mean[g] /= larger(count[g], 1.0);
        for (int i = 0; i < ring; ++i) {
            if (!of.there[i])
                continue;
            const int g = group[i];
            const double weight = light_weight(weights[i], mean[g]);
            total[g] += weight;
            square[g] += weight * weights[i] * weights[i];
        }
        for (int g = 0; g < groups; ++g)
            errors[g] = count[g] < VSDFVI_LIGHT_FEWEST ? -1.0 : sqrt(square[g] / larger(total[g], 1e-12));
    }
}

// What composed trajectories have drifted by.
//
// Arrays  missed: (sources, ring) float32, target less source in one light. gradient: (2, ring) float32, of the target
//         along x and y; not a number where it is not known. shift: (sources, 2, groups) double, in pixels.
//         there, group, scratch: as above.
VSDFVI_KERNEL light_shift(const float *missed, const float *gradient, const unsigned char *there, const int *group,
                          double *shift, double *scratch, int ring, int groups, int begin, int end)
{
    const double most = VSDFVI_LIGHT_FARTHEST;

    VSDFVI_FOR_EACH_ITEM(item, begin, end)
    {
        double *left = scratch + item * (2 * ring + VSDFVI_LIGHT_SUMS * groups), *weights = left + ring;
        double *sums = left + 2 * ring;
        double *count = sums, *left_of = sums + groups, *weight_of = sums + 2 * groups, *noise_of = sums + 3 * groups;
        double *xx = sums + 4 * groups, *yy = sums + 5 * groups, *xy = sums + 6 * groups;
        double *to_x = sums + 7 * groups, *to_y = sums + 8 * groups;
        double *by_x = shift + item * 2 * groups, *by_y = by_x + groups;
        const float *rest = missed + item * ring, *along_x = gradient, *along_y = gradient + ring;
        const unsigned char *known = there + item * ring;
        for (int g = 0; g < groups; ++g)
            by_x[g] = by_y[g] = count[g] = 0.0;
        // A difference of two infinities or two that are no numbers is not 0.
        for (int i = 0; i < ring; ++i) {
            const bool use = known[i] && along_x[i] - along_x[i] == 0.0f && along_y[i] - along_y[i] == 0.0f;
            weights[i] = use ? 1.0 : -1.0;
            if (use)
                count[group[i]] += 1.0;
        }
        for (int round = 0; round < VSDFVI_LIGHT_ROUNDS; ++round) {
            for (int g = 0; g < groups; ++g)
                left_of[g] = weight_of[g] = noise_of[g] = xx[g] = yy[g] = xy[g] = to_x[g] = to_y[g] = 0.0;
            for (int i = 0; i < ring; ++i) {
                if (weights[i] < 0.0)
                    continue;
                const int g = group[i];
                left[i] = absolute(double(rest[i]) - by_x[g] * double(along_x[i]) - by_y[g] * double(along_y[i]));
                left_of[g] += left[i];
            }
            for (int i = 0; i < ring; ++i) {
                if (weights[i] < 0.0)
                    continue;
                const int g = group[i];
                const double x = double(along_x[i]), y = double(along_y[i]), missing = double(rest[i]);
                const double weight = light_weight(left[i], left_of[g] / larger(count[g], 1.0));
                weight_of[g] += weight;
                noise_of[g] += weight * (left[i] * left[i]);
                xx[g] += weight * (x * x);
                yy[g] += weight * (y * y);
                xy[g] += weight * (x * y);
                to_x[g] += weight * x * missing;
                to_y[g] += weight * y * missing;
            }
            for (int g = 0; g < groups; ++g) {
                const double noise = noise_of[g] / larger(weight_of[g], 1e-12);
                // Where the ring has no gradient in some direction, nothing is said of it.
                const double of_x = xx[g] + noise * VSDFVI_LIGHT_ALIKE + 1e-9;
                const double of_y = yy[g] + noise * VSDFVI_LIGHT_ALIKE + 1e-9;
                const double scale = larger(of_x * of_y - xy[g] * xy[g], 1e-12);
                const double x = (of_y * to_x[g] - xy[g] * to_y[g]) / scale;
                const double y = (of_x * to_y[g] - xy[g] * to_x[g]) / scale;
                const double surely = x * x * of_x + 2.0 * x * y * xy[g] + y * y * of_y;
                const double share =
                    larger(surely - 2.0 * noise * VSDFVI_LIGHT_ALIKE, 0.0) / larger(surely, 1e-12);
                by_x[g] = x * share;
                by_y[g] = y * share;
            }
        }
        for (int g = 0; g < groups; ++g) {
            const bool enough = count[g] >= VSDFVI_LIGHT_FEWEST;
            by_x[g] = !enough ? 0.0 : by_x[g] < -most ? -most : by_x[g] > most ? most : by_x[g];
            by_y[g] = !enough ? 0.0 : by_y[g] < -most ? -most : by_y[g] > most ? most : by_y[g];
        }
    }
}
