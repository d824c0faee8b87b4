#include "png_trellis.h"

#include <assert.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "errors.h"
#include "secret.h"

enum {
	WIDTH = 4,  /* pixels for one bit */
	HEIGHT = 8, /* bits that one pixel has a part in */
	STATES = 1 << HEIGHT,
	TOP = STATES >> 1,
};

static_assert(WIDTH * 8 == PICTURE_RATE, "one byte in so many pixels");

/*
 * The columns of the code's submatrix, lowest bit the first row; found by trying some 10,000 at random and
 * keeping that which changed least. Each has its first and its last bit set, and no two are alike.
 */
static const uint8_t column[WIDTH] = {0xe5, 0xd9, 0x8f, 0xd5};

/* Bits of the message that are still open; the lowest is next. */
static unsigned take_block(unsigned open, const uint8_t *bit)
{
	for (int c = 0; c < WIDTH; c++)
		open ^= bit[c] ? column[c] : 0U;
	return open;
}

void trellis_read(const uint8_t *bit, size_t len, uint8_t *out)
{
	unsigned open = 0;

	for (size_t i = 0; i < len; i++) {
		unsigned byte = 0;
		for (int b = 0; b < 8; b++) {
			open = take_block(open, bit);
			byte = byte << 1 | (open & 1U);
			open >>= 1;
			bit += WIDTH;
		}
		out[i] = (uint8_t)byte;
	}
}

/* Viterbi's algorithm over the bits that are still open. */
struct walk {
	size_t blocks;
	const float *cost;
	uint8_t *wanted;	       /* a bit for each block */
	uint8_t (*chosen)[STATES / 8]; /* for each pixel: in which states it is changed */
	float least[STATES];	       /* cost of the best way to each state */
};

/* One pixel: changed or left alone, whichever is the cheaper for each state that can follow. */
static void step(
    float least[static STATES], float cost, unsigned part, uint8_t chosen[static STATES / 8])
{
	bool changed[STATES];

	/* All columns have the top bit: the states go in pairs, one below TOP. */
	for (unsigned s = 0; s < TOP; s++) {
		float low = least[s], high = least[s ^ part];
		changed[s] = high + cost < low;
		changed[s ^ part] = low + cost < high;
		least[s] = changed[s] ? high + cost : low;
		least[s ^ part] = changed[s ^ part] ? low + cost : high;
	}
	for (unsigned s = 0; s < STATES; s += 8) {
		unsigned byte = 0;
		for (unsigned b = 0; b < 8; b++)
			byte |= (unsigned)changed[s + b] << b;
		chosen[s / 8] = (uint8_t)byte;
	}
}

static void close_bit(float least[static STATES], unsigned wanted)
{
	static const float never = 1e30F;

	for (unsigned s = 0; s < TOP; s++)
		least[s] = least[s << 1 | wanted];
	for (unsigned s = TOP; s < STATES; s++)
		least[s] = never;
}

static void walk_forward(struct walk *w)
{
	w->least[0] = 0;
	for (unsigned s = 1; s < STATES; s++)
		w->least[s] = 1e30F;
	for (size_t i = 0; i < w->blocks; i++) {
		for (size_t c = 0; c < WIDTH; c++)
			step(w->least, w->cost[i * WIDTH + c], column[c], w->chosen[i * WIDTH + c]);
		close_bit(w->least, w->wanted[i]);
	}
}

static void walk_back(const struct walk *w, uint8_t *flip)
{
	unsigned state = 0;

	for (unsigned s = 1; s < TOP; s++) {
		if (w->least[s] < w->least[state])
			state = s;
	}
	for (size_t i = w->blocks; i-- > 0;) {
		state = state << 1 | w->wanted[i];
		for (size_t c = WIDTH; c-- > 0;) {
			size_t at = i * WIDTH + c;
			flip[at] =
			    (uint8_t)((unsigned)w->chosen[at][state / 8] >> (state % 8) & 1U);
			state ^= flip[at] ? column[c] : 0U;
		}
	}
}

/* The bits to add: what is wanted less what is there already. */
static void find_wanted(const uint8_t *bit, const uint8_t *bytes, size_t blocks, uint8_t *wanted)
{
	unsigned open = 0;

	for (size_t i = 0; i < blocks; i++) {
		open = take_block(open, bit + i * WIDTH);
		wanted[i] = (uint8_t)((open ^ (unsigned)bytes[i / 8] >> (7 - i % 8)) & 1U);
		open >>= 1;
	}
}

int trellis_write(
    const uint8_t *bit, const float *cost, const uint8_t *bytes, size_t len, uint8_t *flip)
{
	struct walk w = {.blocks = len * 8, .cost = cost};
	size_t chosen_bytes = w.blocks * WIDTH * sizeof(w.chosen[0]);

	w.wanted = calloc(w.blocks + 1, 1);
	w.chosen = calloc(chosen_bytes + 1, 1);
	int err = w.wanted && w.chosen ? 0 : -E_FULL;
	if (err == 0) {
		find_wanted(bit, bytes, w.blocks, w.wanted);
		walk_forward(&w);
		walk_back(&w, flip);
		secret_wipe(w.wanted, w.blocks);
		secret_wipe(w.chosen, chosen_bytes);
	}
	free(w.chosen);
	free(w.wanted);
	return err;
}
