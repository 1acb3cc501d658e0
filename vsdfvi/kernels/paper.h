// Propagation by the rule of DFVI: one frame per hop, nearest sampling, the source nearer in time wins.
//
// Wordings
//   pixel     a hole pixel, numbered through all frames of a block, so that one int names frame and place
//   place     y * width + x of a pixel of the frame
//   link      what a pixel takes from the neighbouring frame: NONE (-1); a pixel of that frame's hole (its number,
//             0 or more); or a known pixel of it, as -2 - place
//   stamp     the frame a pixel's picture was known in when this pass began, -1 where nothing arrived
//   carried   which pixel of the frame `stamp` that is: the number of a pixel that was filled before, or -2 - place
//   origin    frame and place that a filled pixel shows in the end, through all passes
//
// What travels is the name of a source pixel and not its colour: sampling is nearest at every hop, so both end up with
// the same bytes, and each sample of the clip is read once.
//
// paper_link states one hop from the pixel p, back along flow:
//   q = p + out(p)              out: the flow from p's frame to the neighbour
//   a = back(q)                 the flow from the neighbour to p's frame, bilinear
//   |(q + a) - p| < limit       strictly, sqrt(x * x + y * y)
//   e = p + (out(p) - a) * 0.5  the mean of both flows
//   link = the neighbour's pixel at e, each coordinate rounded to nearest, halves to even
// q and e must satisfy 0 <= floor(coordinate) < size - 1 in x and y: the last row and column are no sources.
//
// paper_merge: with forward and backward stamps f and b of frame t, backward when (t - f) / (b - f) > 1/2.
//
// Arrays  x, y: (pixels) int32. link, stamp, carried, origin_frame, origin_place: (pixels) int32. filled, invented:
//         (pixels) uint8. flow, boxes: as for trace_step (trace.h). number: (number_height, number_width) int32, the
//         numbers of the neighbour's pixels, -1 = known, placed at (number_x, number_y) of its frame.
//         A kernel works on pixels [begin, end): those of one frame.
// Scalars frame: the frame of these pixels, neighbour: the one their links point to. limit: pixels of the frame.
//         scale: pixels per flow sample.
// Border  A position whose flow lies outside all boxes counts as outside the picture; so does NaN.
// Bits    Exact, for any split of the range: each pixel is written by one thread, and read by others only in
//         another frame (paper_carry) or where it was filled in an earlier pass (paper_merge).
// Source  Xu, Li, Zhou and Loy, "Deep flow-guided video inpainting", CVPR 2019, section 3.3, as their program does it.
#pragma once
#include "portable.h"
#include "regions.h"

#define PAPER_NONE (-1)

// A coordinate of 0 or more to the nearest whole number, halves to the even one. The difference is exact.
VSDFVI_INLINE int paper_round(float position)
{
    const int below = int(position);
    const float over = position - float(below);
    return below + (int(over > 0.5f) | (int(over == 0.5f) & below & 1));
}

// Both components of flow at a pixel's coordinates, in the order of sample_box (regions.h); false outside all boxes.
VSDFVI_INLINE bool paper_flow(const float *flow, const int *boxes, int box_count, int plane, float x, float y,
                              int width, int height, float scale, float *flow_x, float *flow_y)
{
    if (scale != 1.0f) {  // else the grid is that of the pixels
        const float half = 0.5f * (scale - 1.0f);
        x = clamp_to_grid(x, half, scale, width);
        y = clamp_to_grid(y, half, scale, height);
    }
    const int *box = find_box(boxes, box_count, x, y);
    if (!box)
        return false;

    const int columns = box[2], rows = box[3];
    x -= float(box[0]);
    y -= float(box[1]);
    const int x0 = int(x), y0 = int(y);  // inside a box nothing is negative
    const int right = x0 + 1 < columns ? 1 : 0, down = y0 + 1 < rows ? columns : 0;
    const float wx = x - float(x0), wy = y - float(y0);
    const float *u = flow + box[4] + plane * columns * rows + y0 * columns + x0, *v = u + columns * rows;
    if (wx == 0.0f && wy == 0.0f) {  // the sample itself: its neighbours have no say, NaN or not
        *flow_x = u[0];
        *flow_y = v[0];
        return true;
    }

    const float u_top = (1.0f - wx) * u[0] + wx * u[right], u_bottom = (1.0f - wx) * u[down] + wx * u[down + right];
    const float v_top = (1.0f - wx) * v[0] + wx * v[right], v_bottom = (1.0f - wx) * v[down] + wx * v[down + right];
    *flow_x = (1.0f - wy) * u_top + wy * u_bottom;
    *flow_y = (1.0f - wy) * v_top + wy * v_bottom;
    return true;
}

