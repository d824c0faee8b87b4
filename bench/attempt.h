/*
 * attempt - one knock of one client: made beforehand, so that what is measured
 * is the server's work and not the client's key agreement.
 */
#ifndef POSTERN_BENCH_ATTEMPT_H
#define POSTERN_BENCH_ATTEMPT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "envelope.h"
#include "population.h"
#include "request.h"

/* What all knocks of a run share. */
struct target {
	uint8_t server_key[KEY_BYTES];
	struct door_keys door;
	const char *service;
	/* These may change from one knock to the next. */
	uint32_t hold_s;  /* 0: the service's */
	bool names_admit; /* false: for its sender's address */
	struct prefix admit;
};

struct attempt {
	const struct person *who;
	struct envelope_state state;
	uint64_t id;
	uint8_t packet[VEIL_ROOM];
	size_t packet_len;
};

/* Reads the two keys (base64, first line that is no comment). Returns 0, or -1. */
int target_read(struct target *t, const char *server_public, const char *door_key_file);

/* Build the M1 that opens the target's service. Aborts when the protocol code refuses. */
void attempt_make(struct attempt *a, const struct person *who, const struct target *t);
/* Is this datagram the answer to a? Then its reply. */
bool attempt_answered(struct attempt *a, const struct target *t, const uint8_t *datagram,
    size_t len, struct reply *reply);

/*
 * Make the server sure of a client that it never heard: ping, challenge,
 * answer, over this connected blocking socket. Returns 0, or -1 when no answer
 * came in five tries of a second each.
 */
int attempt_prove(const struct person *who, const struct target *t, int sock);

#endif
