#include "cover.h"

#include <string.h>

static const struct cover *const table[] = {
    &cover_none,
    &cover_png,
};

const struct cover *cover_by_name(const char *name)
{
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		if (strcmp(table[i]->name, name) == 0)
			return table[i];
	}
	return NULL;
}
