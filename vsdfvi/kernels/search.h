// Optical flow by dense inverse search: patches that find their place, blended, then refined by a variational step.
//
// Wordings
//   picture   one of 2 n: pictures d and d ^ 1 are a pair, and flow d leads from picture d into its partner. Both ways
//             of a pair, and several pairs, are so worked on at a time.
//   y         in a loop over a batch: row y % height of picture y / height. Ranges are ranges of these.
//   patch     8 x 8 pixels of a picture, one every 4 pixels each way: patch (k, l) covers pixels 4 k - 2 .. 4 k + 5 and
//             4 l - 2 .. 4 l + 5, so that every pixel lies in four patches, fewer at the border
//   vector    where a patch's picture is found in the partner, in pixels
//   cost      mean square of the differences between a patch and what its vector leads to, after their mean was taken
//             off. A pixel counts where it and its partner lie in the picture; too few of them: SEARCH_WORST.
//
// search_improve is one round for a patch: the vectors of the patches around it, of the round before, are tried first
// (theirs scans the patches in order; here, as in jump flooding, any order gives the same bytes), then the best one
// goes down by inverse-compositional steps of Gauss and Newton, until the cost falls no more:
//   v -= (sum g g')^-1 sum g r      g: gradient of the patch, less its mean; r: partner(p + v) - picture(p)
// search_blend gives a pixel the mean of its patches' vectors, weighted 1 / max(1, |partner(p + v) - picture(p)|).
// search_linearise and search_relax minimise, in the flow w, with a sum over pixels
//   BRIGHTNESS S(r^2 / (|g|^2 + Z)) + GRADIENT S(rx^2 / (|gx|^2 + Z) + ry^2 / (|gy|^2 + Z)) + smoothness S(|grad w|^2)
// where S(x) = sqrt(x + EPSILON), r, rx, ry are the differences of brightness and of its derivatives along w, and
// g, gx, gy their gradients, means of both pictures': linearised at w, then a few sweeps of over-relaxation in
// red-black order, and again.
//
// Arrays  pictures: (count, height, width) float32, 0 to 255. slopes: (count, 5, height, width) float32: derivatives x,
//         y, xx, xy, yy. vectors: (count, 2, rows of patches, columns of patches) float32. flow: (count, 2, height,
//         width) float32, channel 0 = x. equations: (count, 6, height, width) float32: a11, a12, a22, b1, b2 of the
//         data term, and the smoothness there.
// Scalars smoothness: the weight above. omega: of the over-relaxation, between 1 and 2. reach: in patches.
// Border  Derivatives repeat the picture's border. What leads out of the picture has no say: such pixels take their
//         flow from their neighbours.
// Bits    Exact, for any split of the range: no kernel reads what it writes.
// Source  Kroeger, Timofte, Dai and Van Gool, "Fast optical flow using dense inverse search", ECCV 2016. The energy:
//         Brox, Bruhn, Papenberg and Weickert, "High accuracy optical flow estimation based on a theory for warping",
//         ECCV 2004; its data terms normalised as in Zimmer, Bruhn and Weickert, "Optic flow in harmony", IJCV 2011.
#pragma once
#include "portable.h"

#define SEARCH_PATCH 8
#define SEARCH_STRIDE 4
#define SEARCH_OVERHANG 2
#define SEARCH_WORST 3.0e38f
#define SEARCH_FAR 32768.0f   // pixels; a vector beyond leads nowhere
#define SEARCH_FEWEST 16      // pixels of a patch that must count
#define SEARCH_DAMPING 1.0f   // added to the mean g g': holds patches that are flat in a direction; 0.1 and 5 are worse
#define SEARCH_STILL 1.0e-4f  // square of the length of a step that ends a search
#define SEARCH_LEASH 64.0f    // square of the way that steps may go in a round: the patch's side
#define SEARCH_OUTSIDE 0.02f  // weight, in a blend, of a vector that leads out of the picture
#define SEARCH_BRIGHTNESS 5.0f  // this and the next are the weights that OpenCV's DIS has
#define SEARCH_GRADIENT 10.0f
#define SEARCH_ZETA 0.01f  // squared grey levels a pixel: a gradient below that is noise
#define SEARCH_EPSILON 1.0e-6f

