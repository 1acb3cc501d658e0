// Fill a hole with patches of the known picture: PatchMatch search, weighted voting, coarse to fine.
//
// Wordings
//   depth   numbers that describe a pixel in a search: 4 of 16 bits, interleaved, so that a row of a patch is one run
//   patch   7 x 7 pixels around a centre, wholly inside the picture
//   target  a centre whose patch contains hole; it looks for a match
//   match   y * width + x of the centre that a target copies; -1 where a pixel is no target
//   cost    sum of squared differences of depth between the target's patch and its match's
//
// The search is Barnes and others, "PatchMatch", SIGGRAPH 2009, but every target reads the matches of the round
// before (as in jump flooding: Rong and Tan, I3D 2006) where theirs scans the picture in order: rounds are then
// parallel and any order gives the same bytes. Random numbers are a hash of seed, round and place, not a sequence.
// The vote is Wexler, Shechtman and Irani, "Space-time completion of video", PAMI 2007, with the texture depth of
// Newson and others, "Video inpainting of complex scenes", SIAM J. Imaging Sciences 2014.
//
// Arrays  planes: (plane_count, height, width) float32, the picture and its texture planes. depth: (height, width, 4)
//         int16. match, cost: (height, width) int32. allowed: (height, width) uint8, 1 = may be a match. hole, known:
//         (height, width) uint8. targets, pixels: (items) int32, y * width + x.
// Border  Patches never leave the picture. Targets and matches lie 3 pixels or more from its border.
// Bits    Exact, for any split of the range: costs are integers, votes are added in raster order.
#pragma once
#include "portable.h"

#define EXEMPLAR_RADIUS 3
#define EXEMPLAR_SIDE 7
#define EXEMPLAR_DEPTH 4
#define EXEMPLAR_RUN (EXEMPLAR_SIDE * EXEMPLAR_DEPTH)
#define EXEMPLAR_WORST 0x7fffffff

// A number that depends on all its arguments and looks random (the finaliser of MurmurHash3, Appleby, public domain).
VSDFVI_INLINE unsigned exemplar_hash(unsigned seed, unsigned round, unsigned place, unsigned draw)
{
    unsigned h = seed ^ (round * 0x9e3779b9u) ^ (place * 0x85ebca6bu) ^ (draw * 0xc2b2ae35u);
    h = (h ^ (h >> 16)) * 0x85ebca6bu;
    h = (h ^ (h >> 13)) * 0xc2b2ae35u;
    h = (h ^ (h >> 16)) * 0x85ebca6bu;
    return h ^ (h >> 13);
}

// Cost of a pair of centres. Stops at the first row that reaches the limit.
VSDFVI_INLINE int exemplar_cost(const short *depth, int width, int target, int match, int limit)
{
    const int corner = EXEMPLAR_RADIUS * width + EXEMPLAR_RADIUS;
    const short *a = depth + (target - corner) * EXEMPLAR_DEPTH, *b = depth + (match - corner) * EXEMPLAR_DEPTH;
    int sum = 0;
    for (int j = 0; j < EXEMPLAR_SIDE && sum < limit; ++j) {
        int row = 0;
        for (int i = 0; i < EXEMPLAR_RUN; ++i) {
            // Depth is bounded (exemplar_quantise), so the difference fits, and compilers find pmaddwd.
            const short difference = short(a[i] - b[i]);
            row += int(difference) * int(difference);
        }
        sum += row;
        a += width * EXEMPLAR_DEPTH;
        b += width * EXEMPLAR_DEPTH;
    }
    return sum;
}

