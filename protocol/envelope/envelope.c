#include "envelope.h"

#include <string.h>

static const struct envelope *const table[] = {
    &envelope_noise,
    &envelope_openpgp,
};

enum { ENVELOPES = sizeof(table) / sizeof(table[0]) };

const struct envelope *envelope_by_name(const char *name)
{
	for (size_t i = 0; i < ENVELOPES; i++) {
		if (strcmp(table[i]->name, name) == 0)
			return table[i];
	}
	return NULL;
}

const struct envelope *envelope_by_kind(enum kind k)
{
	for (size_t i = 0; i < ENVELOPES; i++) {
		const struct envelope *e = table[i];
		if (k == e->request || k == e->challenge || k == e->reply || k == e->answer ||
		    k == e->result)
			return e;
	}
	return NULL;
}