VSDFVI_INLINE int search_clamp(int at, int size) { return at < 0 ? 0 : at < size ? at : size - 1; }

// Columns or rows of patches that it takes to cover so many pixels.
VSDFVI_INLINE int search_patches_over(int size) { return (size + SEARCH_OVERHANG - 1) / SEARCH_STRIDE + 1; }

// Values held between two limits; 0 for what is no number.
VSDFVI_KERNEL search_hold(const float *values, float *held, int begin, int end, float low, float high)
{
    VSDFVI_FOR_EACH_ITEM(i, begin, end)
    {
        const float value = values[i];
        held[i] = value > low ? (value < high ? value : high) : value <= low ? low : 0.0f;
    }
}

// Planes at half the size: the mean of the pixels that a coarse one covers, times `scale`.
VSDFVI_KERNEL search_halve(const float *planes, float *coarse, int width, int height, int begin, int end, float scale)
{
    const int coarse_width = (width + 1) / 2, coarse_height = (height + 1) / 2;

    VSDFVI_FOR_EACH_PIXEL(x, y, coarse_width, begin, end)
    {
        const int plane = y / coarse_height, row = y - plane * coarse_height;
        const float *from = planes + plane * width * height;
        const int x0 = 2 * x, x1 = x0 + 1 < width ? x0 + 1 : x0;
        const int y0 = 2 * row, y1 = y0 + 1 < height ? y0 + 1 : y0;
        const float sum =
            (from[y0 * width + x0] + from[y0 * width + x1]) + (from[y1 * width + x0] + from[y1 * width + x1]);
        coarse[y * coarse_width + x] = 0.25f * scale * sum;
    }
}

// Flow at twice the size of a grid: bilinear between its samples, times two.
VSDFVI_KERNEL search_enlarge(const float *coarse, float *flow, int width, int height, int begin, int end)
{
    const int coarse_width = (width + 1) / 2, coarse_height = (height + 1) / 2;

    VSDFVI_FOR_EACH_PIXEL(x, y, width, begin, end)
    {
        const int plane = y / height, row = y - plane * height;
        const float *from = coarse + plane * coarse_width * coarse_height;
        const int x0 = x / 2, x1 = search_clamp(x & 1 ? x0 + 1 : x0 - 1, coarse_width);
        const int y0 = row / 2, y1 = search_clamp(row & 1 ? y0 + 1 : y0 - 1, coarse_height);
        const float near_row = 0.75f * from[y0 * coarse_width + x0] + 0.25f * from[y0 * coarse_width + x1];
        const float far_row = 0.75f * from[y1 * coarse_width + x0] + 0.25f * from[y1 * coarse_width + x1];
        flow[y * width + x] = 2.0f * (0.75f * near_row + 0.25f * far_row);
    }
}

// Derivatives of a picture: half the difference of the pixels on both sides, and of such differences.
VSDFVI_KERNEL search_slopes(const float *pictures, float *slopes, int width, int height, int begin, int end)
{
    const int area = width * height;

    VSDFVI_FOR_EACH_PIXEL(x, y, width, begin, end)
    {
        const int d = y / height, row = y - d * height;
        const float *at = pictures + d * area;
        const int left = search_clamp(x - 1, width), right = search_clamp(x + 1, width);
        const int up = search_clamp(row - 1, height) * width, down = search_clamp(row + 1, height) * width;
        const int far_left = search_clamp(x - 2, width), far_right = search_clamp(x + 2, width);
        const int far_up = search_clamp(row - 2, height) * width, far_down = search_clamp(row + 2, height) * width;
        const float here = at[row * width + x];
        float *to = slopes + 5 * d * area + row * width + x;
        to[0] = 0.5f * (at[row * width + right] - at[row * width + left]);
        to[area] = 0.5f * (at[down + x] - at[up + x]);
        to[2 * area] = 0.25f * ((at[row * width + far_right] - here) + (at[row * width + far_left] - here));
        to[3 * area] = 0.25f * ((at[down + right] - at[down + left]) - (at[up + right] - at[up + left]));
        to[4 * area] = 0.25f * ((at[far_down + x] - here) + (at[far_up + x] - here));
    }
}