// Planes at half the size: weights 1 3 3 1 over the known pixels around each coarse centre. A coarse pixel is hole
// when most of the four pixels it covers are, and source when all of them are.
VSDFVI_KERNEL exemplar_halve(const float *planes, const unsigned char *hole, const unsigned char *source, float *coarse,
                             unsigned char *coarse_hole, unsigned char *coarse_source, int plane_count, int width,
                             int height, int y_begin, int y_end)
{
    const int coarse_width = (width + 1) / 2, coarse_height = (height + 1) / 2;

    VSDFVI_FOR_EACH_PIXEL(x, y, coarse_width, y_begin, y_end)
    {
        float weights[16];
        int places[16], count = 0, covered = 0, unknown = 0, sources = 0;
        float total = 0.0f;
        for (int j = -1; j < 3; ++j)
            for (int i = -1; i < 3; ++i) {
                const int column = 2 * x + i, row = 2 * y + j;
                if (column < 0 || row < 0 || column >= width || row >= height)
                    continue;
                const int from = row * width + column;
                const bool middle_column = i == 0 || i == 1, middle_row = j == 0 || j == 1;
                if (middle_column && middle_row) {
                    covered += 1;
                    unknown += hole[from] != 0;
                    sources += source[from] != 0;
                }
                if (hole[from])
                    continue;
                weights[count] = (middle_column ? 3.0f : 1.0f) * (middle_row ? 3.0f : 1.0f);
                total += weights[count];
                places[count++] = from;
            }
        const int at = y * coarse_width + x;
        const bool is_hole = 2 * unknown > covered;
        coarse_hole[at] = is_hole;
        coarse_source[at] = !is_hole && sources == covered;
        for (int c = 0; c < plane_count; ++c) {
            float sum = 0.0f;
            for (int k = 0; k < count; ++k)
                sum += weights[k] * planes[c * width * height + places[k]];
            coarse[c * coarse_width * coarse_height + at] = is_hole ? 0.0f : sum / total;
        }
    }
}

// Texture of the first plane: mean size of its horizontal and of its vertical differences between known neighbours,
// over 7 x 7 pixels. Where no such pair is known: 0.
VSDFVI_KERNEL exemplar_texture(const float *plane, const unsigned char *hole, float *across, float *down, int width,
                               int height, int y_begin, int y_end)
{
    VSDFVI_FOR_EACH_PIXEL(x, y, width, y_begin, y_end)
    {
        float sum_across = 0.0f, sum_down = 0.0f;
        int count_across = 0, count_down = 0;
        for (int row = y - EXEMPLAR_RADIUS; row <= y + EXEMPLAR_RADIUS; ++row)
            for (int column = x - EXEMPLAR_RADIUS; column <= x + EXEMPLAR_RADIUS; ++column) {
                if (row < 0 || column < 0 || row >= height || column >= width)
                    continue;
                const int from = row * width + column;
                if (hole[from])
                    continue;
                if (column + 1 < width && !hole[from + 1]) {
                    const float step = plane[from + 1] - plane[from];
                    sum_across += step < 0.0f ? -step : step;
                    count_across += 1;
                }
                if (row + 1 < height && !hole[from + width]) {
                    const float step = plane[from + width] - plane[from];
                    sum_down += step < 0.0f ? -step : step;
                    count_down += 1;
                }
            }
        across[y * width + x] = count_across ? sum_across / float(count_across) : 0.0f;
        down[y * width + x] = count_down ? sum_down / float(count_down) : 0.0f;
    }
}

// depth = planes * scales, rounded, within -1024 .. 1024: 196 squares of a difference then fit in 31 bits.
VSDFVI_KERNEL exemplar_quantise(const float *planes, const float *scales, short *depth, int plane_count, int width,
                                int height, int y_begin, int y_end)
{
    VSDFVI_FOR_EACH_PIXEL(x, y, width, y_begin, y_end)
    {
        const int at = y * width + x;
        for (int c = 0; c < EXEMPLAR_DEPTH; ++c) {
            float value = c < plane_count ? planes[c * width * height + at] * scales[c] : 0.0f;
            value = value > -1024.0f ? value : -1024.0f;
            value = value < 1024.0f ? value : 1024.0f;
            depth[at * EXEMPLAR_DEPTH + c] = short(int(floorf(value + 0.5f)));
        }
    }
}

