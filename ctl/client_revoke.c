/*
 * client_revoke - shut a client out. What the daemon remembers of it, the mark
 * below which its knocks are spent, stays in the store.
 */
#include "command.h"
#include "daemon.h"
#include "output.h"
#include "roster.h"

/* Before the daemon forgets the name. Doors that open after this close with the reload. */
static int close_doors(struct ctl *c, const char *name)
{
	const struct daemon_question q = {
	    .type = CONTROL_CLOSE_CLIENT, .name = name, .may_be_away = true};
	char text[CONTROL_TEXT_MAX];
	int status = daemon_ask(c, &q, text);

	if (status == CTL_OK)
		output_say(c, "doors of %s: %s", name, text);
	return status == CTL_NOT_RUNNING ? CTL_OK : status;
}

static int revoke(struct ctl *c, struct roster *r, const char *name)
{
	char *text = roster_without(r, name);
	int closed, status;

	closed = close_doors(c, name);
	status = roster_commit(c, r, text, false);
	ctl_text_free(text);
	if (status == CTL_OK)
		output_say(c, "%s is shut out", name);
	else if (status == CTL_REFUSED)
		(void)output_fail(c, CTL_REFUSED,
		    "%s is out of the file, but posternd still goes by the old one and lets it in; "
		    "mend what it refuses, then: posternctl reload",
		    name);
	return status == CTL_OK ? closed : status;
}

int cmd_client_revoke(struct ctl *c, const struct arguments *a)
{
	const char *name = a->operand[0];
	struct roster r;
	int status;

	if (roster_open(c, &r, true) != CTL_OK)
		return CTL_FAILED;
	if (clients_by_name(r.clients, name) != NULL)
		status = revoke(c, &r, name);
	else
		status = output_fail(c, CTL_FAILED, "there is no client %s in %s", name, r.path);
	roster_close(&r);
	return status;
}
