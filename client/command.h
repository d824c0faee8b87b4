/*
 * command - the subcommands of postern: what each takes, and where it is done.
 *
 * A command fills a model (JSON values, see model.h); main prints it, as text or
 * as it is. Nothing else writes to standard output, `connect` aside, whose
 * standard output is the connection.
 */
#ifndef POSTERN_CLIENT_COMMAND_H
#define POSTERN_CLIENT_COMMAND_H

#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>

#include "postern.h"

enum { ADDRESSES_MAX = 2 };

/* How to knock, where the command line says it in place of the profile. */
enum travel {
	TRAVEL_PRESET, /* first: the others change a part of it */
	TRAVEL_CARRIER,
	TRAVEL_COVER,
	TRAVEL_ENVELOPE,
	TRAVEL_VIA,
	TRAVEL_PIECES,
	TRAVEL_DUMMIES,
	TRAVEL_GAP,
	TRAVEL_CONFIRM,
	TRAVELS,
};

/* What the command line said. Strings are borrowed from it. */
struct settings {
	int family;
	bool has_hold, has_retries, has_session;
	bool challenge, strict, all, json, quiet;
	bool single_use, kill, exact, has_idle, has_source_port;
	uint32_t idle_s, source_port;
	uint32_t hold_s;
	uint32_t retries;
	uint64_t session;
	unsigned addresses;
	const char *address[ADDRESSES_MAX];
	const char *travel[TRAVELS]; /* NULL: as the profile has it */
	const char *name;	     /* import */
	const char *profile;	     /* connect */
	const char *line;	     /* run */
	const char *pin_file, *code;
	const char *pin;    /* keep: read already, once for all its knocks */
	const char *output; /* cover show */
	unsigned operands;
	char **operand;
};

/* Bits of command.options. */
enum option_bit {
	TAKES_FAMILY = 1 << 0,
	TAKES_HOLD = 1 << 1,
	TAKES_ADDRESS = 1 << 2,
	TAKES_CHALLENGE = 1 << 3,
	TAKES_STRICT = 1 << 4,
	TAKES_RETRIES = 1 << 5,
	TAKES_JSON = 1 << 6,
	TAKES_QUIET = 1 << 7,
	TAKES_SESSION = 1 << 8,
	TAKES_ALL = 1 << 9,
	TAKES_NAME = 1 << 10,
	TAKES_PROFILE = 1 << 11,
	TAKES_TRAVEL = 1 << 12,
	TAKES_NARROW = 1 << 13,
	TAKES_KILL = 1 << 14,
	TAKES_LINE = 1 << 15,
	TAKES_EXACT = 1 << 16,
	TAKES_OUTPUT = 1 << 20,
	TAKES_USER = 1 << 21,
	TAKES_KNOCK = TAKES_TRAVEL | TAKES_FAMILY | TAKES_CHALLENGE | TAKES_RETRIES | TAKES_JSON |
		      TAKES_QUIET | TAKES_USER,
};

/* Beside those of enum postern_status: what was run says that it failed. */
enum { EXIT_COMMAND_FAILED = 7 };

/* Fills model; returns an exit status, which is an enum postern_status. */
typedef int command_fn(struct postern *p, const struct settings *s, json_t *model);

struct command {
	const char *name;
	const char *operands; /* "PROFILE [SERVICE...]" */
	const char *summary;
	unsigned least, most; /* operands */
	unsigned options;
	command_fn *run; /* NULL: main does it */
};

command_fn command_import, command_open, command_close, command_ping, command_list, command_connect,
    command_run, command_keep, command_ssh_config, command_profiles, command_cover;

/* All of them, ended by one without a name. */
extern const struct command commands[];
const struct command *command_find(const char *name);

/*
 * Read what stands behind the command's name. Returns 0; 1 when help is asked
 * for; -1 when it is wrong, which was told on standard error.
 */
int settings_read(const struct command *c, int argc, char **argv, struct settings *out);

/* The options of one command, for people. */
void settings_print(const struct command *c);

#endif
