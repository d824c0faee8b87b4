/*
 * preset - ways to knock that have a name: each is a few lines of a profile,
 * which hold as if they stood where the name does.
 */
#ifndef LIBPOSTERN_PRESET_H
#define LIBPOSTERN_PRESET_H

enum { PRESET_LINES_MAX = 8, PRESET_VALUE_MAX = 31 };

struct preset {
	const char *name;
	struct {
		const char *key, *value;
	} line[PRESET_LINES_MAX]; /* ended by a key of NULL */
};

/* NULL when there is none of this name. */
const struct preset *preset_by_name(const char *name);

#endif
