#include "roster.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon.h"
#include "output.h"
#include "replace.h"
#include "secret.h"

/* A line of len bytes, as the daemon will check it. */
static void check_part(
    struct roster *r, unsigned number, const char *line, size_t len, struct report *report)
{
	char copy[CLIENT_LINE_MAX + 1];

	if (len >= sizeof(copy))
		len = sizeof(copy) - 1; /* enough for it to be refused as too long */
	memcpy(copy, line, len);
	copy[len] = '\0';
	(void)!clients_line(r->clients, number > 0 ? r->path : "new client", number, copy, report);
	secret_wipe(copy, sizeof(copy));
}

static int check_text(struct ctl *c, struct roster *r)
{
	struct report report = ctl_report(c);
	const char *line = r->text;
	unsigned number = 0;

	while (*line != '\0') {
		size_t len = strcspn(line, "\n");

		check_part(r, ++number, line, len, &report);
		line += len + (line[len] == '\n');
	}
	/* That nobody is named yet is no news to whom asks for it here. */
	if (clients_count(r->clients) > 0)
		(void)clients_finish(r->clients, r->path, &report);
	return report.errors == 0 ? CTL_OK : CTL_FAILED;
}

int roster_open(struct ctl *c, struct roster *r, bool for_change)
{
	const struct config *config = ctl_config(c);

	*r = (struct roster){.lock = -1};
	if (config == NULL || ctl_path(c, config->clients, r->path) != 0)
		return CTL_FAILED;
	if (for_change) {
		r->lock = replace_lock(c, r->path);
		if (r->lock < 0)
			return CTL_FAILED;
	}
	r->text = ctl_read(c, r->path, ROSTER_TEXT_MAX, true);
	r->clients = clients_new(config);
	if (r->text == NULL || check_text(c, r) != CTL_OK) {
		roster_close(r);
		return CTL_FAILED;
	}
	return CTL_OK;
}

void roster_close(struct roster *r)
{
	ctl_text_free(r->text);
	clients_free(r->clients);
	if (r->lock >= 0)
		(void)close(r->lock);
	*r = (struct roster){.lock = -1};
}

int roster_check_line(struct ctl *c, struct roster *r, const char *line)
{
	struct report report = ctl_report(c);

	check_part(r, 0, line, strlen(line), &report);
	if (report.errors == 0)
		(void)clients_finish(r->clients, r->path, &report);
	return report.errors == 0 ? 0 : -1;
}

char *roster_with(const struct roster *r, const char *line)
{
	size_t len = strlen(r->text);
	const char *end = len > 0 && r->text[len - 1] != '\n' ? "\n" : "";
	size_t room = len + strlen(line) + 3;
	char *text = malloc(room);

	if (text == NULL)
		abort();
	(void)snprintf(text, room, "%s%s%s\n", r->text, end, line);
	return text;
}

static bool is_of(const char *line, size_t len, const char *name)
{
	size_t skip = strspn(line, " \t");
	size_t word = strcspn(line + skip, " \t\r\n");

	return skip + word <= len && word == strlen(name) && strncmp(line + skip, name, word) == 0;
}

char *roster_without(const struct roster *r, const char *name)
{
	const char *line = r->text;
	char *text = malloc(strlen(r->text) + 1);
	size_t at = 0;

	if (text == NULL)
		abort();
	while (*line != '\0') {
		size_t len = strcspn(line, "\n");
		size_t whole = len + (line[len] == '\n');

		if (!is_of(line, len, name)) {
			memcpy(text + at, line, whole);
			at += whole;
		}
		line += whole;
	}
	text[at] = '\0';
	return text;
}

/* One line, without its newline, into out: as it is, but for the option. */
static int set_in_line(
    char out[static CLIENT_LINE_MAX], const char *line, size_t len, const char *option)
{
	enum { KEYS = 4 };
	const size_t name_len = strlen(option);
	size_t at = 0, used = 0;

	for (int word = 0; word < KEYS; word++) {
		at += strspn(line + at, " \t");
		at += strcspn(line + at, " \t\r\n");
	}
	memcpy(out, line, at);
	used = at;
	at += strspn(line + at, " \t");
	out[used++] = ' ';
	while (at < len && line[at] != '\r') {
		size_t word = strcspn(line + at, ", \t\r\n");

		if (strncmp(line + at, option, name_len) != 0 || line[at + name_len] != '=') {
			memcpy(out + used, line + at, word);
			used += word;
			out[used++] = ',';
		}
		at += word;
		at += strspn(line + at, ", \t");
	}
	return (int)used;
}

/* Returns the length of the new line, or -1. */
static int rewrite(char out[static CLIENT_LINE_MAX], const char *line, size_t len,
    const char *option, const char *value)
{
	int used = len + 2 < CLIENT_LINE_MAX ? set_in_line(out, line, len, option) : -1;
	int more;

	if (used < 0)
		return -1;
	if (value == NULL)
		return used - 1; /* the last comma or blank */
	more = snprintf(out + used, (size_t)(CLIENT_LINE_MAX - used), "%s=%s", option, value);
	return more < 0 || more >= CLIENT_LINE_MAX - used ? -1 : used + more;
}

char *roster_set(const struct roster *r, const char *name, const char *option, const char *value)
{
	const char *line = r->text;
	char changed[CLIENT_LINE_MAX];
	char *text = malloc(strlen(r->text) + CLIENT_LINE_MAX);
	size_t at = 0;
	int new_len = 0;

	if (text == NULL)
		abort();
	while (*line != '\0' && new_len >= 0) {
		size_t len = strcspn(line, "\n");
		size_t whole = len + (line[len] == '\n');

		if (is_of(line, len, name) &&
		    (new_len = rewrite(changed, line, len, option, value)) >= 0) {
			memcpy(text + at, changed, (size_t)new_len);
			at += (size_t)new_len;
			text[at++] = '\n';
		} else {
			memcpy(text + at, line, whole);
			at += whole;
		}
		line += whole;
	}
	text[at] = '\0';
	secret_wipe(changed, sizeof(changed));
	if (new_len >= 0)
		return text;
	ctl_text_free(text);
	return NULL;
}

int roster_commit(struct ctl *c, struct roster *r, const char *text, bool undo)
{
	int status;

	if (replace_file(c, r->path, text) != 0)
		return CTL_FAILED;
	status = daemon_reload(c);
	if (status == CTL_OK || !undo)
		return status;
	if (replace_file(c, r->path, r->text) == 0)
		output_warn(c, "%s: it is again as it was", r->path);
	return status;
}
