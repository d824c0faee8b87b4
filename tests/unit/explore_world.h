/*
 * explore_world - one history's world: the truth about time, every message that
 * was ever made, what was acted on, and what that violates.
 */
#ifndef POSTERN_TEST_EXPLORE_WORLD_H
#define POSTERN_TEST_EXPLORE_WORLD_H

#include "auth_lab.h"

enum {
	MESSAGES_MAX = 400, /* of one history */
	ATTEMPTS_MAX = 120,
};

enum violation { P1 = 1, P2 = 2, ORACLE = 4, LATE = 8, LIVE = 16 };

struct message {
	struct lab_message m;
	unsigned attempt;
	bool is_m3, at_server;
	unsigned reactions, m1; /* of an M3: the M1 it goes with */
	uint64_t made_ms;	/* true time */
};

struct world {
	struct lab l;
	struct lab_client *c;
	/* client */
	int64_t client_off_s;
	uint64_t last_t;
	int64_t offset_ns;
	/* truth */
	struct store *store, *lie; /* lie: what would be left if the process died now */
	uint64_t base_real_ns, base_boot_ms;
	int64_t server_off_s;
	unsigned messages, attempts, epoch;
	struct message message[MESSAGES_MAX];
	bool acted[ATTEMPTS_MAX];
	unsigned acted_epoch[ATTEMPTS_MAX];
	bool was_live
	    [ATTEMPTS_MAX]; /* under way when the store was lost: may be done again, and only then */
	int newest_acted;
	bool is_calm; /* LATE is looked for */
	unsigned violations;
};

/* With clocks right and nothing lost a world is calm: then nothing may be acted on late. */
void start_world(struct world *w, bool calm);
void violate(struct world *w, enum violation v);
uint64_t client_clock(const struct world *w);
void set_server_clock(struct world *w, int64_t off_s);
/* Time passes for all. */
void pass(struct world *w, uint64_t ms);

/* With BUG_COMMIT_AFTER: what is written from now on is not there after a death, until it is forgotten. */
void remember_lie(struct world *w);
void forget_lie(struct world *w);
/* The process dies; what it asked the monitor for may be done yet, or not. */
void die(struct world *w, bool asked_is_done);
/* live_attempt: under way, so that it may be done again; ATTEMPTS_MAX when none is. */
void lose_store(struct world *w, unsigned live_attempt);

/* Messages are known by their number. */
unsigned make_m1(struct world *w, const struct request *q, unsigned attempt);
/* An M3 for M1 i to the challenge p; first NULL, or the M3 whose body is sent again. */
unsigned make_m3(struct world *w, unsigned i, const struct reply *p, const struct message *first);
void deliver(struct world *w, unsigned i, bool elsewhere);
void deliver_and_settle(struct world *w, unsigned i, bool elsewhere);
/* Each packet sent since is held against the message that it answers. */
void judge_answers(struct world *w, unsigned from);
/* The answer to message i, if one came and was not lost on its way. Nothing sent is left. */
bool hear(struct world *w, unsigned i, struct reply *p, bool lost);
/* The attacker delivers what he likes; only what the server has seen, for who can hold back the rest can as well drop it. */
void replay_some(struct world *w, unsigned times);
void replay_seen(struct world *w);

#endif
