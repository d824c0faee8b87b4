/*
 * capture_rules - what the kernel must do while capture methods are compared:
 * stamp and count what comes in, and give the methods that live by the firewall a copy
 * of it. In a table of its own that belongs to our socket: whatever becomes of
 * us, the kernel takes it away.
 */
#ifndef POSTERN_CTL_CAPTURE_RULES_H
#define POSTERN_CTL_CAPTURE_RULES_H

#include <stdbool.h>
#include <stdint.h>

enum {
	RULES_WHY_MAX = 256,
	RULES_GROUP = 4479,	/* where nflog and nfqueue read while they are compared */
	RULES_UDP_PORT = 62479, /* where udp listens meanwhile */
};

struct rules;

/* What to do with packets to a UDP port that come in by one interface ("any": by all). */
struct rules_want {
	const char *interface;
	uint16_t port;
	bool log;    /* a copy to RULES_GROUP */
	bool queue;  /* to queue RULES_GROUP; whoever reads it decides */
	bool divert; /* to RULES_UDP_PORT: whom they were meant for does not see them */
	bool drop;   /* what nobody took: as the guard does, so that the kernel answers none */
	/* Count only within these seconds of the clock; until 0: always. */
	uint64_t from_s, until_s;
};

/* Make the table, empty. NULL with why. */
struct rules *rules_new(char why[static RULES_WHY_MAX]);
/* All rules anew, the counter at 0. Returns 0, or -1 with why; nothing has changed then. */
int rules_set(struct rules *r, const struct rules_want *want, char why[static RULES_WHY_MAX])
    __attribute__((warn_unused_result));
/* Packets counted since. */
uint64_t rules_counted(struct rules *r);
/* Takes it all away. NULL is fine. */
void rules_free(struct rules *r);

#endif
