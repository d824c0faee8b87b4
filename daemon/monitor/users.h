/*
 * users - as whom the configuration has programs run: their numbers, groups
 * and homes, asked for once, when it is read. What answers (files, a directory
 * on the network) may take its time or load libraries; a command that is run
 * later waits for none of that. What changes there counts after a reload.
 * Process: monitor; posternd --check before there is any process.
 */
#ifndef POSTERN_MONITOR_USERS_H
#define POSTERN_MONITOR_USERS_H

#include <sys/types.h>

#include "config.h"
#include "report.h"

enum { USER_HOME_MAX = 256 };

struct user {
	char name[CONFIG_USER_MAX];
	char home[USER_HOME_MAX];
	uid_t uid;
	gid_t gid;
	int groups_len;
	gid_t *groups;
};

struct users {
	unsigned len;
	struct user at[CONFIG_COMMANDS_MAX + 2]; /* of commands, lines and events */
};

/*
 * All that c names. Returns 0; -1 when some are not there, each reported with
 * its line in the file at path. To be emptied by users_free() in either case.
 */
int users_find(struct users *u, const struct config *c, const char *path, struct report *r)
    __attribute__((warn_unused_result));
void users_free(struct users *u);
/* NULL: the configuration that these were found for has no such user. */
const struct user *users_named(const struct users *u, const char *name);

#endif
