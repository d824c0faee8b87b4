/* ipset_sets - see ipset_sets.h. */
#include "ipset_sets.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DECIMAL = 10 };

/* The family comes behind it, and the seconds of those that have some. */
static const char *const stem[] = {
    [IPSET_HOST] = "postern-hosts",
    [IPSET_NETWORK] = "postern-nets",
    [IPSET_HELD] = "postern-held",
    [IPSET_IDLE] = "postern-idle",
};

static bool has_seconds(enum ipset_form form)
{
	return form == IPSET_HELD || form == IPSET_IDLE;
}

struct ipset_set ipset_set_of(const struct firewall_pass *p)
{
	struct ipset_set s = {.form = IPSET_HOST, .v4 = address_is_v4(&p->from.addr)};

	if (!prefix_is_host(&p->from)) {
		s.form = IPSET_NETWORK;
	} else if (p->idle_s != 0) {
		s.form = IPSET_HELD;
		s.idle_s = p->idle_s;
	}
	return s;
}

struct ipset_set ipset_set_idle(const struct ipset_set *held)
{
	return (struct ipset_set){.form = IPSET_IDLE, .v4 = held->v4, .idle_s = held->idle_s};
}

enum ipset_kind ipset_set_kind(const struct ipset_set *s)
{
	return s->form == IPSET_NETWORK ? IPSET_NETWORKS : IPSET_HOSTS;
}

const char *ipset_set_name(char out[static IPSET_NAME_MAX], const struct ipset_set *s)
{
	const char family = s->v4 ? '4' : '6';

	if (has_seconds(s->form))
		(void)snprintf(
		    out, IPSET_NAME_MAX, "%s%c-%" PRIu32, stem[s->form], family, s->idle_s);
	else
		(void)snprintf(out, IPSET_NAME_MAX, "%s%c", stem[s->form], family);
	return out;
}

bool ipset_set_parse(const char *name, struct ipset_set *out)
{
	for (unsigned form = 0; form < sizeof(stem) / sizeof(stem[0]); form++) {
		const size_t len = strlen(stem[form]);
		char again[IPSET_NAME_MAX];

		if (strncmp(name, stem[form], len) != 0 || (name[len] != '4' && name[len] != '6'))
			continue;
		*out = (struct ipset_set){.form = (enum ipset_form)form, .v4 = name[len] == '4'};
		if (has_seconds(out->form) && name[len + 1] == '-')
			out->idle_s = (uint32_t)strtoul(name + len + 2, NULL, DECIMAL);
		/* One name a set: no "held4-060", no rest, and none without a time. */
		return has_seconds(out->form) == (out->idle_s != 0) &&
		       strcmp(ipset_set_name(again, out), name) == 0;
	}
	return false;
}

unsigned ipset_sets_of(const struct config *c, struct ipset_set out[static IPSET_SETS_MAX])
{
	uint32_t idle[CONFIG_SERVICES_MAX];
	const unsigned times = config_idle_times(c, idle);
	unsigned n = 0;

	for (unsigned v6 = 0; v6 < 2; v6++) {
		out[n++] = (struct ipset_set){.form = IPSET_HOST, .v4 = v6 == 0};
		for (unsigned i = 0; i < times; i++) {
			out[n] = (struct ipset_set){IPSET_HELD, v6 == 0, idle[i]};
			out[n + 1] = ipset_set_idle(&out[n]);
			n += 2;
		}
		out[n++] = (struct ipset_set){.form = IPSET_NETWORK, .v4 = v6 == 0};
	}
	return n;
}
