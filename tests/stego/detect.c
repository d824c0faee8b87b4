#include "detect.h"

#include <complex.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum { LEVELS = 256, HALF = LEVELS / 2, TURN_BITS = 8, REACH = 3 };

/* ---- Fourier ---- */

typedef float complex cf;

static void turn_table(cf turn[static HALF])
{
	for (int i = 0; i < HALF; i++)
		turn[i] = cexpf(-2.0F * (float)M_PI * I * (float)i / LEVELS);
}

static unsigned reversed(unsigned i)
{
	unsigned out = 0;

	for (int b = 0; b < TURN_BITS; b++)
		out |= (i >> b & 1U) << (TURN_BITS - 1 - b);
	return out;
}

/* Without the care for infinities that * takes. */
static cf times(cf a, cf b)
{
	float real = crealf(a) * crealf(b) - cimagf(a) * cimagf(b);

	return real + I * (crealf(a) * cimagf(b) + cimagf(a) * crealf(b));
}

/* 256 points, in place. */
static void fourier(cf at[static LEVELS], const cf turn[static HALF])
{
	for (unsigned i = 0; i < LEVELS; i++) {
		unsigned j = reversed(i);
		cf kept = at[i];
		if (j <= i)
			continue;
		at[i] = at[j];
		at[j] = kept;
	}
	for (int span = 1; span < LEVELS; span *= 2) {
		for (int i = 0; i < LEVELS; i += 2 * span) {
			for (int k = 0; k < span; k++) {
				cf low = at[i + k];
				cf high = times(at[i + k + span], turn[k * (HALF / span)]);
				at[i + k] = low + high;
				at[i + k + span] = low - high;
			}
		}
	}
}

/* ---- half size ---- */

static struct image halved(const struct image *i, uint8_t *out)
{
	struct image h = {.width = i->width / 2, .height = i->height / 2, .sample = out};
	int row = i->width * CHANNELS;

	for (int y = 0; y < h.height; y++) {
		for (int x = 0; x < h.width * CHANNELS; x++) {
			int from = 2 * y * row + 2 * (x / CHANNELS) * CHANNELS + x % CHANNELS;
			const uint8_t *s = i->sample + from;
			*out++ = (uint8_t)((s[0] + s[CHANNELS] + s[row] + s[row + CHANNELS]) / 4);
		}
	}
	return h;
}

typedef double centre_fn(const struct image *i, int channel, const cf *turn);

/* Of the picture by that of its half, the mean of the channels. */
static double calibrated(const struct image *i, centre_fn *centre)
{
	uint8_t *small = malloc((size_t)i->width * (size_t)i->height * CHANNELS);
	double sum = 0;
	cf turn[HALF];

	if (!small)
		abort();
	turn_table(turn);
	struct image h = halved(i, small);
	for (int c = 0; c < CHANNELS; c++)
		sum += centre(i, c, turn) / centre(&h, c, turn);
	free(small);
	return sum / CHANNELS;
}

/* ---- histogram ---- */

static double centre_of_histogram(const struct image *i, int channel, const cf *turn)
{
	cf h[LEVELS] = {0};
	double moment = 0, mass = 0;

	for (int at = channel; at < i->width * i->height * CHANNELS; at += CHANNELS)
		h[i->sample[at]] += 1;
	fourier(h, turn);
	for (int k = 0; k < HALF; k++) {
		moment += k * (double)cabsf(h[k]);
		mass += (double)cabsf(h[k]);
	}
	return moment / mass;
}

double detect_hcf(const struct image *i)
{
	return calibrated(i, centre_of_histogram);
}

/* ---- pairs ---- */

static cf *count_pairs(const struct image *i, int channel)
{
	cf *h = calloc((size_t)LEVELS * LEVELS, sizeof(*h));

	if (!h)
		abort();
	for (int y = 0; y < i->height; y++) {
		const uint8_t *s = i->sample + y * i->width * CHANNELS + channel;
		for (int x = 0; x + 1 < i->width; x++, s += CHANNELS)
			h[s[0] * LEVELS + s[CHANNELS]] += 1;
	}
	return h;
}

static double centre_of_pairs(const struct image *i, int channel, const cf *turn)
{
	cf *h = count_pairs(i, channel);
	double moment = 0, mass = 0;

	for (int row = 0; row < LEVELS; row++) {
		static const cf nothing[LEVELS];
		if (memcmp(h + row * LEVELS, nothing, sizeof(nothing)) != 0)
			fourier(h + row * LEVELS, turn);
	}
	for (int k = 0; k < HALF; k++) {
		cf column[LEVELS];
		for (int row = 0; row < LEVELS; row++)
			column[row] = h[row * LEVELS + k];
		fourier(column, turn);
		for (int l = 0; l < HALF; l++) {
			moment += (k + l) * (double)cabsf(column[l]);
			mass += (double)cabsf(column[l]);
		}
	}
	free(h);
	return moment / mass;
}

