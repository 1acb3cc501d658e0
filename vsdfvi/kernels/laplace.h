// The equation of Laplace on a hole, by successive over-relaxation in red-black order.
//
//   v(p) += omega * (mean of the neighbours of p that lie in the picture - v(p))      p in the hole
//
// Known neighbours hold the boundary (Dirichlet); beyond the picture's border there is no neighbour
// (Neumann). A sweep takes the red pixels (x + y even), then the black ones. The caller starts from the solution
// of a picture half the size (laplace_restrict, laplace_prolong).
//
// Arrays  planes: (plane_count, height, width) float32. pixels: (pixel_count) int32, y * width + x of the hole's
//         pixels, red_count red ones first. coarse: (plane_count, ceil(height/2), ceil(width/2)) float32.
//         hole, coarse_hole: uint8, 1 = unknown; a coarse pixel is unknown when all it covers is.
// Scalars tolerance: iteration of a plane ends when no value of it moves further in a sweep; it is looked at in every
//         look-th sweep, and most_sweeps are made at most.
// Bits    Exact, for any order of a colour's pixels: they have neighbours of the other colour only.
#pragma once
#include "portable.h"

// One task for each plane.
VSDFVI_KERNEL laplace_settle(float *planes, const int *pixels, int red_count, int pixel_count, int width, int height,
                             int look, int most_sweeps, int begin, int end, float omega, float tolerance)
{
    VSDFVI_FOR_EACH_TASK(task, begin, end)
    {
        float *plane = planes + task * width * height;
        for (int sweep = 1; sweep <= most_sweeps; ++sweep) {
            int moving = 0;
            for (int black = 0; black < 2; ++black) {
                VSDFVI_SHARED(i, black ? red_count : 0, black ? pixel_count : red_count)
                {
                    const int at = pixels[i];
                    const int y = at / width, x = at - y * width;
                    float sum = 0.0f;
                    int count = 0;
                    if (x > 0)
                        sum += plane[at - 1], ++count;
                    if (x + 1 < width)
                        sum += plane[at + 1], ++count;
                    if (y > 0)
                        sum += plane[at - width], ++count;
                    if (y + 1 < height)
                        sum += plane[at + width], ++count;
                    const float change = omega * (sum * (1.0f / float(count)) - plane[at]);
                    plane[at] += change;
                    moving |= !(change <= tolerance && change >= -tolerance);
                }
                VSDFVI_BARRIER();
            }
            if (sweep % look == 0 && !VSDFVI_ANY(moving))
                break;
        }
    }
}

// Mean of the known pixels among the four that a coarse pixel covers.
VSDFVI_KERNEL laplace_restrict(const float *planes, const unsigned char *hole, float *coarse,
                               unsigned char *coarse_hole, int plane_count, int width, int height, int y_begin,
                               int y_end)
{
    const int coarse_width = (width + 1) / 2, coarse_height = (height + 1) / 2;

    VSDFVI_FOR_EACH_PIXEL(x, y, coarse_width, y_begin, y_end)
    {
        int known = 0, places[4];
        for (int j = 0; j < 2; ++j)
            for (int i = 0; i < 2; ++i) {
                const int column = 2 * x + i, row = 2 * y + j;
                if (column < width && row < height && !hole[row * width + column])
                    places[known++] = row * width + column;
            }
        const int at = y * coarse_width + x;
        coarse_hole[at] = known == 0;
        for (int c = 0; c < plane_count; ++c) {
            float sum = 0.0f;
            for (int k = 0; k < known; ++k)
                sum += planes[c * width * height + places[k]];
            coarse[c * coarse_width * coarse_height + at] = known ? sum / float(known) : 0.0f;
        }
    }
}

// Hole pixels from the coarse solution, bilinear between coarse centres.
VSDFVI_KERNEL laplace_prolong(const float *coarse, const int *pixels, float *planes, int plane_count, int width,
                              int height, int begin, int end)
{
    const int coarse_width = (width + 1) / 2, coarse_height = (height + 1) / 2;

    VSDFVI_FOR_EACH_ITEM(i, begin, end)
    {
        const int at = pixels[i];
        const int y = at / width, x = at - y * width;
        const int x0 = x / 2, y0 = y / 2;
        const int x1 = x & 1 ? (x0 + 1 < coarse_width ? x0 + 1 : x0) : (x0 > 0 ? x0 - 1 : x0);
        const int y1 = y & 1 ? (y0 + 1 < coarse_height ? y0 + 1 : y0) : (y0 > 0 ? y0 - 1 : y0);
        for (int c = 0; c < plane_count; ++c) {
            const float *plane = coarse + c * coarse_width * coarse_height;
            const float near_row = 0.75f * plane[y0 * coarse_width + x0] + 0.25f * plane[y0 * coarse_width + x1];
            const float far_row = 0.75f * plane[y1 * coarse_width + x0] + 0.25f * plane[y1 * coarse_width + x1];
            planes[c * width * height + at] = 0.75f * near_row + 0.25f * far_row;
        }
    }
}
