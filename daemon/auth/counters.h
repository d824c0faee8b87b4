/*
 * counters - how often what happened: one for each reason to drop a message
 * and one for each decision. Read by `posternctl stats` as "auth.<name>".
 */
#ifndef POSTERN_AUTH_COUNTERS_H
#define POSTERN_AUTH_COUNTERS_H

#include <stdint.h>

#include "request.h"

enum auth_counter {
	/* before any costly work */
	COUNT_RECEIVED,	 /* messages from captures */
	COUNT_FORM,	 /* opened veil, but no message of a client in it */
	COUNT_CLIENT,	 /* cid of no client */
	COUNT_LABEL,	 /* label's MAC does not hold */
	COUNT_ENVELOPE,	 /* not one that this client may use */
	COUNT_CARRIER,	 /* nor one that it may knock by */
	COUNT_SEQUENCE,	 /* nor one that it may knock along */
	COUNT_REPLAY,	 /* t is not greater than the mark */
	COUNT_REPEAT,	 /* the same message waits already */
	COUNT_DUPLICATE, /* the same packet, seen by another capture */
	COUNT_RATE,	 /* client's bucket is empty */
	COUNT_QUEUE,	 /* no room in this turn's queue */
	COUNT_PGP_BUSY,	 /* gpg has enough to do, or works on another one of this client */
	COUNT_PGP_DOWN,	 /* there is no gpg */
	/* first messages */
	COUNT_FORGED,	  /* label holds, envelope does not */
	COUNT_PGP_FAILED, /* gpg was not done in time, or died */
	COUNT_PGP_LATE,	  /* it was done when nobody waited any more */
	COUNT_SHORT,	  /* authentic, shorter than a request's head */
	COUNT_DOUBT,	  /* in doubt and no reply wanted: silence */
	COUNT_KNOWN,	  /* attempt seen before: answered again */
	COUNT_CHALLENGED,
	COUNT_CHALLENGES_FULL,
	/* answers to challenges */
	COUNT_ANSWER_NONE,   /* no challenge waits */
	COUNT_ANSWER_OLD,    /* label's t is not greater than that of the answer before */
	COUNT_ANSWER_PLACE,  /* from another address or over another carrier */
	COUNT_ANSWER_FORGED, /* the envelope does not open */
	COUNT_ANSWER_WRONG,  /* opens, but says something else than it must */
	COUNT_ANSWER_AGAIN,  /* the same again: gets the same result */
	COUNT_ANSWER_RIGHT,
	/* decisions: one for each verdict, in the order of enum verdict */
	COUNT_VERDICT,
	COUNT_VERDICT_LAST = COUNT_VERDICT + VERDICT_EXPIRED,
	/* what came of it */
	COUNT_STORE_FAILED, /* messages refused because the store could not keep them */
	COUNT_BUSY,	    /* refused because too much is under way */
	COUNT_SENT,	    /* answers handed to the kernel */
	COUNT_UNWANTED,	    /* decided, no reply wanted */
	COUNT_NO_ROOM,	    /* the answer would be longer than what it answers */
	COUNT_UNSEALED,	    /* client gone, or a key that must not be used */
	COUNT_SEND_FAILED,  /* the kernel did not take the answer */
	COUNT_OPENED,
	COUNT_EXTENDED,
	COUNT_CLOSED,
	COUNT_ENDED,	    /* sessions whose time was over */
	COUNT_DOOR_FAILED,  /* the monitor said no */
	COUNT_STRIKE,	    /* PINs, codes, keys or services that were tried out */
	COUNT_SUSPENDED,    /* clients, for that */
	COUNT_BAN_STRIKE,   /* what was tried from an address that is proven */
	COUNT_BANNED,	    /* addresses, for that */
	COUNT_UNBANNED,	    /* before the time */
	COUNT_TRAP_SEEN,    /* segments that came to traps */
	COUNT_TRAP_ANSWER,  /* that were answered */
	COUNT_TRAP_RATE,    /* that were not, for there were too many */
	COUNT_TRAP_FORGED,  /* that acknowledge what we never sent there */
	COUNT_TRAPPED,	    /* connections that were completed */
	COUNT_EVENT_LOST,   /* that no script was told of: the monitor had no room */
	COUNT_JOURNAL_LOST, /* records that the store could not keep */
	AUTH_COUNTERS,
};

struct counters {
	uint64_t n[AUTH_COUNTERS];
};

/* Stable lower-case name: "replay", "verdict.denied". c is below AUTH_COUNTERS. */
const char *counter_name(enum auth_counter c);
void count(struct counters *cs, enum auth_counter c);
void count_verdict(struct counters *cs, enum verdict v);

#endif
