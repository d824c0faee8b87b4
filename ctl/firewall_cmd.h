/*
 * firewall_cmd - posternctl firewall: its subcommands. Each returns an enum
 * ctl_status and tells what there is to tell.
 */
#ifndef POSTERN_CTL_FIREWALL_CMD_H
#define POSTERN_CTL_FIREWALL_CMD_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "ctl.h"
#include "firewall_admin.h"

struct firewall_args {
	uint32_t seconds; /* --for */
	bool force;
};

int firewall_cmd_show(struct ctl *c, const struct config *config, const struct firewall_args *a);
int firewall_cmd_check(struct ctl *c, const struct config *config, const struct firewall_args *a);
int firewall_cmd_install(struct ctl *c, const struct config *config, const struct firewall_args *a);
int firewall_cmd_try(struct ctl *c, const struct config *config, const struct firewall_args *a);
int firewall_cmd_confirm(struct ctl *c, const struct config *config, const struct firewall_args *a);
int firewall_cmd_remove(struct ctl *c, const struct config *config, const struct firewall_args *a);

/* firewall_start(), and told when it fails. */
struct firewall *firewall_cmd_start(struct ctl *c, const struct config *config);
/* Is everything that config names guarded for good? */
bool firewall_cmd_is_armed(const struct config *config, const struct firewall_state *s);
const char *firewall_cmd_trial_word(enum firewall_trial t);

enum firewall_likeness { FIREWALL_LIKE, FIREWALL_UNLIKE, FIREWALL_UNKNOWN };
/*
 * Are the rules that stand those that config asks for, and the captures that run
 * now? UNKNOWN where there is no scratch namespace to compare in.
 */
enum firewall_likeness firewall_cmd_compare(struct ctl *c, const struct config *config);
/* Advice about doors that should not be open. Returns 0; -1: they cannot be read. */
int firewall_cmd_check_doors(struct firewall *f, json_t *advice, const struct config *config);

#endif