// The best match of each target among all allowed centres at most `reach` away, judged by the known pixels of the
// target's patch; the first in raster order where several are best, -1 where none is allowed. One task for each target.
VSDFVI_KERNEL exemplar_search(const short *depth, const unsigned char *known, const unsigned char *allowed,
                              const int *targets, int *match, int width, int height, int begin, int end, int reach)
{
    VSDFVI_FOR_EACH_TASK(task, begin, end)
    {
        VSDFVI_BLOCK_ARRAY(short, patch, EXEMPLAR_SIDE * EXEMPLAR_RUN);
        VSDFVI_BLOCK_ARRAY(short, mask, EXEMPLAR_SIDE * EXEMPLAR_RUN);
        const int at = targets[task];
        const int y = at / width, x = at - y * width;
        VSDFVI_SHARED(n, 0, EXEMPLAR_SIDE * EXEMPLAR_RUN)
        {
            const int j = n / EXEMPLAR_RUN, k = n - j * EXEMPLAR_RUN;
            const int from = at + (j - EXEMPLAR_RADIUS) * width + k / EXEMPLAR_DEPTH - EXEMPLAR_RADIUS;
            patch[n] = depth[from * EXEMPLAR_DEPTH + k % EXEMPLAR_DEPTH];
            mask[n] = known[from] ? short(-1) : short(0);
        }
        VSDFVI_BARRIER();

        const int top = y - reach > EXEMPLAR_RADIUS ? y - reach : EXEMPLAR_RADIUS;
        const int left = x - reach > EXEMPLAR_RADIUS ? x - reach : EXEMPLAR_RADIUS;
        const int bottom = y + reach < height - 1 - EXEMPLAR_RADIUS ? y + reach : height - 1 - EXEMPLAR_RADIUS;
        const int right = x + reach < width - 1 - EXEMPLAR_RADIUS ? x + reach : width - 1 - EXEMPLAR_RADIUS;
        const int columns = right - left + 1;
        int best = -1, best_cost = EXEMPLAR_WORST;
        VSDFVI_SHARED(n, 0, columns * (bottom - top + 1))
        {
            const int row = n / columns;
            const int candidate = (top + row) * width + left + n - row * columns;
            if (!allowed[candidate])
                continue;
            int sum = 0;
            for (int j = 0; j < EXEMPLAR_SIDE && sum < best_cost; ++j) {
                const int from = candidate + (j - EXEMPLAR_RADIUS) * width - EXEMPLAR_RADIUS;
                const short *a = patch + j * EXEMPLAR_RUN, *b = depth + from * EXEMPLAR_DEPTH;
                const short *keep = mask + j * EXEMPLAR_RUN;
                int part = 0;
                for (int k = 0; k < EXEMPLAR_RUN; ++k) {
                    const short difference = short(short(a[k] - b[k]) & keep[k]);
                    part += int(difference) * int(difference);
                }
                sum += part;
            }
            if (sum < best_cost) {
                best_cost = sum;
                best = candidate;
            }
        }
        // The cheapest, and of those the first: what each thread has found is in raster order.
        const unsigned long long none = ~0ull;
        const unsigned long long key = best < 0 ? none : (static_cast<unsigned long long>(best_cost) << 32) | unsigned(best);
        const unsigned long long least = VSDFVI_LEAST(key);
        VSDFVI_SHARED(n, 0, 1) match[at] = least == none ? -1 : int(least & 0xffffffffull);
    }
}

// First matches of a level from those of the level at half its size: the same place, twice as far. Where that is not
// allowed, or nothing is inherited (inherits = 0), one of the allowed centres, at random.
VSDFVI_KERNEL exemplar_inherit(const int *coarse_match, const unsigned char *allowed, const int *sources,
                               int source_count, const int *targets, int *match, int width, int height, int inherits,
                               int seed, int begin, int end)
{
    const int coarse_width = (width + 1) / 2, coarse_height = (height + 1) / 2;

    VSDFVI_FOR_EACH_ITEM(i, begin, end)
    {
        const int at = targets[i];
        const int y = at / width, x = at - y * width;
        int found = -1;
        if (inherits) {
            // The nearest coarse target: the fine ones reach further out and nearer to the picture's border.
            for (int reach = 0; reach < 3 && found < 0; ++reach)
                for (int j = -reach; j <= reach && found < 0; ++j)
                    for (int k = -reach; k <= reach && found < 0; ++k) {
                        const int column = x / 2 + k, row = y / 2 + j;
                        if (column < 0 || row < 0 || column >= coarse_width || row >= coarse_height)
                            continue;
                        const int from = coarse_match[row * coarse_width + column];
                        if (from < 0)
                            continue;
                        const int from_y = from / coarse_width, from_x = from - from_y * coarse_width;
                        const int to_x = x + 2 * (from_x - column), to_y = y + 2 * (from_y - row);
                        if (to_x >= 0 && to_y >= 0 && to_x < width && to_y < height && allowed[to_y * width + to_x])
                            found = to_y * width + to_x;
                    }
        }
        if (found < 0)
            found = sources[exemplar_hash(unsigned(seed), 0u, unsigned(at), 0u) % unsigned(source_count)];
        match[at] = found;
    }
}

