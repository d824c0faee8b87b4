/* users - see users.h. */
#include "users.h"

#include <errno.h>
#include <grp.h>
#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const too_long = "its entry is longer than there is room for";

/* NULL, or what is wrong. */
static const char *find_groups(struct user *u)
{
	gid_t *all = calloc(NGROUPS_MAX, sizeof(*all));
	int len = NGROUPS_MAX;

	if (!all)
		abort();
	if (getgrouplist(u->name, u->gid, all, &len) < 0) {
		free(all);
		return too_long;
	}
	u->groups = reallocarray(all, (size_t)len, sizeof(*all));
	if (!u->groups)
		u->groups = all;
	u->groups_len = len;
	return NULL;
}

static const char *find(struct user *u, const char *name)
{
	const struct passwd *p;

	errno = 0;
	p = getpwnam(name);
	if (!p)
		return errno ? strerror(errno) : "there is no such user";
	*u = (struct user){.uid = p->pw_uid, .gid = p->pw_gid};
	if (strlen(name) >= sizeof(u->name) || strlen(p->pw_dir) >= sizeof(u->home))
		return too_long;
	memcpy(u->name, name, strlen(name) + 1);
	memcpy(u->home, p->pw_dir, strlen(p->pw_dir) + 1);
	return find_groups(u);
}

/* whose: for messages. */
static int add(struct users *u, const char *name, const char *whose, unsigned line,
    const char *path, struct report *r)
{
	const char *why;

	if (users_named(u, name))
		return 0;
	if (u->len == sizeof(u->at) / sizeof(u->at[0]))
		abort(); /* more than a configuration can name */
	why = find(&u->at[u->len], name);
	if (!why) {
		u->len++;
		return 0;
	}
	report_error(
	    r, path, line, "%s = %s: %s; make the user, or name another", whose, name, why);
	return -1;
}

int users_find(struct users *u, const struct config *c, const char *path, struct report *r)
{
	int rc = 0;

	*u = (struct users){.len = 0};
	for (unsigned i = 0; i < c->commands; i++)
		rc |= add(u, c->command[i].user, "user", c->command[i].line, path, r);
	if (c->command_line_user[0] != '\0')
		rc |= add(u, c->command_line_user, "command-line-user", 0, path, r);
	if (c->event_script[0] != '\0')
		rc |= add(u, c->event_user, "event-user", 0, path, r);
	return rc;
}

void users_free(struct users *u)
{
	for (unsigned i = 0; i < u->len; i++)
		free(u->at[i].groups);
	u->len = 0;
}

const struct user *users_named(const struct users *u, const char *name)
{
	for (unsigned i = 0; i < u->len; i++)
		if (strcmp(u->at[i].name, name) == 0)
			return &u->at[i];
	return NULL;
}
