/* notify - see notify.h. */
#include "notify.h"

#include <errno.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "log.h"

enum { NOTIFY_TEXT_MAX = 256, US_PER_MS = 1000 };

/* Returns 0, or -1 for a name that no Unix socket can have. */
static int address_of(struct notify *n, const char *where)
{
	const size_t len = strlen(where);

	if ((where[0] != '/' && where[0] != '@') || len < 2 || len >= sizeof(n->to.sun_path))
		return -1;
	n->to = (struct sockaddr_un){.sun_family = AF_UNIX};
	memcpy(n->to.sun_path, where, len);
	n->to_len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len);
	if (where[0] == '@') /* abstract: a NUL, and its length counts */
		n->to.sun_path[0] = '\0';
	else
		n->to_len++;
	return 0;
}

void notify_open(struct notify *n, const char *where)
{
	n->fd = -1;
	if (!where || !where[0])
		return;
	if (address_of(n, where)) {
		log_warning(
		    "notify_socket", "NOTIFY_SOCKET is no name of a Unix socket: nobody is told");
		return;
	}
	n->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (n->fd < 0)
		log_warning("notify_socket", "error=\"%s\": nobody is told", strerror(errno));
}

void notify_close(struct notify *n)
{
	if (n->fd >= 0)
		close(n->fd);
	n->fd = -1;
}

static void tell(const struct notify *n, const char *text)
{
	if (n->fd < 0)
		return;
	if (sendto(n->fd, text, strlen(text), MSG_NOSIGNAL, (const struct sockaddr *)&n->to,
		n->to_len) < 0)
		log_warning("notify_failed", "error=\"%s\"", strerror(errno));
}

void notify_ready(const struct notify *n, const char *status)
{
	char text[NOTIFY_TEXT_MAX];

	(void)snprintf(text, sizeof(text), "READY=1\nSTATUS=%s\n", status);
	tell(n, text);
}

/* The time tells the manager which reload the READY=1 that follows belongs to. */
void notify_reloading(const struct notify *n)
{
	char text[NOTIFY_TEXT_MAX];

	(void)snprintf(text, sizeof(text),
	    "RELOADING=1\nMONOTONIC_USEC=%" PRIu64 "\nSTATUS=reading the configuration again\n",
	    clock_mono_ms() * US_PER_MS);
	tell(n, text);
}

void notify_stopping(const struct notify *n)
{
	tell(n, "STOPPING=1\nSTATUS=stopping\n");
}
