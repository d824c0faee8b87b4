/*
 * probe - is a door open? A connection to the service tells, and is closed at
 * once. For knocks that bring no answer back. No clock: the time is passed in.
 */
#ifndef LIBPOSTERN_PROBE_H
#define LIBPOSTERN_PROBE_H

#include <poll.h>
#include <stdbool.h>
#include <stdint.h>

#include "resolve.h"

struct probe {
	int sock;	  /* -1: none is under way */
	uint64_t due_ns;  /* when to begin, or to give this one up; UINT64_MAX: not wanted */
	uint64_t each_ms; /* how long the next one may take */
};

/* Not wanted yet. */
void probe_init(struct probe *p);
/* Try the door again and again from at_ns on, unless that is done already. */
void probe_want(struct probe *p, uint64_t at_ns);
/* No longer. */
void probe_end(struct probe *p);
/* Go on. True when a connection came through. */
bool probe_step(struct probe *p, const struct target *to, uint16_t port, uint64_t now_ns);
size_t probe_fds(const struct probe *p, struct pollfd *out, size_t cap);

#endif
