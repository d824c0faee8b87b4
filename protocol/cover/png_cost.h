/*
 * png_cost - where in a picture a change shows least: HILL (Li, Wang, Huang,
 * Li, "A New Cost Function for Spatial Image Steganography", ICIP 2014).
 * The sender's business alone.
 */
#ifndef POSTERN_COVER_PNG_COST_H
#define POSTERN_COVER_PNG_COST_H

#include "cover.h"

/*
 * The cost of changing each pixel by one: small in texture and noise, great where the picture is
 * smooth, greatest at the ends of the scale. It is the sum over the channels.
 *   cost  width * height numbers, filled
 * Returns 0 or -E_FULL (no memory).
 */
int png_cost(const struct picture *p, float *cost) __attribute__((warn_unused_result));

#endif
