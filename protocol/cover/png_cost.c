#include "png_cost.h"

#include <math.h>
#include <stdlib.h>

#include "errors.h"

enum {
	CHANNELS = 3,
	NEAR = 1, /* the average of the residual reaches so far: 3x3 */
	WIDE = 7, /* that of the costs: 15x15 */
};

/* One channel, and what it is made into. */
struct plane {
	int width, height;
	float *at;    /* width * height */
	float *spare; /* as many, for what is half done */
};

/* The nearest that there is: a picture goes on beyond its edge as it ends. */
static int within(int at, int len)
{
	if (at < 0)
		return 0;
	return at < len ? at : len - 1;
}

static float get(const struct plane *p, int x, int y)
{
	return p->at[within(y, p->height) * p->width + within(x, p->width)];
}

static void swap(struct plane *p)
{
	float *kept = p->at;

	p->at = p->spare;
	p->spare = kept;
}

/* How far each sample is from what its neighbours foretell. */
static void residual(struct plane *p)
{
	for (int y = 0; y < p->height; y++) {
		for (int x = 0; x < p->width; x++) {
			float cross = get(p, x - 1, y) + get(p, x + 1, y) + get(p, x, y - 1) +
				      get(p, x, y + 1);
			float corners = get(p, x - 1, y - 1) + get(p, x + 1, y - 1) +
					get(p, x - 1, y + 1) + get(p, x + 1, y + 1);
			p->spare[y * p->width + x] = fabsf(2 * cross - corners - 4 * get(p, x, y));
		}
	}
	swap(p);
}

static void average_rows(struct plane *p, int reach)
{
	float share = 1.0F / (float)(2 * reach + 1);

	for (int y = 0; y < p->height; y++) {
		for (int x = 0; x < p->width; x++) {
			float sum = 0;
			for (int i = -reach; i <= reach; i++)
				sum += get(p, x + i, y);
			p->spare[y * p->width + x] = sum * share;
		}
	}
	swap(p);
}

static void average_columns(struct plane *p, int reach)
{
	float share = 1.0F / (float)(2 * reach + 1);

	for (int y = 0; y < p->height; y++) {
		for (int x = 0; x < p->width; x++) {
			float sum = 0;
			for (int i = -reach; i <= reach; i++)
				sum += get(p, x, y + i);
			p->spare[y * p->width + x] = sum * share;
		}
	}
	swap(p);
}

static void average(struct plane *p, int reach)
{
	average_rows(p, reach);
	average_columns(p, reach);
}

static void invert(struct plane *p)
{
	static const float least = 0.01F;

	for (int i = 0; i < p->width * p->height; i++)
		p->at[i] = 1.0F / (p->at[i] + least);
}

/* Added to the other channels'. */
static void add_channel(const struct picture *p, int channel, struct plane *plane, float *cost)
{
	static const float clipped = 10.0F;
	int pixels = plane->width * plane->height;

	for (int i = 0; i < pixels; i++)
		plane->at[i] = p->sample[i * p->channels + channel];
	residual(plane);
	average(plane, NEAR);
	invert(plane);
	average(plane, WIDE);
	for (int i = 0; i < pixels; i++) {
		uint8_t value = p->sample[i * p->channels + channel];
		/* A sample at the end of its scale tells that something was cut off there. */
		bool ends = value == 0 || value == UINT8_MAX;
		cost[i] += plane->at[i] * (ends ? clipped : 1.0F);
	}
}

int png_cost(const struct picture *p, float *cost)
{
	size_t pixels = (size_t)p->width * p->height;
	float *both = calloc(2 * pixels, sizeof(*both));
	struct plane plane = {.width = p->width, .height = p->height};

	if (!both)
		return -E_FULL;
	plane.at = both;
	plane.spare = both + pixels;
	for (size_t i = 0; i < pixels; i++)
		cost[i] = 0;
	for (int channel = 0; channel < CHANNELS; channel++)
		add_channel(p, channel, &plane, cost);
	free(both);
	return 0;
}
