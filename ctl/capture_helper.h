/*
 * capture_helper - processes that a method on trial needs beside its own: who
 * records for savefile, and who gives verdicts for nfqueue.
 */
#ifndef POSTERN_CTL_CAPTURE_HELPER_H
#define POSTERN_CTL_CAPTURE_HELPER_H

#include <stdint.h>
#include <sys/types.h>

struct capture_helper {
	pid_t pid; /* 0: none */
	int output; /* of a recorder: where to read. Of a judge: where to speak to it. The caller's to close */
};

/* tcpdump, writing what comes in by an interface to a pipe; it has begun. Returns 0 or -1; end it then, too. */
int helper_record(struct capture_helper *h, const char *interface, const char *filter)
    __attribute__((warn_unused_result));
/* What the monitor does for the daemon: verdicts on a queue, on a duplicate of its socket. */
int helper_judge(struct capture_helper *h, uint16_t queue) __attribute__((warn_unused_result));
/* End the process, if there is one. */
void helper_end(struct capture_helper *h);

#endif