VSDFVI_KERNEL paper_link(const int *x, const int *y, int *link, const float *flow, const int *boxes, int box_count,
                         int x_plane, const int *number, int number_x, int number_y, int number_width,
                         int number_height, int width, int height, int begin, int end, float scale, float limit)
{
    const float last_x = float(width - 1), last_y = float(height - 1);

    VSDFVI_FOR_EACH_ITEM(i, begin, end)
    {
        link[i] = PAPER_NONE;

        const float px = float(x[i]), py = float(y[i]);
        float out_x, out_y, back_x, back_y;
        if (!paper_flow(flow, boxes, box_count, x_plane, px, py, width, height, scale, &out_x, &out_y))
            continue;
        const float qx = px + out_x, qy = py + out_y;
        // Asked as "is it inside", so that NaN, which is nowhere, counts as outside.
        if (!(qx >= 0.0f && qx < last_x && qy >= 0.0f && qy < last_y))
            continue;
        if (!paper_flow(flow, boxes, box_count, 2 - x_plane, qx, qy, width, height, scale, &back_x, &back_y))
            continue;
        const float gap_x = (qx + back_x) - px, gap_y = (qy + back_y) - py;
        if (!(sqrtf(gap_x * gap_x + gap_y * gap_y) < limit))
            continue;

        const float ex = px + (out_x - back_x) * 0.5f, ey = py + (out_y - back_y) * 0.5f;
        if (!(ex >= 0.0f && ex < last_x && ey >= 0.0f && ey < last_y))
            continue;
        const int column = paper_round(ex), row = paper_round(ey);
        const int across = column - number_x, down = row - number_y;
        const bool inside = across >= 0 && across < number_width && down >= 0 && down < number_height;
        const int pixel = inside ? number[down * number_width + across] : -1;
        link[i] = pixel >= 0 ? pixel : -2 - (row * width + column);
    }
}

VSDFVI_KERNEL paper_carry(const int *link, const unsigned char *filled, int *stamp, int *carried, int frame,
                          int neighbour, int begin, int end)
{
    VSDFVI_FOR_EACH_ITEM(i, begin, end)
    {
        const int from = link[i];
        if (filled[i]) {
            stamp[i] = frame;
            carried[i] = i;
        } else if (from >= 0) {
            stamp[i] = stamp[from];
            carried[i] = carried[from];
        } else {
            stamp[i] = from == PAPER_NONE ? -1 : neighbour;
            carried[i] = from;
        }
    }
}

VSDFVI_KERNEL paper_merge(const int *forward_stamp, const int *forward_carried, const int *backward_stamp,
                          const int *backward_carried, unsigned char *filled, int *origin_frame, int *origin_place,
                          unsigned char *invented, int frame, int begin, int end)
{
    VSDFVI_FOR_EACH_ITEM(i, begin, end)
    {
        const int f = forward_stamp[i], b = backward_stamp[i];
        if (filled[i] || (f < 0 && b < 0))
            continue;
        const bool backward = f < 0 || (b >= 0 && 2 * (frame - f) > b - f);
        const int source = backward ? backward_carried[i] : forward_carried[i];

        filled[i] = 1;
        origin_frame[i] = source >= 0 ? origin_frame[source] : backward ? b : f;
        origin_place[i] = source >= 0 ? origin_place[source] : -2 - source;
        invented[i] = source >= 0 ? invented[source] : 0;
    }
}
