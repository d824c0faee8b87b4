#include "preset.h"

#include <stddef.h>
#include <string.h>

static const struct preset presets[] = {
    /* One packet there, one back: what to take where nothing speaks against it. */
    {.name = "quick",
	.line = {{"carrier", "udp"}, {"envelope", "noise"}, {"cover", "none"},
	    {"confirm", "reply"}}},
    /* Everything in one: what was sealed by OpenPGP lies in a picture whose slices are SYNs. */
    {.name = "hybrid",
	.line = {{"carrier", "sequence"}, {"sequence-pieces", "clean"}, {"dummies", "4-12"},
	    {"envelope", "openpgp"}, {"cover", "png"}, {"confirm", "challenge"}}},
};

const struct preset *preset_by_name(const char *name)
{
	for (size_t i = 0; i < sizeof(presets) / sizeof(presets[0]); i++) {
		if (strcmp(presets[i].name, name) == 0)
			return &presets[i];
	}
	return NULL;
}
