/*
 * exchange - one attempt's way to its verdict: M1 after M1 until something is
 * heard, M3 after M3 when the server asks who is there. No socket, no clock, no
 * file: packets and times are handed in, and a t is drawn through a function.
 *
 * A retry is a new M1 with a greater t and the same attempt id, so that the
 * server does nothing twice. All M1s stay answerable: what comes is tried
 * against each. A challenge is answered, and so is every newer one; after the
 * first no new M1 is sent, since that would make the server forget the
 * challenge, with one exception: a challenge that stays unanswered and may have
 * been forgotten already, because the client sent a newer M1 after it.
 */
#ifndef LIBPOSTERN_EXCHANGE_H
#define LIBPOSTERN_EXCHANGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "profile.h"
#include "request.h"

enum {
	EXCHANGE_TRIES_MAX = 2 * (POSTERN_RETRIES_MAX + 1),
	EXCHANGE_FIRST_WAIT_MS = 300, /* doubled after each retry ... */
	EXCHANGE_WAIT_MAX_MS = 2400,  /* ... up to this */
	EXCHANGE_LAST_WAIT_MS = 1500, /* after the last retry */
	EXCHANGE_PATIENCE = 3,	      /* M3s for a challenge that may have been forgotten */
};

struct moment {
	uint64_t mono_ns;
	uint64_t real_ns; /* CLOCK_REALTIME */
};

/* The client's memory of time, passed in. Both return 0, or -1 with errno. */
struct memory {
	int (*draw)(void *arg, uint64_t clock_ns, uint64_t *t_ns);
	int (*learn)(void *arg, uint64_t server_ns, uint64_t clock_ns);
	void *arg;
};

enum exchange_phase {
	EXCHANGE_ASLEEP,    /* not begun */
	EXCHANGE_KNOCKING,  /* M1 is out, or due */
	EXCHANGE_ANSWERING, /* a challenge is being answered */
	EXCHANGE_DONE,
};

enum exchange_outcome {
	EXCHANGE_NONE,	  /* not done */
	EXCHANGE_REPLIED, /* reply has the server's word */
	EXCHANGE_SILENCE, /* nothing was heard in time */
	EXCHANGE_STRANGE, /* strict, and the server sees another address */
	EXCHANGE_FAILED,  /* error has an errno */
	EXCHANGE_STOPPED, /* no longer wanted */
};

/* One M1 that may be answered. */
struct exchange_try {
	uint64_t t;
	struct moment sent;
	bool answered;	 /* its M2 came */
	bool challenged; /* and was a challenge, which M3 answered */
	struct envelope_state envelope;
};

/* Lies in memory of secret_new(). */
struct exchange {
	/* set before exchange_wake() */
	const struct postern_profile *profile;
	struct memory memory;
	struct request request; /* own_address set and REQUEST_STRICT: what must be seen */
	unsigned retries;
	uint64_t least_wait_ms; /* EXCHANGE_FIRST_WAIT_MS, or more */
	size_t room;		/* longest packet to send; made smaller when the way is narrow */
	uint64_t *newest_t;	/* of all M1s of this client, siblings' included; borrowed */

	/* where it stands */
	enum exchange_phase phase;
	enum exchange_outcome outcome;
	int error;
	unsigned rounds; /* how often it began to knock */
	unsigned sends;	 /* of the phase */
	unsigned sent;	 /* of all */
	uint64_t due_ns; /* monotonic: when exchange_send() has something to do */
	uint64_t first_wait_ms;
	unsigned tries;
	struct exchange_try try[EXCHANGE_TRIES_MAX];
	unsigned challenged_by; /* when challenged: the try with the newest challenge */
	unsigned challenge_key; /* the door key that it came under */
	size_t answer_len;
	uint8_t answer[BODY_MAX]; /* M3's body, the same at each retry */
	bool challenged;
	struct reply reply;
	unsigned reply_key; /* the door key that it came under */
	int64_t clock_ahead_ns;
	uint64_t round_trip_ns;
};

/* Given, in guarded memory; asleep. */
struct exchange *exchange_new(const struct postern_profile *p, const struct memory *m);
void exchange_free(struct exchange *x);

/* Begin, unless it has ended already: the first M1 is due at_ns. */
void exchange_wake(struct exchange *x, uint64_t at_ns);

/*
 * What is due at now: the packet to send, or the end when it was waited long
 * enough. Returns the packet's length; 0 when there is nothing to send.
 */
size_t exchange_send(struct exchange *x, struct moment now, uint8_t packet[static VEIL_ROOM]);

/* When that packet really left, if that was later: writing the state takes its time. */
void exchange_sent(struct exchange *x, struct moment now);

/* A packet has come. True when it was the server's and for this attempt. */
bool exchange_receive(struct exchange *x, struct moment now, const uint8_t *packet, size_t len);

/* ANSWERING, and the challenge may be forgotten: knock anew, at once. */
void exchange_again(struct exchange *x, uint64_t at_ns);

/* The way is narrower than the last packet: from now on the shortest, beginning at once. */
void exchange_narrow(struct exchange *x, uint64_t at_ns);

/* End it from outside. */
void exchange_stop(struct exchange *x, enum exchange_outcome why, int error);

/* The t of the M1 whose challenge is being answered; 0 in other phases. */
uint64_t exchange_challenge_t(const struct exchange *x);
/* The t of the newest M1; 0 when there was none. */
uint64_t exchange_newest_t(const struct exchange *x);

bool exchange_granted(const struct exchange *x);

#endif
