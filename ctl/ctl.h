/*
 * ctl - posternctl: what its commands share.
 *
 * A command says nothing itself: it fills an output model (output.h), which
 * main prints, as text or as JSON. It runs as root, beside the daemon, and
 * talks to it over the control socket (daemon.h).
 */
#ifndef POSTERN_CTL_CTL_H
#define POSTERN_CTL_CTL_H

#include <stdbool.h>
#include <stddef.h>

#include "config.h"
#include "report.h"

#define CTL_CONFIG_PATH "/etc/postern/posternd.conf"

enum { CTL_PATH_MAX = 2 * CONFIG_PATH_MAX };

/* Exit statuses; posternctl(8) has them. */
enum ctl_status {
	CTL_OK = 0,
	CTL_FAILED = 1,
	CTL_USAGE = 2,
	CTL_NOT_RUNNING = 3, /* the daemon is needed and not there */
	CTL_REFUSED = 4,     /* the daemon said no */
	CTL_ADVICE = 5,	     /* firewall check: there is something to do */
};

struct output;

struct ctl {
	const char *config_path;
	bool json, quiet;
	struct output *out;
	struct config *config; /* once ctl_config() was called */
};

/* The configuration, read and checked when first asked for; NULL and told. Valid as long as c. */
const struct config *ctl_config(struct ctl *c);

/* name as it is when absolute, else within the folder of the configuration. Returns 0, or -1 and told. */
int ctl_path(struct ctl *c, const char *name, char out[static CTL_PATH_MAX])
    __attribute__((warn_unused_result));

/* A report whose errors and warnings go to the output. */
struct report ctl_report(struct ctl *c);

/*
 * The whole text of a file of root's (or ours), to be given back with
 * ctl_text_free(); NULL and told. secret: others must not be able to read it.
 */
char *ctl_read(struct ctl *c, const char *path, size_t most, bool secret);
/* What to do where a file or folder is refused with this errno: the end of a sentence, or "". */
const char *ctl_advice(int error);
void ctl_text_free(char *text); /* wipes; NULL is fine */

/* The command of firewall*.c, which reads its own arguments: argv[0] is "firewall". Returns an enum ctl_status. */
int cmd_firewall(struct ctl *c, int argc, char **argv);

#endif