double detect_adjacency(const struct image *i)
{
	return calibrated(i, centre_of_pairs);
}

/* ---- SPAM ---- */

/* A plane of numbers, whose differences are looked at. */
struct plane {
	int width, height;
	int16_t *at;
};

static int clip(int d)
{
	if (d < -REACH)
		return 0;
	return d > REACH ? 2 * REACH : d + REACH;
}

/* Triples of differences along one direction, added to count. */
static void count_triples(const struct plane *p, int dx, int dy, uint32_t *count)
{
	int step = dy * p->width + dx;
	int left = dx < 0 ? 3 : 0, right = p->width - (dx > 0 ? 3 : 0);
	int top = dy < 0 ? 3 : 0, bottom = p->height - (dy > 0 ? 3 : 0);

	for (int y = top; y < bottom; y++) {
		for (int x = left; x < right; x++) {
			const int16_t *s = p->at + y * p->width + x;
			int a = clip(s[0] - s[step]);
			int b = clip(s[step] - s[2 * step]);
			int c = clip(s[2 * step] - s[3 * step]);
			count[(a * SPAM_STEPS + b) * SPAM_STEPS + c]++;
		}
	}
}

/* How often each difference follows each two, where all three are small. */
static void add_chain(const uint32_t *count, float *out)
{
	for (int pair = 0; pair < SPAM_STEPS * SPAM_STEPS; pair++) {
		const uint32_t *c = count + pair * SPAM_STEPS;
		uint32_t all = 0;
		for (int i = 0; i < SPAM_STEPS; i++)
			all += c[i];
		for (int i = 0; i < SPAM_STEPS && all > 0; i++)
			out[pair * SPAM_STEPS + i] += (float)c[i] / (float)all / 4;
	}
}

static void spam_of_planes(const struct plane *plane, int planes, float *out)
{
	static const int directions[2][4][2] = {
	    {{1, 0}, {-1, 0}, {0, 1}, {0, -1}}, {{1, 1}, {-1, -1}, {1, -1}, {-1, 1}}};

	memset(out, 0, SPAM_FEATURES * sizeof(*out));
	for (int kind = 0; kind < 2; kind++) {
		for (int d = 0; d < 4; d++) {
			uint32_t count[SPAM_FEATURES / 2] = {0};
			for (int i = 0; i < planes; i++)
				count_triples(&plane[i], directions[kind][d][0],
				    directions[kind][d][1], count);
			add_chain(count, out + kind * SPAM_FEATURES / 2);
		}
	}
}

static void spam_of(const struct image *i, int planes, bool less_green, float *out)
{
	size_t pixels = (size_t)i->width * (size_t)i->height;
	int16_t *all = malloc(CHANNELS * pixels * sizeof(*all));
	struct plane plane[CHANNELS];

	if (!all)
		abort();
	for (int n = 0; n < planes; n++) {
		int channel = less_green ? 2 * n : n;
		plane[n] = (struct plane){i->width, i->height, all + (size_t)n * pixels};
		for (size_t at = 0; at < pixels; at++) {
			const uint8_t *s = i->sample + at * CHANNELS;
			plane[n].at[at] = (int16_t)(s[channel] - (less_green ? s[1] : 0));
		}
	}
	spam_of_planes(plane, planes, out);
	free(all);
}

void detect_spam(const struct image *i, float out[static SPAM_FEATURES])
{
	spam_of(i, CHANNELS, false, out);
}

void detect_spam_colour(const struct image *i, float out[static SPAM_FEATURES])
{
	spam_of(i, CHANNELS - 1, true, out);
}

/* ---- places ---- */

void detect_places(const struct image *i, int weighted, float *out)
{
	int row = i->width * CHANNELS;

	memset(out, 0, (size_t)row * (size_t)i->height * sizeof(*out));
	for (int y = 1; y + 1 < i->height; y++) {
		for (int x = CHANNELS; x + CHANNELS < row; x++) {
			const uint8_t *s = i->sample + y * row + x;
			float mean = (float)(s[-row] + s[row] + s[-CHANNELS] + s[CHANNELS]) / 4;
			float off = (float)s[0] - mean;
			off = off > 8 ? 8 : off;
			off = off < -8 ? -8 : off;
			out[y * row + x] = weighted ? off * (s[0] & 1 ? 1.0F : -1.0F) : off * off;
		}
	}
}

static int by_size(const void *a, const void *b)
{
	float x = *(const float *)a, y = *(const float *)b;

	return (x > y) - (x < y);
}

void detect_sort(float *at, int len)
{
	qsort(at, (size_t)len, sizeof(*at), by_size);
}
