/*
 * png_trellis - bytes in the lowest bits of pixels, at the least cost: a
 * syndrome-trellis code (Filler, Judas, Fridrich, "Minimizing Additive
 * Distortion in Steganography Using Syndrome-Trellis Codes", IEEE Trans.
 * Information Forensics and Security 6 (2011)).
 *
 * Who reads needs neither the costs nor what was changed, so a sender may
 * choose by rules of its own where changes show least.
 */
#ifndef POSTERN_COVER_PNG_TRELLIS_H
#define POSTERN_COVER_PNG_TRELLIS_H

#include <stddef.h>
#include <stdint.h>

#include "cover.h"

/* What len bytes stand in: bit[] holds PICTURE_RATE * len lowest bits, one each, in their order. */
void trellis_read(const uint8_t *bit, size_t len, uint8_t *out);

/*
 * Which bits to change so that trellis_read() gives these len bytes, for the least sum of costs.
 *   bit, cost  PICTURE_RATE * len; a cost is above 0
 *   flip       as many, filled with 0 or 1
 * Returns 0 or -E_FULL (no memory).
 */
int trellis_write(const uint8_t *bit, const float *cost, const uint8_t *bytes, size_t len,
    uint8_t *flip) __attribute__((warn_unused_result));

#endif