// First vectors of the patches from flow at half the size: bilinear in the middle of the patch, times two.
VSDFVI_KERNEL search_begin(const float *coarse, float *vectors, int width, int height, int begin, int end)
{
    const int columns = search_patches_over(width), rows = search_patches_over(height);
    const int coarse_width = (width + 1) / 2, coarse_height = (height + 1) / 2;

    VSDFVI_FOR_EACH_PIXEL(x, y, columns, begin, end)
    {
        const int plane = y / rows, k = x, l = y - plane * rows;
        const float *from = coarse + plane * coarse_width * coarse_height;
        // The middle, 4 k + 3/2, lies at 2 k + 1/2 of the coarse grid, half-way between two of its samples.
        const int x0 = search_clamp(2 * k, coarse_width), x1 = search_clamp(2 * k + 1, coarse_width);
        const int y0 = search_clamp(2 * l, coarse_height), y1 = search_clamp(2 * l + 1, coarse_height);
        const float sum = (from[y0 * coarse_width + x0] + from[y0 * coarse_width + x1]) +
                          (from[y1 * coarse_width + x0] + from[y1 * coarse_width + x1]);
        vectors[y * columns + k] = 0.5f * sum;
    }
}

// The pixels of a patch that count at a vector, and the weights that sample its partner.
typedef struct {
    int i_begin, i_end, j_begin, j_end, count;
    int offset, right, down;  // from a pixel to the one at its vector, rounded down; from that to the next ones
    float w00, w01, w10, w11;
} SearchOverlap;

VSDFVI_INLINE SearchOverlap search_overlap(int left, int top, float u, float v, int width, int height)
{
    SearchOverlap o;
    o.count = 0;
    if (!(u > -SEARCH_FAR && u < SEARCH_FAR && v > -SEARCH_FAR && v < SEARCH_FAR))
        return o;
    const float whole_u = floorf(u), whole_v = floorf(v);
    const int du = int(whole_u), dv = int(whole_v);
    const float wx = u - whole_u, wy = v - whole_v;
    // A vector of whole pixels needs no neighbour: without this, the last column of still pictures would not count.
    const int more_x = wx > 0.0f, more_y = wy > 0.0f;
    const int shift_left = du < 0 ? du : 0, shift_right = du + more_x > 0 ? du + more_x : 0;
    const int shift_up = dv < 0 ? dv : 0, shift_down = dv + more_y > 0 ? dv + more_y : 0;
    o.i_begin = -left - shift_left > 0 ? -left - shift_left : 0;
    o.j_begin = -top - shift_up > 0 ? -top - shift_up : 0;
    o.i_end = width - left - shift_right < SEARCH_PATCH ? width - left - shift_right : SEARCH_PATCH;
    o.j_end = height - top - shift_down < SEARCH_PATCH ? height - top - shift_down : SEARCH_PATCH;
    o.count = o.i_end > o.i_begin && o.j_end > o.j_begin ? (o.i_end - o.i_begin) * (o.j_end - o.j_begin) : 0;
    o.offset = dv * width + du;
    o.right = more_x;
    o.down = more_y * width;
    o.w00 = (1.0f - wx) * (1.0f - wy);
    o.w01 = wx * (1.0f - wy);
    o.w10 = (1.0f - wx) * wy;
    o.w11 = wx * wy;
    return o;
}

VSDFVI_INLINE float search_sample(const float *at, const SearchOverlap &o)
{
    return (o.w00 * at[0] + o.w01 * at[o.right]) + (o.w10 * at[o.down] + o.w11 * at[o.down + o.right]);
}

// Four samples around a position inside a plane, and their weights.
typedef struct {
    int at, right, down;
    float w00, w01, w10, w11;
} SearchPlace;