// One round of PatchMatch: each target tries what its eight neighbours `stride` away have, moved along with them,
// then places around its best so far, at random in boxes that shrink by half, then two anywhere.
VSDFVI_KERNEL exemplar_improve(const short *depth, const unsigned char *allowed, const int *sources, int source_count,
                               const int *targets, const int *match, int *better, int *cost, int width, int height,
                               int stride, int round, int seed, int begin, int end)
{
    VSDFVI_FOR_EACH_ITEM(i, begin, end)
    {
        const int at = targets[i];
        const int y = at / width, x = at - y * width;
        int best = match[at];
        int best_cost = exemplar_cost(depth, width, at, best, EXEMPLAR_WORST);
        for (int j = -1; j <= 1; ++j)
            for (int k = -1; k <= 1; ++k) {
                const int column = x + k * stride, row = y + j * stride;
                if ((j == 0 && k == 0) || column < 0 || row < 0 || column >= width || row >= height)
                    continue;
                const int from = match[row * width + column];
                if (from < 0)
                    continue;
                const int from_y = from / width, from_x = from - from_y * width;
                const int to_x = from_x - k * stride, to_y = from_y - j * stride;
                if (to_x < 0 || to_y < 0 || to_x >= width || to_y >= height)
                    continue;
                const int candidate = to_y * width + to_x;
                if (candidate == best || !allowed[candidate])
                    continue;
                const int candidate_cost = exemplar_cost(depth, width, at, candidate, best_cost);
                if (candidate_cost < best_cost) {
                    best_cost = candidate_cost;
                    best = candidate;
                }
            }
        unsigned draw = 0u;
        for (int reach = (width > height ? width : height) / 2; reach >= 1; reach /= 2) {
            const unsigned random = exemplar_hash(unsigned(seed), unsigned(round), unsigned(at), ++draw);
            const unsigned side = unsigned(2 * reach + 1);
            const int best_y = best / width;
            const int to_x = best - best_y * width + int((random & 0xffffu) * side >> 16) - reach;
            const int to_y = best_y + int((random >> 16) * side >> 16) - reach;
            if (to_x < 0 || to_y < 0 || to_x >= width || to_y >= height || !allowed[to_y * width + to_x])
                continue;
            const int candidate_cost = exemplar_cost(depth, width, at, to_y * width + to_x, best_cost);
            if (candidate_cost < best_cost) {
                best_cost = candidate_cost;
                best = to_y * width + to_x;
            }
        }
        for (int anywhere = 0; anywhere < 2; ++anywhere) {
            const unsigned random = exemplar_hash(unsigned(seed), unsigned(round), unsigned(at), ++draw);
            const int candidate = sources[random % unsigned(source_count)];
            const int candidate_cost = exemplar_cost(depth, width, at, candidate, best_cost);
            if (candidate_cost < best_cost) {
                best_cost = candidate_cost;
                best = candidate;
            }
        }
        better[at] = best;
        cost[at] = best_cost;
    }
}

// The centres of all matched patches that cover a pixel, in raster order, how many they are, and 1 + their mean cost.
VSDFVI_INLINE int exemplar_voters(const int *match, const int *cost, int x, int y, int width, int height, int *voters,
                                  float &mean)
{
    int count = 0;
    mean = 0.0f;
    for (int row = y - EXEMPLAR_RADIUS; row <= y + EXEMPLAR_RADIUS; ++row)
        for (int column = x - EXEMPLAR_RADIUS; column <= x + EXEMPLAR_RADIUS; ++column) {
            if (row < 0 || column < 0 || row >= height || column >= width || match[row * width + column] < 0)
                continue;
            voters[count++] = row * width + column;
            mean += float(cost[row * width + column]);
        }
    mean = 1.0f + mean / float(count);
    return count;
}

