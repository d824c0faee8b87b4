/*
 * knock - what a struct postern_knock is: a request, a side for each family
 * with its sockets and its exchange, and the client's memory of time.
 */
#ifndef LIBPOSTERN_KNOCK_H
#define LIBPOSTERN_KNOCK_H

#include "exchange.h"
#include "lane.h"
#include "library.h"
#include "pair.h"
#include "photos.h"
#include "probe.h"
#include "resolve.h"
#include "state.h"
#include "user.h"

enum { RETRIES_DEFAULT = 4 };

/* One address that is knocked at. */
struct path {
	struct way *way;	   /* NULL: there is none, or no longer */
	struct sender_error error; /* why */
	char local[POSTERN_ADDRESS_TEXT];
};

/* What came of a carrier that was left for the next. */
struct tried {
	const struct sender *sender;
	unsigned sent;
	struct sender_error error; /* number 0: silence */
};

struct side {
	struct targets server; /* its addresses */
	unsigned lane;	       /* of the knock's lanes, that which it is in now */
	unsigned sent_before;  /* packets that had gone out when it came there */
	unsigned tries;
	struct tried tried[PROFILE_CARRIERS_MAX];
	struct probe probe;
	struct targets targets;	       /* where the lane leads: to the server, or to a web server */
	struct path path[TARGETS_MAX]; /* to targets.at[] */
	unsigned current;	       /* that which is used now */
	bool heard;		       /* from current: no other is tried any more */
	struct exchange *exchange;
	struct postern_answer answer;
	struct postern_door door[DOORS_MAX];
	char reason[REASON_MAX + 1];
	char output[OUTPUT_MAX];
};

struct postern_knock {
	struct postern *lib;
	struct postern_profile *profile;
	struct request request; /* what each exchange asks, its attempt id aside */
	struct user_secrets *user;
	unsigned retries;
	int family;
	bool strict, any, started, ended;
	int status;
	struct state state;
	struct photos *photos; /* where the cover takes pictures, else NULL */
	struct lanes lanes;
	struct targets web[PAIR_MAX]; /* of http: the web server, or the proxy before it */
	unsigned webs;
	unsigned sides;
	struct side side[PAIR_MAX];
	struct pair pair;
};

/* Read an ended exchange into the side's answer. */
void answer_fill(const struct postern_knock *k, struct side *s);
/* The status of the whole, and, when it is not POSTERN_OK, one sentence a family in the errors. */
int answer_conclude(struct postern_knock *k);

/* ---- the sides ---- */

/* Find out where to knock, and open a side for each family. Returns false when there is none (told). Blocks. */
bool sides_open(struct postern_knock *k);
/* Sockets, and the exchange with its request. */
void side_open(struct postern_knock *k, struct side *s);
/* Did this one, or one before it, meet a trap where the door was tried? */
bool knock_met_trap(const struct postern_knock *k);
/* As lane_door(), and 0, too, where a trap was met: what it meets counts against this host. */
uint16_t knock_door(const struct postern_knock *k);
/* Where nothing comes back: is the door open? */
void side_probe(struct postern_knock *k, struct side *s, struct moment now);
void side_close(struct side *s);
/* Send what is due. */
void side_send(struct postern_knock *k, struct side *s, struct moment now);
/* Go on with what was begun, if anything. held: not now, since the other side is to be answered. */
void side_go_on(struct postern_knock *k, struct side *s, struct moment now, bool held);
/* Monotonic: when to call side_go_on() again; UINT64_MAX when there is nothing to go on with. */
uint64_t side_due(const struct side *s);
/* Read what came, a bounded number of packets. */
void side_receive(struct side *s);

struct moment moment_now(void);

#endif