VSDFVI_INLINE SearchPlace search_place(int width, int height, float x, float y)
{
    const int x0 = int(x), y0 = int(y);  // nothing inside is negative
    const float wx = x - float(x0), wy = y - float(y0);
    SearchPlace p;
    p.at = y0 * width + x0;
    p.right = x0 + 1 < width ? 1 : 0;
    p.down = y0 + 1 < height ? width : 0;
    p.w00 = (1.0f - wx) * (1.0f - wy);
    p.w01 = wx * (1.0f - wy);
    p.w10 = (1.0f - wx) * wy;
    p.w11 = wx * wy;
    return p;
}

VSDFVI_INLINE float search_at(const float *plane, const SearchPlace &p)
{
    const float *at = plane + p.at;
    return (p.w00 * at[0] + p.w01 * at[p.right]) + (p.w10 * at[p.down] + p.w11 * at[p.down + p.right]);
}

VSDFVI_INLINE float search_cost(float sum, float sum_of_squares, int count)
{
    const float share = 1.0f / float(count), mean = sum * share;
    const float cost = sum_of_squares * share - mean * mean;
    return cost < SEARCH_WORST ? cost : SEARCH_WORST;  // NaN is the worst, too
}

// Cost of a vector (u, v) for the patch whose first pixel is (left, top).
VSDFVI_INLINE float search_compare(const float *first, const float *second, int width, int height, int left, int top,
                                   float u, float v)
{
    const SearchOverlap o = search_overlap(left, top, u, v, width, height);
    if (o.count < SEARCH_FEWEST)
        return SEARCH_WORST;
    float sum = 0.0f, squares = 0.0f;
    for (int j = o.j_begin; j < o.j_end; ++j)
        for (int i = o.i_begin; i < o.i_end; ++i) {
            const int at = (top + j) * width + left + i;
            const float r = search_sample(second + at + o.offset, o) - first[at];
            sum += r;
            squares += r * r;
        }
    return search_cost(sum, squares, o.count);
}

// The cost, and the step that Gauss and Newton take from there; no step where the patch says nothing of it.
VSDFVI_INLINE float search_step(const float *first, const float *second, const float *slope_x, const float *slope_y,
                                int width, int height, int left, int top, float u, float v, float *step_u,
                                float *step_v)
{
    const SearchOverlap o = search_overlap(left, top, u, v, width, height);
    *step_u = *step_v = 0.0f;
    if (o.count < SEARCH_FEWEST)
        return SEARCH_WORST;
    float sum = 0.0f, squares = 0.0f, sum_x = 0.0f, sum_y = 0.0f;
    float xx = 0.0f, xy = 0.0f, yy = 0.0f, xr = 0.0f, yr = 0.0f;
    for (int j = o.j_begin; j < o.j_end; ++j)
        for (int i = o.i_begin; i < o.i_end; ++i) {
            const int at = (top + j) * width + left + i;
            const float r = search_sample(second + at + o.offset, o) - first[at];
            const float gx = slope_x[at], gy = slope_y[at];
            sum += r;
            squares += r * r;
            sum_x += gx;
            sum_y += gy;
            xx += gx * gx;
            xy += gx * gy;
            yy += gy * gy;
            xr += gx * r;
            yr += gy * r;
        }
    const float count = float(o.count), share = 1.0f / count, mean = sum * share;
    xx = (xx - sum_x * sum_x * share) + SEARCH_DAMPING * count;
    yy = (yy - sum_y * sum_y * share) + SEARCH_DAMPING * count;
    xy = xy - sum_x * sum_y * share;
    xr = xr - sum_x * mean;
    yr = yr - sum_y * mean;
    const float determinant = xx * yy - xy * xy;
    if (determinant > 0.0f) {
        *step_u = (xy * yr - yy * xr) / determinant;
        *step_v = (xy * xr - xx * yr) / determinant;
    }
    return search_cost(sum, squares, o.count);
}

