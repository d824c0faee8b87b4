#include "trouble.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { TAIL_ROOM = 32 }; /* "... and 4294967295 more" */

void trouble_clear(struct trouble *t)
{
	t->count = 0;
	t->left_out = 0;
	t->len = 0;
	t->text[0] = '\0';
}

/* A terminal obeys what it prints: file names and foreign words are shown, not obeyed. */
static size_t escape(char *out, size_t cap, const char *in)
{
	size_t len = 0;

	for (; *in && len + 5 <= cap; in++) {
		unsigned char c = (unsigned char)*in;
		if (c >= 0x20 && c < 0x7f)
			out[len++] = *in;
		else
			len += (size_t)snprintf(out + len, cap - len, "\\x%02x", c);
	}
	out[len] = '\0';
	return len;
}

void trouble_say(struct trouble *t, const char *format, ...)
{
	char raw[TROUBLE_LINE];
	char line[TROUBLE_LINE];
	va_list args;

	va_start(args, format);
	(void)vsnprintf(raw, sizeof(raw), format, args);
	va_end(args);
	size_t len = escape(line, sizeof(line), raw);
	t->count++;
	if (t->left_out == 0 && t->len + 1 + len + TAIL_ROOM < sizeof(t->text)) {
		if (t->len > 0)
			t->text[t->len++] = '\n';
		memcpy(t->text + t->len, line, len + 1);
		t->len += len;
		return;
	}
	t->left_out++;
	/* Over the line of the one before: len stays where the told sentences end. */
	(void)snprintf(t->text + t->len, TAIL_ROOM, "\n... and %u more", t->left_out);
}
