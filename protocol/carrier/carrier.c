#include "carrier.h"

#include <string.h>

static const struct carrier *const table[] = {
    &carrier_udp,
    &carrier_tcp,
    &carrier_icmp,
    &carrier_http,
    &carrier_sequence,
    NULL,
};

const struct carrier *const *carrier_table(void)
{
	return table;
}

const struct carrier *carrier_by_name(const char *name)
{
	for (size_t i = 0; table[i]; i++) {
		if (strcmp(table[i]->name, name) == 0)
			return table[i];
	}
	return NULL;
}

const struct carrier *carrier_by_id(enum carrier_id id)
{
	for (size_t i = 0; table[i]; i++) {
		if (table[i]->id == id)
			return table[i];
	}
	return NULL;
}