// One round of all patches. `trials` are what a patch tries beside its own vector: those of the eight patches `reach`
// patches away, or, with a reach of 0, the one at its own place.
VSDFVI_KERNEL search_improve(const float *pictures, const float *slopes, const float *vectors, const float *trials,
                             float *better, int width, int height, int reach, int steps, int begin, int end)
{
    const int columns = search_patches_over(width), rows = search_patches_over(height), area = width * height;

    VSDFVI_FOR_EACH_PIXEL(x, y, columns, begin, end)
    {
        const int d = y / rows, k = x, l = y - d * rows, patches = rows * columns;
        const int left = SEARCH_STRIDE * k - SEARCH_OVERHANG, top = SEARCH_STRIDE * l - SEARCH_OVERHANG;
        const float *first = pictures + d * area, *second = pictures + (d ^ 1) * area;
        const float *slope_x = slopes + 5 * d * area, *slope_y = slope_x + area;
        const float *others = trials + 2 * d * patches;
        const int at = l * columns + k;

        float u = vectors[2 * d * patches + at], v = vectors[(2 * d + 1) * patches + at];
        float best = SEARCH_WORST;
        bool compared = false;
        for (int n = 0; n < 9; ++n) {
            const int column = k + reach * (n % 3 - 1), line = l + reach * (n / 3 - 1);
            if (column < 0 || line < 0 || column >= columns || line >= rows)
                continue;
            const float other_u = others[line * columns + column], other_v = others[line * columns + column + patches];
            if (other_u == u && other_v == v)
                continue;
            if (!compared)
                best = search_compare(first, second, width, height, left, top, u, v);
            compared = true;
            const float cost = search_compare(first, second, width, height, left, top, other_u, other_v);
            if (cost < best) {
                best = cost;
                u = other_u;
                v = other_v;
            }
            if (reach == 0)
                break;
        }

        const float start_u = u, start_v = v;
        float step_u, step_v;
        float cost = search_step(first, second, slope_x, slope_y, width, height, left, top, u, v, &step_u, &step_v);
        for (int n = 0; n < steps; ++n) {
            const float next_u = u + step_u, next_v = v + step_v;
            const float away_u = next_u - start_u, away_v = next_v - start_v;
            const float length = step_u * step_u + step_v * step_v;
            // Asked as what may be, so that NaN may not.
            if (!(length > SEARCH_STILL && away_u * away_u + away_v * away_v < SEARCH_LEASH))
                break;
            const float next = search_step(first, second, slope_x, slope_y, width, height, left, top, next_u, next_v,
                                           &step_u, &step_v);
            if (!(next < cost))
                break;
            cost = next;
            u = next_u;
            v = next_v;
        }
        better[2 * d * patches + at] = u;
        better[2 * d * patches + at + patches] = v;
    }
}

// Flow from the vectors of the patches.
VSDFVI_KERNEL search_blend(const float *pictures, const float *vectors, float *flow, int width, int height, int begin,
                           int end)
{
    const int columns = search_patches_over(width), rows = search_patches_over(height), area = width * height;
    const int patches = rows * columns;
    const float last_x = float(width - 1), last_y = float(height - 1);

    VSDFVI_FOR_EACH_PIXEL(x, y, width, begin, end)
    {
        const int d = y / height, row = y - d * height;
        const float *second = pictures + (d ^ 1) * area, *from = vectors + 2 * d * patches;
        const float here = pictures[y * width + x];
        const int k_last = (x + SEARCH_OVERHANG) / SEARCH_STRIDE, l_last = (row + SEARCH_OVERHANG) / SEARCH_STRIDE;
        float sum_u = 0.0f, sum_v = 0.0f, total = 0.0f;
        for (int l = l_last > 0 ? l_last - 1 : 0; l <= l_last; ++l)
            for (int k = k_last > 0 ? k_last - 1 : 0; k <= k_last; ++k) {
                const float u = from[l * columns + k], v = from[l * columns + k + patches];
                const float to_x = float(x) + u, to_y = float(row) + v;
                float weight = SEARCH_OUTSIDE;
                if (to_x >= 0.0f && to_x <= last_x && to_y >= 0.0f && to_y <= last_y) {
                    float difference = search_at(second, search_place(width, height, to_x, to_y)) - here;
                    difference = difference < 0.0f ? -difference : difference;
                    weight = difference > 1.0f ? 1.0f / difference : 1.0f;
                }
                sum_u += weight * u;
                sum_v += weight * v;
                total += weight;
            }
        flow[(2 * d * height + row) * width + x] = sum_u / total;
        flow[((2 * d + 1) * height + row) * width + x] = sum_v / total;
    }
}

