// The equation of Laplace on a hole, by successive over-relaxation in red-black order.
//
//   v(p) += omega * (mean of the neighbours of p that lie in the picture - v(p))      p in the hole
//
// Known neighbours hold the boundary (Dirichlet); beyond the picture's border there is no neighbour
// (Neumann). The caller sweeps the red pixels (x + y even), then the black ones, until nothing moves,
// and starts from the solution of a picture half the size (laplace_restrict, laplace_prolong).
//
// Arrays  planes: (plane_count, height, width) float32. pixels: (items) int32, y * width + x of hole
//         pixels of one colour. coarse: (plane_count, ceil(height/2), ceil(width/2)) float32.
//         hole, coarse_hole: uint8, 1 = unknown; a coarse pixel is unknown when all it covers is.
// Bits    Exact, for any order of the items: a pixel of one colour has neighbours of the other only.
#pragma once
#include "portable.h"

VSDFVI_KERNEL laplace_sweep(float *planes, const int *pixels, int plane_count, int width, int height, int begin,
                            int end, float omega)
{
    VSDFVI_FOR_EACH_ITEM(i, begin, end)
    {
        const int at = pixels[i];
        const int y = at / width, x = at - y * width;
        const bool left = x > 0, right = x + 1 < width, up = y > 0, down = y + 1 < height;
        const float share = 1.0f / float(int(left) + int(right) + int(up) + int(down));
        float *plane = planes;
        for (int c = 0; c < plane_count; ++c, plane += width * height) {
            float sum = 0.0f;
            if (left)
                sum += plane[at - 1];
            if (right)
                sum += plane[at + 1];
            if (up)
                sum += plane[at - width];
            if (down)
                sum += plane[at + width];
            plane[at] += omega * (sum * share - plane[at]);
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
