/*
 * profile_keys - the keys that a profile may have, one reader each; for
 * profile.c alone. What a client is made of is in profile_keys.c, how it
 * travels in profile_travel.c.
 */
#ifndef LIBPOSTERN_PROFILE_KEYS_H
#define LIBPOSTERN_PROFILE_KEYS_H

#include "profile.h"

/* Where one value stands. */
struct profile_reading {
	struct postern_profile *p;
	const char *file; /* as sentences name it */
	unsigned line;	  /* 0: it was given by a program */
	struct trouble *t;
	const char *key;
};

/* Takes a value, which it may change. Returns 0, or -1 (told). */
typedef int profile_read_fn(struct profile_reading *s, char *value);

struct profile_key {
	const char *key;
	profile_read_fn *read;
	bool required;
	bool repeats;
	bool travels; /* how to knock, not as whom: postern_profile_set() takes it, too */
};

enum { PROFILE_KEYS_MAX = 48 };

/* Ended by a key of NULL. */
extern const struct profile_key profile_keys[];

/* Says what is wrong with the value. Returns -1. */
int profile_complain(struct profile_reading *s, const char *what);
/*
 * Decimal alone: no sign, no space, no leading zero that somebody may take for
 * octal. Returns 0, or -1 for what is not from 1 to 65535.
 */
int profile_read_number(const char *text, uint16_t *out);

/* Readers of profile_openpgp.c. */
profile_read_fn profile_read_openpgp_key, profile_read_openpgp_server, profile_read_openpgp_home,
    profile_read_openpgp_block;

/* Of profile_photos.c. */
profile_read_fn profile_read_photos;

/* Readers of profile_travel.c. */
profile_read_fn profile_read_port, profile_read_tcp_port, profile_read_http,
    profile_read_http_cookie, profile_read_via, profile_read_carrier, profile_read_envelope,
    profile_read_cover, profile_read_confirm, profile_read_preset;

/* And of profile_sequence.c. */
profile_read_fn profile_read_sequence, profile_read_sequence_range, profile_read_sequence_count,
    profile_read_sequence_id, profile_read_sequence_pieces, profile_read_dummies, profile_read_gap;
/* Before anything is read. */
void profile_sequence_defaults(struct sequence_settings *q);
/* What the keys about sequences cannot be together, as a sentence; NULL when nothing. */
const char *profile_sequence_fault(const struct sequence_settings *q);

/*
 * Do all that say how it travels go together? Returns 0, or -1 (told).
 *   file  stands in the sentences
 */
int profile_check_travel(const struct postern_profile *p, const char *file, struct trouble *t);

#endif