// The equations of each pixel, linearised at the flow. What leads out of the picture, or to no number, has no data.
VSDFVI_KERNEL search_linearise(const float *pictures, const float *slopes, const float *flow, float *equations,
                               int width, int height, int begin, int end, float smoothness)
{
    const int area = width * height;
    const float last_x = float(width - 1), last_y = float(height - 1);

    VSDFVI_FOR_EACH_PIXEL(x, y, width, begin, end)
    {
        const int d = y / height, row = y - d * height, at = row * width + x;
        const float *w = flow + 2 * d * area;
        const float *first = pictures + d * area, *second = pictures + (d ^ 1) * area;
        const float *near_slopes = slopes + 5 * d * area + at, *far_slopes = slopes + 5 * (d ^ 1) * area;
        const float u = w[at], v = w[at + area];
        const float to_x = float(x) + u, to_y = float(row) + v;
        float a11 = 0.0f, a12 = 0.0f, a22 = 0.0f, b1 = 0.0f, b2 = 0.0f;
        if (to_x >= 0.0f && to_x <= last_x && to_y >= 0.0f && to_y <= last_y) {
            const SearchPlace p = search_place(width, height, to_x, to_y);
            const float r = search_at(second, p) - first[at];
            const float far_x = search_at(far_slopes, p), far_y = search_at(far_slopes + area, p);
            const float rx = far_x - near_slopes[0], ry = far_y - near_slopes[area];
            const float gx = 0.5f * (far_x + near_slopes[0]), gy = 0.5f * (far_y + near_slopes[area]);
            const float gxx = 0.5f * (search_at(far_slopes + 2 * area, p) + near_slopes[2 * area]);
            const float gxy = 0.5f * (search_at(far_slopes + 3 * area, p) + near_slopes[3 * area]);
            const float gyy = 0.5f * (search_at(far_slopes + 4 * area, p) + near_slopes[4 * area]);

            const float unit = 1.0f / ((gx * gx + gy * gy) + SEARCH_ZETA);
            const float weight = SEARCH_BRIGHTNESS * unit / sqrtf(r * r * unit + SEARCH_EPSILON);
            a11 = weight * gx * gx;
            a12 = weight * gx * gy;
            a22 = weight * gy * gy;
            b1 = weight * gx * r;
            b2 = weight * gy * r;

            const float unit_x = 1.0f / ((gxx * gxx + gxy * gxy) + SEARCH_ZETA);
            const float unit_y = 1.0f / ((gxy * gxy + gyy * gyy) + SEARCH_ZETA);
            const float both = SEARCH_GRADIENT / sqrtf((rx * rx * unit_x + ry * ry * unit_y) + SEARCH_EPSILON);
            const float weight_x = both * unit_x, weight_y = both * unit_y;
            a11 += weight_x * gxx * gxx + weight_y * gxy * gxy;
            a12 += weight_x * gxx * gxy + weight_y * gxy * gyy;
            a22 += weight_x * gxy * gxy + weight_y * gyy * gyy;
            b1 += weight_x * gxx * rx + weight_y * gxy * ry;
            b2 += weight_x * gxy * rx + weight_y * gyy * ry;
            // b for the whole flow, not for its change.
            b1 = (a11 * u + a12 * v) - b1;
            b2 = (a12 * u + a22 * v) - b2;
            if (!(a11 >= 0.0f && a22 >= 0.0f && b1 > -SEARCH_WORST && b1 < SEARCH_WORST && b2 > -SEARCH_WORST &&
                  b2 < SEARCH_WORST))
                a11 = a12 = a22 = b1 = b2 = 0.0f;
        }

        const int left = search_clamp(x - 1, width), right = search_clamp(x + 1, width);
        const int up = search_clamp(row - 1, height) * width, down = search_clamp(row + 1, height) * width;
        const float ux = w[row * width + right] - w[row * width + left], uy = w[down + x] - w[up + x];
        const float vx = w[area + row * width + right] - w[area + row * width + left];
        const float vy = w[area + down + x] - w[area + up + x];
        const float bend = 0.25f * ((ux * ux + uy * uy) + (vx * vx + vy * vy));

        float *to = equations + 6 * d * area + at;
        to[0] = a11;
        to[area] = a12;
        to[2 * area] = a22;
        to[3 * area] = b1;
        to[4 * area] = b2;
        to[5 * area] = 0.5f * smoothness / sqrtf(bend + SEARCH_EPSILON);
    }
}

