/*
 * fits - which envelope, cover, carrier and confirmation go together, and why
 * the others do not: one table for client, tests and manual.
 */
#ifndef LIBPOSTERN_FITS_H
#define LIBPOSTERN_FITS_H

#include "cover.h"
#include "envelope.h"
#include "request.h"
#include "sender.h"

/* How the client learns what became of its knock. */
enum confirm {
	CONFIRM_REPLY, /* where the carrier brings none the client tries the door */
	CONFIRM_NONE,  /* the server sends nothing; the client tries the door */
	CONFIRM_CHALLENGE,
};

/* "reply", "none", "challenge". Returns 0, or -1 and *out as it was. */
int confirm_by_name(const char *name, enum confirm *out);

/* NULL when they go together, or else one sentence that says why they do not. */
const char *fits(
    const struct envelope *e, const struct cover *c, const struct sender *s, enum confirm confirm);

/* The same for what is asked for. via: through a proxy. */
const char *fits_request(const struct sender *s, const struct request *q, bool via);

#endif
