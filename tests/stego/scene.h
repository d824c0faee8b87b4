/*
 * scene - pictures that are made as photographs are: a scene of surfaces with
 * textures that hide each other, a lens, a sensor with Bayer's mosaic and the
 * noise of light, demosaicing, a tone curve, sharpening. For tests and demos
 * only: to hide something in a made picture is to hide it in nothing.
 */
#ifndef POSTERN_TESTS_STEGO_SCENE_H
#define POSTERN_TESTS_STEGO_SCENE_H

#include <stddef.h>
#include <stdint.h>

/* The same seed makes the same picture. out: 3 * width * height samples, RGB. */
void scene_make(uint64_t seed, int width, int height, uint8_t *out);

/* What libjpeg makes of it; given (free), *len bytes. 4:2:0 as cameras have it. */
uint8_t *scene_jpeg(const uint8_t *rgb, int width, int height, int quality, size_t *len);

#endif