// The neighbours of a pixel: left, right, above, below.
VSDFVI_INLINE int search_across(int n) { return n == 0 ? -1 : n == 1 ? 1 : 0; }
VSDFVI_INLINE int search_down(int n) { return n == 2 ? -1 : n == 3 ? 1 : 0; }
VSDFVI_INLINE int search_to_neighbour(int n, int width) { return search_across(n) + search_down(n) * width; }
VSDFVI_INLINE bool search_has_neighbour(int n, int x, int y, int width, int height)
{
    return n == 0 ? x > 0 : n == 1 ? x + 1 < width : n == 2 ? y > 0 : y + 1 < height;
}

// A pixel's flow after over-relaxation towards the solution of its equations; unchanged where it has none.
VSDFVI_INLINE void search_relaxed(const float *equations, int width, int height, int x, int y, float omega,
                                  const float *neighbours_u, const float *neighbours_v, float *u, float *v)
{
    const int area = width * height;
    const float *e = equations + y * width + x, *smooth = e + 5 * area;
    float share = 0.0f, sum_u = 0.0f, sum_v = 0.0f;
    for (int n = 0; n < 4; ++n) {
        if (!search_has_neighbour(n, x, y, width, height))
            continue;
        const float s = smooth[0] + smooth[search_to_neighbour(n, width)];
        share += s;
        sum_u += s * neighbours_u[n];
        sum_v += s * neighbours_v[n];
    }
    const float a11 = e[0] + share, a22 = e[2 * area] + share, a12 = e[area];
    const float b1 = e[3 * area] + sum_u, b2 = e[4 * area] + sum_v;
    const float determinant = a11 * a22 - a12 * a12;
    if (determinant > 0.0f) {
        *u += omega * ((a22 * b1 - a12 * b2) / determinant - *u);
        *v += omega * ((a11 * b2 - a12 * b1) / determinant - *v);
    }
}

// One sweep in red-black order, from one array into another: a black pixel works out its red neighbours again.
VSDFVI_KERNEL search_relax(const float *equations, const float *flow, float *relaxed, int width, int height, int begin,
                           int end, float omega)
{
    const int area = width * height;

    VSDFVI_FOR_EACH_PIXEL(x, y, width, begin, end)
    {
        const int d = y / height, row = y - d * height, at = row * width + x;
        const float *e = equations + 6 * d * area, *u = flow + 2 * d * area, *v = u + area;
        const bool black = (x + row) & 1;
        float near_u[4], near_v[4];
        for (int n = 0; n < 4; ++n) {
            if (!search_has_neighbour(n, x, row, width, height))
                continue;
            const int to = at + search_to_neighbour(n, width);
            near_u[n] = u[to];
            near_v[n] = v[to];
            if (!black)
                continue;
            const int column = x + search_across(n), line = row + search_down(n);
            float far_u[4], far_v[4];
            for (int m = 0; m < 4; ++m)
                if (search_has_neighbour(m, column, line, width, height)) {
                    far_u[m] = u[to + search_to_neighbour(m, width)];
                    far_v[m] = v[to + search_to_neighbour(m, width)];
                }
            search_relaxed(e, width, height, column, line, omega, far_u, far_v, &near_u[n], &near_v[n]);
        }
        float own_u = u[at], own_v = v[at];
        search_relaxed(e, width, height, x, row, omega, near_u, near_v, &own_u, &own_v);
        relaxed[2 * d * area + at] = own_u;
        relaxed[(2 * d + 1) * area + at] = own_v;
    }
}
