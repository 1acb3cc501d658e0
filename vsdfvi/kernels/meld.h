// Join patches to what surrounds a hole, and to a smooth picture of it: gradients from the patches, levels from the rest.
//
//   minimise  sum over neighbours p, q of (f(p) - f(q) - g(p, q))^2  +  sum over p of screen * (f(p) - target(p))^2
//
// with f held where it is known. g(p, q) is the difference that the copied picture has there: the mean of what stands
// around p's origin and around q's, so that a seam between two patches has no step of its own. What varies over more
// than 1 / sqrt(screen) pixels comes from the target, what is finer from the patches.
//
// Poisson editing is Perez, Gangnet and Blake, "Poisson image editing", SIGGRAPH 2003; screened by a target: Bhat and
// others, "GradientShop", ACM Trans. Graph. 29, 2010; joining patches by it: Darabi and others, "Image melding",
// SIGGRAPH 2012.
//
// Wordings
//   origin  y * width + x of the known pixel that a pixel of the hole copies
//
// Arrays  planes, target, mean, sharp: (plane_count, height, width) float32. hole: (height, width) uint8. pixels:
//         (items) int32, y * width + x. origin: (height, width) int32. slopes: (plane_count, height, width), the sum
//         of g(p, q) over the neighbours q of p.
// Border  Beyond the picture's border there is no neighbour.
// Bits    Exact, for any split of the range and any order of a colour's pixels.
#pragma once
#include "portable.h"

// The sum of g(p, q) over neighbours. Where what an origin stands beside is hole, or outside, it says nothing.
VSDFVI_KERNEL meld_slopes(const float *planes, const unsigned char *hole, const int *pixels, const int *origin,
                          float *slopes, int plane_count, int width, int height, int begin, int end)
{
    VSDFVI_FOR_EACH_ITEM(i, begin, end)
    {
        const int at = pixels[i];
        const int y = at / width, x = at - y * width;
        const int here = origin[at];
        const int here_y = here / width, here_x = here - here_y * width;
        for (int c = 0; c < plane_count; ++c)
            slopes[c * width * height + at] = 0.0f;
        for (int k = 0; k < 4; ++k) {
            const int dx = k == 0 ? -1 : k == 1 ? 1 : 0, dy = k == 2 ? -1 : k == 3 ? 1 : 0;
            if (x + dx < 0 || y + dy < 0 || x + dx >= width || y + dy >= height)
                continue;
            const int beside = at + dy * width + dx;
            int from[2] = {-1, -1}, to[2] = {-1, -1}, count = 0;
            if (here_x + dx >= 0 && here_y + dy >= 0 && here_x + dx < width && here_y + dy < height
                && !hole[here + dy * width + dx]) {
                from[count] = here;
                to[count++] = here + dy * width + dx;
            }
            if (hole[beside]) {
                const int there = origin[beside];
                const int there_y = there / width, there_x = there - there_y * width;
                if (there_x - dx >= 0 && there_y - dy >= 0 && there_x - dx < width && there_y - dy < height
                    && !hole[there - dy * width - dx]) {
                    from[count] = there - dy * width - dx;
                    to[count++] = there;
                }
            }
            if (!count)
                continue;
            for (int c = 0; c < plane_count; ++c) {
                const float *plane = planes + c * width * height;
                float difference = plane[from[0]] - plane[to[0]];
                if (count == 2)
                    difference = 0.5f * (difference + (plane[from[1]] - plane[to[1]]));
                slopes[c * width * height + at] += difference;
            }
        }
    }
}

// Settle f by over-relaxation in red-black order, red_count red pixels first in the list. One task for each plane.
VSDFVI_KERNEL meld_settle(float *planes, const float *target, const float *slopes, const int *pixels, int red_count,
                          int pixel_count, int width, int height, int sweeps, int begin, int end, float omega,
                          float screen)
{
    VSDFVI_FOR_EACH_TASK(task, begin, end)
    {
        const int first = task * width * height;
        float *plane = planes + first;
        for (int sweep = 0; sweep < sweeps; ++sweep)
            for (int black = 0; black < 2; ++black) {
                VSDFVI_SHARED(i, black ? red_count : 0, black ? pixel_count : red_count)
                {
                    const int at = pixels[i];
                    const int y = at / width, x = at - y * width;
                    float sum = slopes[first + at] + screen * target[first + at], weight = screen;
                    if (x > 0)
                        sum += plane[at - 1], weight += 1.0f;
                    if (x + 1 < width)
                        sum += plane[at + 1], weight += 1.0f;
                    if (y > 0)
                        sum += plane[at - width], weight += 1.0f;
                    if (y + 1 < height)
                        sum += plane[at + width], weight += 1.0f;
                    plane[at] += omega * (sum / weight - plane[at]);
                }
                VSDFVI_BARRIER();
            }
    }
}
