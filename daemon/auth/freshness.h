/*
 * freshness - may a message draw a reaction, and may it be acted on at once?
 * The rules of doc/protocol.md, "Freshness", alone: no state, no I/O.
 */
#ifndef POSTERN_AUTH_FRESHNESS_H
#define POSTERN_AUTH_FRESHNESS_H

#include <stdbool.h>
#include <stdint.h>

#include "record.h"

enum freshness {
	FRESH_OLD,   /* not newer than the mark: silence, whoever sent it */
	FRESH_SURE,  /* newer, and nothing is in doubt: act */
	FRESH_DOUBT, /* newer, but it may have been held back or its mark lost: challenge */
};

/*
 * Judge a message of time t against what is known of its client.
 *   now_ns, window_ns   the server's clock, and how far t may be from it
 *   must_prove          policy wants a challenge whatever the clocks say
 */
enum freshness freshness_judge(const struct client_record *r, uint64_t t, uint64_t now_ns,
    uint64_t window_ns, bool must_prove);
/* Whether t is newer than everything that drew a reaction so far. */
bool freshness_newer(uint64_t mark, uint64_t t);

#endif