// Hole pixels from the matches of all patches that cover them, in place: matches lie outside the hole.
//   weight = confidence(centre) * (m / (cost + m / 2))^2,  m = 1 + mean cost of the patches that cover the pixel
// sharp = 0: the weighted mean. sharp = 1: what the patch of greatest weight says, the first in raster order.
VSDFVI_KERNEL exemplar_vote(float *planes, const int *pixels, const int *match, const int *cost,
                            const float *confidence, int plane_count, int width, int height, int sharp, int begin,
                            int end)
{
    VSDFVI_FOR_EACH_ITEM(i, begin, end)
    {
        const int at = pixels[i];
        const int y = at / width, x = at - y * width;
        int voters[EXEMPLAR_SIDE * EXEMPLAR_SIDE];
        float mean;
        const int count = exemplar_voters(match, cost, x, y, width, height, voters, mean);
        float sums[EXEMPLAR_DEPTH] = {0.0f, 0.0f, 0.0f, 0.0f}, total = 0.0f;
        for (int k = 0; k < count; ++k) {
            const int voter = voters[k];
            const float ratio = mean / (float(cost[voter]) + 0.5f * mean);
            const float weight = confidence[voter] * (ratio * ratio);
            if (sharp && !(weight > total))
                continue;
            total = sharp ? weight : total + weight;
            const float *from = planes + match[voter] + (at - voter);
            for (int c = 0; c < plane_count; ++c)
                sums[c] = sharp ? from[c * width * height] : sums[c] + weight * from[c * width * height];
        }
        for (int c = 0; c < plane_count; ++c)
            planes[c * width * height + at] = sharp ? sums[c] : sums[c] / total;
    }
}

// How much the first number of depth varies in the patch of each target: the sum of squares of the distance from its
// mean, rounded up.
VSDFVI_KERNEL exemplar_energy(const short *depth, const int *targets, int *energy, int width, int begin, int end)
{
    VSDFVI_FOR_EACH_ITEM(i, begin, end)
    {
        int squares = 0, sum = 0;
        for (int j = -EXEMPLAR_RADIUS; j <= EXEMPLAR_RADIUS; ++j)
            for (int k = -EXEMPLAR_RADIUS; k <= EXEMPLAR_RADIUS; ++k) {
                const int value = depth[(targets[i] + j * width + k) * EXEMPLAR_DEPTH];
                squares += value * value;
                sum += value;
            }
        energy[i] = squares - int(static_cast<long long>(sum) * sum / (EXEMPLAR_SIDE * EXEMPLAR_SIDE));
    }
}

// What all patches that cover a pixel say of it, with the weights of exemplar_vote: their mean in all planes; the spread
// of the first plane, the weighted mean of squares of the distance from that mean; and the origin, the place that the
// patch of greatest weight copies, the first in raster order. said: (plane_count, height, width) float32, spread:
// (height, width) float32, origin: (height, width) int32; they are written at `pixels`, which lie within reach of a match.
VSDFVI_KERNEL exemplar_testify(const float *planes, const int *pixels, const int *match, const int *cost,
                               const float *confidence, float *said, float *spread, int *origin, int plane_count,
                               int width, int height, int begin, int end)
{
    VSDFVI_FOR_EACH_ITEM(i, begin, end)
    {
        const int at = pixels[i];
        const int y = at / width, x = at - y * width;
        int voters[EXEMPLAR_SIDE * EXEMPLAR_SIDE];
        float mean;
        const int count = exemplar_voters(match, cost, x, y, width, height, voters, mean);
        float sums[EXEMPLAR_DEPTH] = {0.0f, 0.0f, 0.0f, 0.0f}, squares = 0.0f, total = 0.0f, most = 0.0f;
        // Squares are those of the distance from one of the votes: of whole values, little would be left of them.
        const float middle = planes[match[voters[0]] + (at - voters[0])];
        for (int k = 0; k < count; ++k) {
            const int voter = voters[k], from = match[voter] + (at - voter);
            const float ratio = mean / (float(cost[voter]) + 0.5f * mean);
            const float weight = confidence[voter] * (ratio * ratio);
            if (weight > most) {
                most = weight;
                origin[at] = from;
            }
            total += weight;
            const float away = planes[from] - middle;
            squares += weight * (away * away);
            for (int c = 0; c < plane_count; ++c)
                sums[c] += weight * planes[c * width * height + from];
        }
        for (int c = 0; c < plane_count; ++c)
            said[c * width * height + at] = sums[c] / total;
        const float shift = sums[0] / total - middle;
        const float left = squares / total - shift * shift;
        spread[at] = left > 0.0f ? left : 0.0f;
    }
}
