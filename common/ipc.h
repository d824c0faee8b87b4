/*
 * ipc - messages between our own processes: SOCK_SEQPACKET, a fixed head, the
 * exact length, descriptors beside it.
 *
 * A receiver that gets anything else treats its peer as taken: it closes the
 * socket, and the monitor kills the process.
 */
#ifndef POSTERN_COMMON_IPC_H
#define POSTERN_COMMON_IPC_H

#include <stddef.h>
#include <stdint.h>

enum { IPC_FDS_MAX = 8, IPC_MESSAGE_MAX = 4096 };

struct ipc_head {
	uint32_t type;
	uint32_t len; /* whole message, head included */
};

/* A pair, non-blocking, close-on-exec, with room for at least depth bytes each way (SO_SNDBUFFORCE where allowed). Returns 0 or -1. */
int ipc_pair(int fds[static 2], size_t depth);

/*
 * Send one message; msg begins with a filled ipc_head.
 * Returns 0; -1 with errno (EAGAIN: full, nothing sent).
 */
int ipc_send(int sock, const void *msg, const int *fds, size_t nfds)
    __attribute__((warn_unused_result));

/*
 * Receive one message into buf and its descriptors (close-on-exec) into fds.
 * Returns its length (head checked against it); 0 at end of file; -1 with
 * errno EAGAIN when there is none; -1 with errno EBADMSG when it is not a
 * message of ours (truncated, wrong head, more descriptors than max_fds; all
 * of them are closed then). *nfds tells how many came.
 */
int ipc_recv(int sock, void *buf, size_t cap, int *fds, size_t max_fds, size_t *nfds)
    __attribute__((warn_unused_result));

#endif
