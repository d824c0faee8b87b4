/*
 * ending - of a command that runs until it is told to end.
 *
 * The first SIGINT, SIGTERM or SIGHUP asks for the end: whatever is waited for
 * is left, and what is still to be said to the server has two seconds. A second
 * signal ends the process at once. What does not let itself be left (a name
 * server that is silent) is cut off after a second more.
 */
#ifndef POSTERN_CLIENT_ENDING_H
#define POSTERN_CLIENT_ENDING_H

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "postern.h"

enum { ENDING_WAIT_MS = 2000 };

struct ending {
	uint64_t until_ms; /* clock_boot_ms() of the last words; 0: they have not begun */
	uint64_t part_ms;  /* of that part of them which is being said */
};

/* Signals are caught from now on; an ignored SIGHUP (nohup) stays so. Returns 0, or -1 with errno. */
int ending_begin(struct ending *e);
/* What follows are the last words: they have ENDING_WAIT_MS, and no signal but a second one stops them. */
void ending_last_words(struct ending *e);
/* Of the time that they have left, one of so many parts is for what is said next. */
void ending_part(struct ending *e, size_t parts);

/*
 * As poll(). Returns true when it is time to leave: the end was asked for, or the last words, or
 * this part of them, have had their time.
 */
bool ending_poll(const struct ending *e, struct pollfd *fds, size_t n, int timeout_ms);
/* As postern_knock_run(); POSTERN_AGAIN: left before there was an answer. */
int ending_run(const struct ending *e, struct postern_knock *k);

#endif
