/*
 * trap_cookie - a sequence number that nobody has to remember: it is made of
 * the addresses, the ports, the other side's first number and the time, under
 * a key that is random for each start. Who acknowledges it received it.
 */
#ifndef POSTERN_AUTH_TRAP_COOKIE_H
#define POSTERN_AUTH_TRAP_COOKIE_H

#include <stdbool.h>
#include <stdint.h>

#include "carrier.h"

enum {
	TRAP_KEY_BYTES = 16,
	TRAP_STEP_S = 64,
	TRAP_STEPS_PROOF = 2, /* that an address is proven for: this one and the one before */
	TRAP_STEPS_HELD = 16, /* that a connection is held for */
};

struct trap_key {
	uint8_t b[TRAP_KEY_BYTES];
};

/* For a connection that begins now; isn: the client's first sequence number. */
uint32_t trap_cookie(
    const struct trap_key *k, const struct route *r, uint32_t isn, uint64_t now_ms);
/* Is this one that was made in the last so many steps, this one among them? */
bool trap_cookie_holds(const struct trap_key *k, const struct route *r, uint32_t isn,
    uint32_t cookie, uint64_t now_ms, unsigned steps);

#endif
