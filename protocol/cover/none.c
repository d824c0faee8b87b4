#include "cover.h"

#include <string.h>

#include "errors.h"

/* The veil is uniform already: it goes as it is, both ways. */
static int copy(const struct cover_args *a, const uint8_t *in, size_t len, uint8_t *out, size_t cap)
{
	(void)a;
	if (len > cap || len > COVER_MAX)
		return -E_SHORT;
	if (len > 0)
		memcpy(out, in, len);
	return (int)len;
}

static size_t any(const struct cover_args *a)
{
	(void)a;
	return 0;
}

const struct cover cover_none = {.name = "none", .veil_len = any, .wrap = copy, .unwrap = copy};
