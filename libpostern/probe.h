/*
 * probe - is a door open? A connection to the service tells, and is closed at
 * once. For knocks that bring no answer back. No clock: the time is passed in.
 *
 * A trap takes connections where no door is open. It has no room for a byte, or
 * resets them as soon as they stand: so one is believed that is spoken to, or
 * that stands for a while. A trap counts what it meets, so it is met but once.
 */
#ifndef LIBPOSTERN_PROBE_H
#define LIBPOSTERN_PROBE_H

#include <poll.h>
#include <stdbool.h>
#include <stdint.h>

#include "resolve.h"

struct probe {
	int sock;	 /* -1: none is under way */
	bool stands;	 /* it was taken, and is not believed yet */
	uint64_t due_ns; /* when to begin, to give it up or to believe it; UINT64_MAX: not wanted */
	uint64_t begun_ns;
	uint64_t each_ms; /* how long the next one may take */
};

enum probe_result {
	PROBE_NOTHING, /* go on */
	PROBE_THROUGH,
	PROBE_TRAPPED, /* taken, and reset or starved: it tells nothing, and must not be tried again */
};

/* Not wanted yet. */
void probe_init(struct probe *p);
/* Try the door again and again from at_ns on, unless that is done already. */
void probe_want(struct probe *p, uint64_t at_ns);
/* No longer. */
void probe_end(struct probe *p);
/* Go on. It has ended by itself when this is not PROBE_NOTHING. */
enum probe_result probe_step(
    struct probe *p, const struct target *to, uint16_t port, uint64_t now_ns);
size_t probe_fds(const struct probe *p, struct pollfd *out, size_t cap);

#endif
