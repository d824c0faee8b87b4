/*
 * verdict - what a capture of nfqueue says to the monitor, on a descriptor of
 * their own (FD_VERDICT). The kernel takes verdicts from nobody without
 * CAP_NET_ADMIN and by no other socket than the queue's own, so the capture
 * reads and the monitor, on a duplicate of the socket, gives them by number.
 *
 * As in message.h: fixed-size structs, exact length, or the capture dies. The
 * worst that a taken capture can say is that its own queue's packets, all of
 * them knocks or strangers' to the knock port, go on or do not.
 */
#ifndef POSTERN_DAEMON_VERDICT_H
#define POSTERN_DAEMON_VERDICT_H

#include <stdint.h>

#include "ipc.h"

enum verdict_message {
	VERDICT_QUEUE =
	    1, /* first of all, once, while the capture is root yet: the queue's socket comes along */
	VERDICT_GIVE,
};

enum { VERDICT_DROPS_MAX = 256 };

struct verdict_queue {
	struct ipc_head head;
	uint32_t queue;
	uint32_t unused;
};

struct verdict_give {
	struct ipc_head head;
	uint32_t accepts; /* 1: all up to accept_to that are not dropped here go on */
	uint32_t accept_to;
	uint32_t drops; /* how many of drop count; the rest is zeros */
	uint32_t unused;
	uint32_t drop[VERDICT_DROPS_MAX];
};

#endif
