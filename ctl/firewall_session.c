#include "firewall_session.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define VARIABLE "SSH_CONNECTION="

enum {
	PATH_BYTES = 64,
	WORD_BYTES = ADDRESS_TEXT + 16,
	ANCESTORS_MAX = 64,
	ENVIRONMENT_MAX = 1 << 20
};

/* The next word of *text, which is then behind it. False when there is none, or it is too long. */
static bool next_word(const char **text, char out[static WORD_BYTES])
{
	size_t len;

	*text += strspn(*text, " ");
	len = strcspn(*text, " ");
	if (len == 0 || len >= WORD_BYTES)
		return false;
	memcpy(out, *text, len);
	out[len] = '\0';
	*text += len;
	return true;
}

static bool parse_address(const char **text, struct address *out)
{
	char word[WORD_BYTES];

	if (!next_word(text, word))
		return false;
	word[strcspn(word, "%")] = '\0'; /* a link-local one comes with its interface */
	return address_parse(word, out) == 0;
}

static bool parse_port(const char **text, uint16_t *out)
{
	char word[WORD_BYTES], *end;
	unsigned long n;

	if (!next_word(text, word))
		return false;
	n = strtoul(word, &end, 10);
	*out = (uint16_t)n;
	return *end == '\0' && n > 0 && n <= UINT16_MAX;
}

bool session_parse(const char *text, struct flow *out)
{
	return parse_address(&text, &out->remote) && parse_port(&text, &out->remote_port) &&
	       parse_address(&text, &out->local) && parse_port(&text, &out->local_port);
}

/* A whole file of /proc, which has no size beforehand. *len without the NUL that is put behind. NULL: none. */
static char *read_proc(pid_t pid, const char *name, size_t *len)
{
	char path[PATH_BYTES];
	char *text = malloc(ENVIRONMENT_MAX);
	FILE *f;

	(void)snprintf(path, sizeof(path), "/proc/%ld/%s", (long)pid, name);
	f = text ? fopen(path, "re") : NULL;
	if (!f) {
		free(text);
		return NULL;
	}
	*len = fread(text, 1, ENVIRONMENT_MAX - 1, f);
	text[*len] = '\0';
	(void)fclose(f);
	return text;
}

static bool environment_of(pid_t pid, struct flow *out)
{
	size_t len = 0;
	char *text = read_proc(pid, "environ", &len);
	bool found = false;

	for (size_t at = 0; text && at < len && !found; at += strlen(text + at) + 1)
		if (strncmp(text + at, VARIABLE, sizeof(VARIABLE) - 1) == 0)
			found = session_parse(text + at + sizeof(VARIABLE) - 1, out);
	free(text);
	return found;
}

static pid_t parent_of(pid_t pid)
{
	size_t len;
	char *text = read_proc(pid, "status", &len);
	const char *line = text ? strstr(text, "\nPPid:") : NULL;
	pid_t parent = line ? (pid_t)strtol(line + sizeof("\nPPid:") - 1, NULL, 10) : 0;

	free(text);
	return parent;
}

bool session_find(struct flow *out)
{
	const char *own = getenv("SSH_CONNECTION");
	pid_t pid = getppid();

	if (own)
		return session_parse(own, out);
	for (unsigned i = 0; i < ANCESTORS_MAX && pid > 1; i++) {
		if (environment_of(pid, out))
			return true;
		pid = parent_of(pid);
	}
	return false;
}
