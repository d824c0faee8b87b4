/*
 * capture_round - methods at work side by side for a while, and what became of
 * the packets that came meanwhile.
 */
#ifndef POSTERN_CTL_CAPTURE_ROUND_H
#define POSTERN_CTL_CAPTURE_ROUND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "capture_cost.h"
#include "capture_helper.h"
#include "capture_rules.h"
#include "trial.h"

enum { ROUND_METHODS_MAX = 16 };

/* How a method differs from one that reads an interface beside whoever else does. */
struct round_traits {
	const char *name;
	bool everywhere;   /* reads what the firewall gives it, from all interfaces */
	bool logged;	   /* from our group of the firewall's log */
	bool queued;	   /* from our queue */
	bool diverted;	   /* from our own port */
	bool recorded;	   /* from its standard input, which is a recording */
	bool takes;	   /* keeps what it sees from everybody else */
	const char *alone; /* why it cannot work beside others; NULL: it can */
};

const struct round_traits *round_traits_of(const struct capture_method *m);

/* What all methods are to see. */
struct round_source {
	const char *interface;
	uint16_t port;
	const char *filter; /* all of it */
	uid_t uid;	    /* what the readers become */
	gid_t gid;
	const struct veil_keys *key; /* for a method that checks the gate */
};

struct round {
	size_t methods;
	struct round_entry {
		const struct capture_method *method;
		struct trial *trial;
		struct capture_helper helper;
		struct cost before, after;
		struct trial_report report;
	} at[ROUND_METHODS_MAX];
};

/* Start one more method. Returns 0, or -1 with why. */
int round_add(struct round *r, const struct capture_method *m, const struct round_source *s,
    char why[static TRIAL_WHY_MAX]) __attribute__((warn_unused_result));
/* The rules that its methods need. */
struct rules_want round_rules(const struct round *r, const struct round_source *s);

/* All count anew, frames stamped in this window. Returns NULL, or the method that died; so do the others. */
const struct capture_method *round_begin(struct round *r, uint64_t from_ns, uint64_t until_ns);
/* From here on and up to there what they cost is counted. */
void round_cost_from(struct round *r);
void round_cost_until(struct round *r);
const struct capture_method *round_report(struct round *r);
/* Packets seen so far by all of them. */
uint64_t round_frames(const struct round *r);
/* What one of them and its helper hold. */
uint64_t round_memory_kib(const struct round_entry *e);

void round_end(struct round *r);

#endif
