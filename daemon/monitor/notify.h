/*
 * notify - tell the service manager how we are: datagrams of a few lines to
 * the socket that NOTIFY_SOCKET names (a path, or '@' and an abstract name).
 * Process: monitor.
 */
#ifndef POSTERN_MONITOR_NOTIFY_H
#define POSTERN_MONITOR_NOTIFY_H

#include <sys/socket.h>
#include <sys/un.h>

struct notify {
	int fd; /* -1: nobody wants to know */
	socklen_t to_len;
	struct sockaddr_un to;
};

/* where: the value of NOTIFY_SOCKET, borrowed, may be NULL. A bad one is logged, no failure. */
void notify_open(struct notify *n, const char *where);
void notify_close(struct notify *n);

/* status: one line for a person, ours. */
void notify_ready(const struct notify *n, const char *status);
void notify_reloading(const struct notify *n);
void notify_stopping(const struct notify *n);

#endif
