#include "tcpdump_said.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
	PIECE_BYTES = 512,
	PIECES_MAX = 64, /* a turn: more is not said in a second, and the rest waits */
};

/* "3 packets captured, 4 packets received by filter, 1 packet dropped by kernel": the number before these words. */
static bool take_count(struct tcpdump_said *s)
{
	static const char *const words[] = {
	    " packets dropped by kernel", " packet dropped by kernel"};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		const char *end = strstr(s->line, words[i]), *at = end;

		while (at != NULL && at > s->line && at[-1] >= '0' && at[-1] <= '9')
			at--;
		if (at == NULL || at == end)
			continue;
		s->dropped = strtoull(at, NULL, 10);
		return true;
	}
	return false;
}

static void end_line(struct tcpdump_said *s)
{
	s->line[s->len] = '\0';
	if (s->len > 0 && !take_count(s))
		memcpy(s->last, s->line, s->len + 1);
	s->len = 0;
}

void tcpdump_take(struct tcpdump_said *s, const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		char c = text[i];

		if (c == '\n') {
			end_line(s);
		} else if (s->len < TCPDUMP_LINE_MAX - 1) {
			if (c < ' ' || c > '~')
				c = '?';
			else if (c == '"')
				c = '\'';
			s->line[s->len++] = c;
		}
	}
}

void tcpdump_listen(struct tcpdump_said *s, int fd)
{
	char text[PIECE_BYTES];
	ssize_t n = 1;

	for (unsigned i = 0; i < PIECES_MAX && n > 0; i++) {
		n = read(fd, text, sizeof(text));
		if (n > 0)
			tcpdump_take(s, text, (size_t)n);
	}
}
