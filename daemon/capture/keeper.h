/*
 * keeper - a program that captures for us, kept on a short rope: it ends when
 * we do, whatever ends us.
 *
 * It runs as our own later user with CAP_NET_RAW alone, from its first moment:
 * that is less than a root that gives itself up, and a change of user by the
 * program would undo the rope. Between us and it stands a process that does
 * nothing but hold it: when we are gone, a pipe tells it, and it ends; when it
 * is gone, the kernel kills the program. We ourselves could not be that one,
 * since our jail lets no signal out, not even at our death.
 */
#ifndef POSTERN_CAPTURE_KEEPER_H
#define POSTERN_CAPTURE_KEEPER_H

#include <sys/types.h>

struct keeper_plan {
	const char *const *argv; /* NULL-terminated; argv[0] is the program's whole path */
	uid_t uid;		 /* not root's */
	gid_t gid;
	int ask; /* a signal that it gets each second once keeper_go() was called; 0: none */
};

struct keeper {
	int output; /* what it writes: a pipe, non-blocking */
	int said;   /* to its standard error: the same */
	int rope;   /* it lives while this is open, in us alone */
};

/*
 * Returns 0 and the descriptors, given; -1 with errno: there is none. That the
 * program runs at all shows by its output.
 */
int keeper_start(struct keeper *k, const struct keeper_plan *p) __attribute__((warn_unused_result));
/* The program is ready to be asked. */
void keeper_go(const struct keeper *k);
/* Let go of it. Harmless for one of which all is -1. */
void keeper_end(struct keeper *k);

#endif
