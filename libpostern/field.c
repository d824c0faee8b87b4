#include "field.h"

#include <string.h>

enum {
	COLOURS = 3,
	SMOOTH_PERCENT = 5,
	GREY_PERCENT = 50,
};

static size_t even_in_row(const struct picture *p, const uint8_t *row)
{
	size_t even = 0, n = p->channels;

	for (size_t x = 1; x + 1 < p->width; x++) {
		for (size_t c = 0; c < COLOURS; c++) {
			const uint8_t *s = row + x * n + c;
			even += s[0] == s[-(ptrdiff_t)n] && s[0] == s[n];
		}
	}
	return even;
}

static size_t grey_in_row(const struct picture *p, const uint8_t *row)
{
	size_t grey = 0;

	for (size_t x = 0; x < p->width; x++, row += p->channels)
		grey += row[0] == row[1] && row[1] == row[2];
	return grey;
}

bool field_is_fit(const struct picture *p)
{
	size_t pixels = (size_t)p->width * p->height, even = 0, grey = 0;

	for (size_t y = 0; y < p->height; y++) {
		const uint8_t *row = p->sample + y * p->width * p->channels;
		even += even_in_row(p, row);
		grey += grey_in_row(p, row);
	}
	return even * 100 <= pixels * COLOURS * SMOOTH_PERCENT &&
	       grey * 100 <= pixels * GREY_PERCENT;
}

void field_cut(const struct picture *p, unsigned x, unsigned y, struct picture *out)
{
	size_t from = (size_t)p->width * p->channels, to = (size_t)out->width * p->channels;

	out->channels = p->channels;
	for (size_t row = 0; row < out->height; row++)
		memcpy(out->sample + row * to,
		    p->sample + (y + row) * from + (size_t)x * p->channels, to);
}
