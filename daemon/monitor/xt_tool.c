/* xt_tool - see xt_tool.h. */
#include "xt_tool.h"

#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "tool_run.h"

enum { MS = 1000 };

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

char *xt_save(const struct xt_family *f)
{
	const char *const argv[] = {f->save, NULL};
	char *said;
	int status = tool_run(argv, NULL, "", &said);

	if (status == 0)
		return said;
	tell_tool(f->save, status, said);
	free(said);
	return NULL;
}

/* Waits for others that hold the lock less long than we wait for it. */
int xt_restore(const struct xt_family *f, const char *text)
{
	const char *const argv[] = {f->restore, "-w", "3", "--noflush", NULL};
	char *said;
	int status = tool_run(argv, NULL, text, &said);

	if (status != 0)
		tell_tool(f->restore, status, said);
	free(said);
	return status == 0 ? 0 : -1;
}
