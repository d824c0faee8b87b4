/*
 * netsim - a network out of memory between the client's exchanges and a fake
 * server: time passes only when nothing happens, packets are lost, late,
 * doubled and recorded as the test says. Deterministic: its chance is seeded.
 */
#ifndef POSTERN_TESTS_NETSIM_H
#define POSTERN_TESTS_NETSIM_H

#include "fakeserver.h"
#include "pair.h"

enum { SIM_FLYING_MAX = 64, SIM_RECORD_MAX = 64 };

struct sim_packet {
	bool used, to_server;
	unsigned side;
	uint64_t at_ns;
	size_t len;
	uint8_t bytes[VEIL_ROOM];
};

struct sim {
	struct fake_server server;
	struct postern_profile *profile;
	struct exchange *side[PAIR_MAX];
	struct pair pair;
	uint64_t now_ns;  /* monotonic */
	int64_t world_ns; /* CLOCK_REALTIME of the world at now_ns 0 */
	int64_t client_ahead_ns;
	uint64_t last_t; /* the client's memory */
	int64_t offset_ns;
	uint32_t chance; /* state of the generator */

	/* the network */
	unsigned loss_percent; /* each way */
	unsigned double_percent;
	uint64_t delay_ns[PAIR_MAX], jitter_ns; /* one way */
	bool dead[PAIR_MAX];			/* to the server */
	bool deaf[PAIR_MAX];			/* from the server */

	struct sim_packet flying[SIM_FLYING_MAX];
	struct sim_packet record[SIM_RECORD_MAX]; /* all that was sent, lost or not */
	unsigned recorded;
	uint64_t done_ns[PAIR_MAX]; /* when each side ended */
};

/* A server, a profile for it, and sides that will ask to open ssh. */
void sim_start(struct sim *s, unsigned sides, uint32_t seed);
void sim_end(struct sim *s);
/* Let it run until all is done, or until_ns (0: for ever). */
void sim_run(struct sim *s, uint64_t until_ns);
struct moment sim_moment(const struct sim *s);
/* The source address of a side. */
struct address sim_address(unsigned side);
/* Put a packet on its way by hand. */
void sim_inject(struct sim *s, bool to_server, unsigned side, const uint8_t *bytes, size_t len);

#endif
