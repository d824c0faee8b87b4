/*
 * tcpdump_said - what tcpdump says on its standard error: why it ended, and
 * how many frames the kernel lost, once it is asked.
 */
#ifndef POSTERN_CAPTURE_TCPDUMP_SAID_H
#define POSTERN_CAPTURE_TCPDUMP_SAID_H

#include <stddef.h>
#include <stdint.h>

enum { TCPDUMP_LINE_MAX = 256 };

/* Begins as zeros. */
struct tcpdump_said {
	char line[TCPDUMP_LINE_MAX]; /* being gathered; what is longer is cut */
	size_t len;
	char last
	    [TCPDUMP_LINE_MAX]; /* the last whole line that was no count; printable, without quotes */
	uint64_t dropped;	/* by the kernel, since it began */
};

/* Take in some of it. */
void tcpdump_take(struct tcpdump_said *s, const char *text, size_t len);
/* Take in all that is there, from a descriptor that does not block. */
void tcpdump_listen(struct tcpdump_said *s, int fd);

#endif
