/*
 * firewall_walk - what becomes of a probe in the base chains of a ruleset.
 * No I/O, changes nothing.
 */
#ifndef POSTERN_CTL_FIREWALL_WALK_H
#define POSTERN_CTL_FIREWALL_WALK_H

#include "firewall_probe.h"

enum fate {
	FATE_ON, /* to the next rule; never of a whole base chain */
	FATE_ACCEPT,
	FATE_DROP,   /* without an answer */
	FATE_CLOSED, /* answered as by a closed port */
	FATE_REJECT, /* answered in another way */
	FATE_DNAT,   /* sent elsewhere */
};

struct walk {
	enum fate fate;	  /* of a packet for which no unsure condition holds */
	bool may_accept;  /* an unsure condition would have accepted it */
	bool port_accept; /* such a one names its port: somebody meant this service */
	bool may_drop;	  /* an unsure condition would have dropped or rejected it */
	bool may_dnat;
};

/* Through one base chain. */
struct walk walk_chain(const struct ruleset *rs, const struct place *base, const struct probe *p);

typedef void walk_fn(void *arg, const struct place *base, const struct walk *w);
/*
 * Through all base chains of a type ("filter", "nat") at a hook that see the
 * probe, but for those of our own table.
 */
void walk_hook(const struct ruleset *rs, const char *type, const char *hook, const struct probe *p,
    walk_fn *fn, void *arg);

#endif
