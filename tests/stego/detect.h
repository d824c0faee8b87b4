/*
 * detect - what those who look for hidden messages measure in a picture. Test
 * tools, written from the papers that each function names.
 */
#ifndef POSTERN_TESTS_STEGO_DETECT_H
#define POSTERN_TESTS_STEGO_DETECT_H

#include <stdint.h>

enum {
	CHANNELS = 3,
	SPAM_STEPS = 7, /* differences from -3 to 3 */
	SPAM_FEATURES = 2 * SPAM_STEPS * SPAM_STEPS * SPAM_STEPS,
};

/* RGB in rows. */
struct image {
	int width, height;
	const uint8_t *sample;
};

/*
 * A. Ker, "Steganalysis of LSB Matching in Grayscale Images", IEEE Signal Processing Letters 12
 * (2005): the centre of mass of the histogram's characteristic function, calibrated by that of the
 * picture at half its size; +-1 matching is a low-pass filter on the histogram. Mean of channels.
 */
double detect_hcf(const struct image *i);

/* The same paper's second detector: the histogram of adjacent pairs, in two dimensions. */
double detect_adjacency(const struct image *i);

/*
 * T. Pevny, P. Bas, J. Fridrich, "Steganalysis by Subtractive Pixel Adjacency Matrix", IEEE Trans.
 * Information Forensics and Security 5 (2010): second-order Markov chains of differences, T = 3.
 * All channels are counted together.
 */
void detect_spam(const struct image *i, float out[static SPAM_FEATURES]);

/* The same of the differences between channels (red and blue less green), where noise is alone. */
void detect_spam_colour(const struct image *i, float out[static SPAM_FEATURES]);

/*
 * For each sample how much it looks like a place of change, to be added up over many pictures.
 *   weighted  (s - neighbours' mean) * (s - s with its lowest bit changed): LSB replacement
 *             (A. Ker, R. Bohme, "Revisiting Weighted Stego-Image Steganalysis", 2008)
 *   else      (s - neighbours' mean) squared: any noise that was added
 */
void detect_places(const struct image *i, int weighted, float *out);

/* Into rising order. */
void detect_sort(float *at, int len);

#endif
