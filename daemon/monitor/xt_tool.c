/* xt_tool - see xt_tool.h. */
#include "xt_tool.h"

#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "log.h"
#include "tool_run.h"

enum {
	MS = 1000,
	HUNG_MS = 2 * TOOL_PATIENCE_MS, /* in one reload or so, we wait for it once */
};

const struct xt_family xt_families[XT_FAMILIES] = {
    {true, "/usr/sbin/iptables-save", "/usr/sbin/iptables-restore"},
    {false, "/usr/sbin/ip6tables-save", "/usr/sbin/ip6tables-restore"},
};

static void tell_tool(const char *tool, int status, const char *said)
{
	char quoted[LOG_QUOTE_MAX];

	if (status == TOOL_MISSING)
		log_error("firewall", "tool=%s: cannot be run; install iptables", tool);
	else if (status == TOOL_KILLED)
		log_error("firewall", "tool=%s: did not end in %d seconds and was killed", tool,
		    TOOL_PATIENCE_MS / MS);
	else
		log_error("firewall", "tool=%s status=%d said=%s", tool, status,
		    log_quote(quoted, said, strcspn(said, "\n")));
}

static void note_hung(struct xt_tools *t, const char *tool)
{
	t->hung = tool;
	t->hung_until_ms = clock_mono_ms() + HUNG_MS;
}

/* Returns the exit status; TOOL_KILLED and logged when it hung a moment ago. */
static int run(struct xt_tools *t, const char *const argv[], const char *input, char **said)
{
	int status;

	*said = NULL;
	if (clock_mono_ms() < t->hung_until_ms) {
		log_error("firewall", "tool=%s: not run, since tool=%s hung a moment ago", argv[0],
		    t->hung);
		return TOOL_KILLED;
	}
	status = tool_run(argv, NULL, input, said);
	if (status == TOOL_KILLED)
		note_hung(t, argv[0]);
	if (status != 0)
		tell_tool(argv[0], status, *said);
	return status;
}

static char *text_or_null(int status, char *said)
{
	if (status == 0)
		return said;
	free(said);
	return NULL;
}

char *xt_save(struct xt_tools *t, const struct xt_family *f)
{
	const char *const argv[] = {f->save, NULL};
	char *said;
	const int status = run(t, argv, "", &said);

	return text_or_null(status, said);
}

/* Waits for others that hold the lock less long than we wait for it. */
int xt_restore(struct xt_tools *t, const struct xt_family *f, const char *text)
{
	const char *const argv[] = {f->restore, "-w", "3", "--noflush", NULL};
	char *said;
	const int status = run(t, argv, text, &said);

	free(said);
	return status == 0 ? 0 : -1;
}

int xt_save_start(struct tool *run, const struct xt_family *f)
{
	const char *const argv[] = {f->save, NULL};

	return tool_start(run, argv, NULL, "");
}

char *xt_save_end(struct xt_tools *t, struct tool *run, const struct xt_family *f)
{
	char *said;
	const int status = tool_end(run, 0, &said);

	if (status == TOOL_KILLED)
		note_hung(t, f->save);
	if (status != 0)
		tell_tool(f->save, status, said);
	return text_or_null(status, said);
}
