/*
 * fakeserver - the server's side of a knock for the tests of the client: every
 * layer is the real one, the rules of freshness are those of doc/protocol.md,
 * and there are no doors. Mischief is a field.
 */
#ifndef POSTERN_TESTS_FAKESERVER_H
#define POSTERN_TESTS_FAKESERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "address.h"
#include "envelope.h"
#include "keys.h"
#include "request.h"
#include "veil.h"

enum { FAKE_ATTEMPTS = 4, FAKE_WINDOW_S = 60, FAKE_PROFILE_MAX = 2048 };

struct fake_attempt {
	uint64_t id;
	bool used;
};

/*
 * A challenge that waits, or was met: then its answer and result are kept for those who ask again.
 */
struct fake_challenge {
	bool waits, met;
	uint64_t t;
	struct request request;
	struct address seen;
	struct envelope_state state;
	uint8_t answer[BODY_MAX], result[BODY_MAX];
	size_t answer_len, result_len;
};

/* Plain data: may lie in memory that a child process shares. */
struct fake_server {
	struct keypair own;
	struct keypair client;
	uint8_t client_secret[KEY_BYTES];
	uint8_t cid[CID_BYTES];
	uint8_t door_key[2][KEY_BYTES]; /* current, previous */
	bool has_previous;
	int64_t ahead_ns; /* its clock less the world's */

	/* what it says */
	enum verdict verdict;
	char reason[REASON_MAX + 1];
	uint32_t hold_s;
	bool challenges; /* always */

	/* mischief */
	bool mute;	       /* hears and says nothing */
	bool gone;	       /* has no door any more that it has listed */
	bool wrong_attempt;    /* answers as if to another */
	bool wrong_address;    /* sees what is not there */
	bool junk;	       /* sends noise first */
	unsigned lose_replies; /* so many are not sent */

	/* its memory */
	uint64_t mark;
	bool proven;
	struct fake_attempt attempt[FAKE_ATTEMPTS];
	unsigned attempts;
	struct fake_challenge challenge;

	/* what it counted */
	unsigned packets, authentic, acted, challenged, answers, repeats;
	unsigned opened_with[2]; /* by door key */
	struct request last;
};

void fake_server_start(struct fake_server *f);

/* What it sends back to a packet: its length, or 0 for silence. world_ns: the true time. */
size_t fake_server_take(struct fake_server *f, uint64_t world_ns, const struct address *from,
    const uint8_t *packet, size_t len, uint8_t out[static VEIL_ROOM]);

/* The profile of its one client, with these lines of "server = ..." (each with its newline). */
void fake_server_profile(const struct fake_server *f, const char *servers, uint16_t port,
    char out[static FAKE_PROFILE_MAX]);

#endif
