/*
 * exchange - one attempt's way to its verdict: M1 after M1 until something is
 * heard, M3 after M3 when the server asks who is there. No socket, no clock, no
 * file: packets and times are handed in, and a t is drawn through a function.
 * Sending is in exchange.c, what comes back in exchange_take.c.
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
#include "sender.h"

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
	/* What time the server has, as far as is known: clock + offset. */
	uint64_t (*server_time)(void *arg, uint64_t clock_ns);
	void *arg;
};

/* The pictures to hide in, passed in; none are needed while no cover takes any. */
struct pictures {
	/*
	 * Gives one that was never used before, has room for a veil of at least so many bytes and
	 * takes at most longest itself; borrowed until the next call. Returns 0, or -1 with errno.
	 */
	int (*take)(void *arg, size_t veil_len, size_t longest, struct picture *out);
	void *arg;
};

/* The one who knocks, passed in; nobody where a function is NULL. */
struct user {
	/*
	 * Put what a challenge asks for (bits of enum asked) into a. Returns 0, or -1: nobody says
	 * it. It may take a person's time: *took_ns.
	 */
	int (*give)(void *arg, uint8_t asked, struct answer *a, uint64_t *took_ns);
	/* What is known without asking: put it into a request that nothing comes back to; into any other, that a challenge is wanted. */
	void (*tell)(void *arg, struct request *q);
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
	EXCHANGE_TESTED,  /* it has not, but the door was tried and is open */
	EXCHANGE_SILENCE, /* nothing was heard in time */
	EXCHANGE_ASKED,	  /* for a PIN or a code, which nobody gave; reply has what for */
	EXCHANGE_STRANGE, /* strict, and the server sees another address */
	EXCHANGE_FAILED,  /* error has an errno */
	EXCHANGE_STOPPED, /* no longer wanted */
};

/* One M1 that may be answered. */
struct exchange_try {
	const struct sender *sender; /* which it went by: its carrier is in label and envelope */
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
	struct pictures pictures;
	struct user user;
	struct request request; /* own_address set and REQUEST_STRICT: what must be seen */
	unsigned retries;
	uint64_t least_wait_ms; /* EXCHANGE_FIRST_WAIT_MS, or more */
	size_t least;		/* shortest message that leaves room for the answer */
	uint64_t *newest_t;	/* of all M1s of this client, siblings' included; borrowed */

	/* what the next M1 goes by: exchange_carrier() */
	const struct sender *sender;
	const struct cover *cover;
	bool narrow;	  /* the way takes the shortest messages only */
	uint8_t *covered; /* the message to send; covered_cap bytes */
	size_t covered_cap;

	/* where it stands */
	enum exchange_phase phase;
	enum exchange_outcome outcome;
	int error;
	unsigned rounds; /* how often it began to knock */
	unsigned sends;	 /* of the phase */
	unsigned sent;	 /* of all */
	uint64_t due_ns; /* monotonic: when exchange_send() has something to do */
	bool held;	 /* the last message is still on its way out: due_ns is UINT64_MAX */
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

/* From now on M1s go by this carrier and under this cover; both are as in the profile at first. */
void exchange_carrier(struct exchange *x, const struct sender *sender, const struct cover *cover);

/* KNOCKING, all was sent that may be, and the last wait is over: exchange_send() would end it. */
bool exchange_is_spent(const struct exchange *x, struct moment now);
/* Knock on by another carrier, from at_ns on, as if nothing had been sent yet. */
void exchange_move(
    struct exchange *x, const struct sender *sender, unsigned retries, uint64_t at_ns);

/* What is to be sent, and by which carrier: an M3 goes by that of the M1 that was answered. */
struct exchange_packet {
	const struct sender *sender;
	struct sender_message message; /* borrowed until the exchange is called again */
};

/*
 * What is due at now: the message to send, or the end when it was waited long
 * enough. Returns false when there is nothing to send.
 */
bool exchange_send(struct exchange *x, struct moment now, struct exchange_packet *out);

/* When (a part of) that really left, if that was later: writing the state takes its time. */
void exchange_sent(struct exchange *x, struct moment now);

/*
 * The way is busy with the message, perhaps for long (pieces, repeats, a connection): the wait for
 * an answer begins with exchange_release().
 */
void exchange_hold(struct exchange *x);
void exchange_release(struct exchange *x, uint64_t now_ns);

/* Bytes have come over this carrier. True when they were the server's and for this attempt. */
bool exchange_receive(struct exchange *x, struct moment now, const struct sender *from,
    const uint8_t *packet, size_t len);

/* Wait no longer: the next message is due at_ns. */
void exchange_hurry(struct exchange *x, uint64_t at_ns);

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
/* The greatest t of an M1 that was answered, by whatever; 0 when none was. */
uint64_t exchange_answered_t(const struct exchange *x);

bool exchange_granted(const struct exchange *x);
/*
 * It ended with a refusal of who asks, or of what is asked for: whatever the other family was told
 * would be the same, and to a server that counts wrong PINs one person's mistake would be two.
 */
bool exchange_is_final(const struct exchange *x);

#endif
