#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "firewall_cmd.h"
#include "output.h"

enum { TRIAL_DEFAULT_S = 60, TRIAL_LEAST_S = 1, TRIAL_MOST_S = 86400 };

typedef int subcommand_fn(
    struct ctl *c, const struct config *config, const struct firewall_args *a);

static const struct subcommand {
	const char *name;
	const char *options;
	const char *summary;
	subcommand_fn *run;
	bool takes_for, takes_force;
} subcommands[] = {
    {"show", "", "the rules, and the doors that are open", firewall_cmd_show, false, false},
    {"check", "", "does the guard stand, and does the rest of the host go with it",
	firewall_cmd_check, false, false},
    {"try", "[--for SECONDS] [--force]",
	"guard for a while; the kernel ends it unless it is confirmed", firewall_cmd_try, true,
	true},
    {"confirm", "", "keep what is on trial", firewall_cmd_confirm, false, false},
    {"install", "[--force]", "guard for good", firewall_cmd_install, false, true},
    {"remove", "[--force]", "take the guard and all doors away", firewall_cmd_remove, false, true},
};

enum { SUBCOMMANDS = sizeof(subcommands) / sizeof(subcommands[0]) };

static void print_usage(FILE *out)
{
	(void)fputs("usage:\n", out);
	for (size_t i = 0; i < SUBCOMMANDS; i++)
		(void)fprintf(out, "  posternctl firewall %-8s%-27s%s\n", subcommands[i].name,
		    subcommands[i].options, subcommands[i].summary);
}

static const struct subcommand *find(const char *name)
{
	for (size_t i = 0; name && i < SUBCOMMANDS; i++)
		if (strcmp(subcommands[i].name, name) == 0)
			return &subcommands[i];
	return NULL;
}

static bool read_seconds(const char *text, uint32_t *out)
{
	char *end;
	unsigned long n = strtoul(text, &end, 10);

	if (end == text || *end != '\0' || text[0] == '-' || n < TRIAL_LEAST_S || n > TRIAL_MOST_S)
		return false;
	*out = (uint32_t)n;
	return true;
}

/* One option at argv[i]. Returns how many words it has; 0 when it is not one of this subcommand. */
static int read_option(const struct subcommand *s, char **argv, struct firewall_args *a)
{
	static const char name[] = "--for";
	const char *value = NULL;
	int words = 0;

	if (s->takes_force && strcmp(argv[0], "--force") == 0) {
		a->force = true;
		return 1;
	}
	if (!s->takes_for || strncmp(argv[0], name, sizeof(name) - 1) != 0)
		return 0;
	if (argv[0][sizeof(name) - 1] == '=') {
		value = argv[0] + sizeof(name);
		words = 1;
	} else if (argv[0][sizeof(name) - 1] == '\0' && argv[1]) {
		value = argv[1];
		words = 2;
	}
	return value && read_seconds(value, &a->seconds) ? words : 0;
}

int cmd_firewall(struct ctl *c, int argc, char **argv)
{
	struct firewall_args a = {.seconds = TRIAL_DEFAULT_S};
	const struct subcommand *s = argc > 1 ? find(argv[1]) : NULL;
	const struct config *config;

	if (argc > 1 &&
	    (strcmp(argv[argc - 1], "--help") == 0 || strcmp(argv[argc - 1], "-h") == 0)) {
		print_usage(stdout);
		return CTL_OK;
	}
	if (!s) {
		print_usage(stderr);
		return CTL_USAGE;
	}
	for (int i = 2, words; i < argc; i += words) {
		words = read_option(s, argv + i, &a);
		if (words == 0)
			return output_fail(c, CTL_USAGE,
			    "firewall %s: '%s' is not understood; give: %s%s", s->name, argv[i],
			    s->options[0] ? s->options : "no options",
			    s->takes_for ? ", SECONDS from 1 to 86400" : "");
	}
	config = ctl_config(c);
	return config ? s->run(c, config, &a) : CTL_FAILED;
}

struct firewall *firewall_cmd_start(struct ctl *c, const struct config *config)
{
	struct firewall *f = firewall_start(config, false);

	if (!f)
		(void)output_fail(c, CTL_FAILED,
		    "the firewall %s cannot be reached: what it needs stands above; run this as "
		    "root",
		    config->firewall);
	return f;
}

bool firewall_cmd_is_armed(const struct config *config, const struct firewall_state *s)
{
	unsigned armed = 0, ports = 0;

	for (unsigned i = 0; i < config->services; i++)
		ports += service_ports(&config->service[i]);
	for (unsigned i = 0; i < s->guarded; i++)
		if (s->guard[i].rest_ms == 0 &&
		    config_service_by_port(config, s->guard[i].proto, s->guard[i].port) >= 0)
			armed++;
	return s->there && armed == ports;
}

const char *firewall_cmd_trial_word(enum firewall_trial t)
{
	switch (t) {
	case FIREWALL_TRIAL_NONE:
		return "none";
	case FIREWALL_TRIAL_RUNNING:
		return "running";
	case FIREWALL_TRIAL_ENDED:
		return "ended";
	}
	return "unknown";
}
