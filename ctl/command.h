/*
 * command - the table of posternctl's commands; the usage texts are made from
 * it, and the arguments are read by it.
 */
#ifndef POSTERN_CTL_COMMAND_H
#define POSTERN_CTL_COMMAND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "ctl.h"

enum { OPTIONS_MAX = 24, GIVEN_MAX = 64, OPERANDS_MAX = 16 };

struct option_def {
	const char *name;     /* without the dashes; NULL ends a table */
	const char *argument; /* "HOST"; NULL: takes none */
	const char *help;
};

/* What stood behind the command's name. Strings are borrowed from the command line. */
struct arguments {
	size_t operands;
	const char *operand[OPERANDS_MAX];
	size_t given;
	struct {
		const struct option_def *option;
		const char *value;
	} give[GIVEN_MAX];
};

struct command {
	const char *name;     /* "client add" */
	const char *operands; /* "NAME" */
	const char *summary;
	size_t least, most;				      /* operands */
	const struct option_def *options;		      /* NULL: none */
	int (*run)(struct ctl *c, const struct arguments *a); /* returns an enum ctl_status */
	int (*raw)(struct ctl *c, int argc, char **argv);     /* reads its arguments itself */
};

/* Ended by name NULL. */
extern const struct command commands[];

/* The command that argv begins with; *words says how many words its name has. NULL: none. */
const struct command *command_find(int argc, char **argv, int *words);

/* Reads argv, the command's name not in it. Returns 0; or CTL_USAGE, and told. */
int arguments_read(struct ctl *c, const struct command *k, int argc, char **argv,
    struct arguments *out) __attribute__((warn_unused_result));
/* The value of an option, the last one given; NULL when there is none. An option without argument has "". */
const char *arguments_value(const struct arguments *a, const char *name);
/* All values of one: index runs on from 0; NULL at the end. */
const char *arguments_next(const struct arguments *a, const char *name, size_t *index);

void usage_all(FILE *out);
void usage_command(const struct command *k, FILE *out);

int cmd_init(struct ctl *c, const struct arguments *a);
int cmd_client_add(struct ctl *c, const struct arguments *a);
int cmd_client_list(struct ctl *c, const struct arguments *a);
int cmd_client_resume(struct ctl *c, const struct arguments *a);
int cmd_client_revoke(struct ctl *c, const struct arguments *a);
int cmd_client_pin(struct ctl *c, const struct arguments *a);
int cmd_client_totp(struct ctl *c, const struct arguments *a);
int cmd_rotate_door_key(struct ctl *c, const struct arguments *a);
int cmd_sessions(struct ctl *c, const struct arguments *a);
int cmd_bans(struct ctl *c, const struct arguments *a);
int cmd_unban(struct ctl *c, const struct arguments *a);
int cmd_close(struct ctl *c, const struct arguments *a);
int cmd_log(struct ctl *c, const struct arguments *a);
int cmd_stats(struct ctl *c, const struct arguments *a);
int cmd_reload(struct ctl *c, const struct arguments *a);
int cmd_capture_switch(struct ctl *c, const struct arguments *a);
int cmd_capture_methods(struct ctl *c, const struct arguments *a);
int cmd_capture_compare(struct ctl *c, const struct arguments *a);

#endif
