/*
 * firewall_doors - firewall check: open doors that posternd would not have
 * open. Which of those with a lawful time are its own, it alone knows.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "firewall_advice.h"
#include "firewall_cmd.h"

enum {
	TOLD_MAX = 10,
	TEXT_BYTES = 320,
	MS_PER_SECOND = 1000,
	SLACK_MS = 5000,
};

struct doors_look {
	const struct config *config;
	json_t *advice;
	unsigned found;
};

/* NULL: nothing is wrong with it. */
static const char *wrong(const struct config *c, const struct firewall_door *d)
{
	const int i = d->gateway[0] != '\0' ? config_service(c, d->gateway)
					    : config_service_by_port(c, d->proto, d->port);

	if (d->rest_ms == FIREWALL_FOR_EVER)
		return "has no end, so it is not posternd's. Restarting posternd closes it";
	if (d->rest_ms == 0 && strcmp(c->firewall, "exec") == 0)
		return "has ended and is open still: the script does not close it. The log says "
		       "why";
	if (i >= 0 && d->rest_ms > (uint64_t)c->service[i].max_hold_s * MS_PER_SECOND + SLACK_MS)
		return "lasts for longer than max-hold, so it is not posternd's. Restarting "
		       "posternd shortens it";
	return NULL;
}

static void judge(void *arg, const struct firewall_door *d)
{
	struct doors_look *l = arg;
	const char *why = wrong(l->config, d);
	char text[TEXT_BYTES], from[PREFIX_TEXT];

	if (!why || l->found++ >= TOLD_MAX)
		return;
	if (d->gateway[0] != '\0')
		(void)snprintf(text, sizeof(text), "The door for %s through %s %s",
		    prefix_text(&d->pass.from, from), d->gateway, why);
	else
		(void)snprintf(text, sizeof(text), "The door for %s to port %" PRIu16 " %s",
		    prefix_text(&d->pass.from, from), d->port, why);
	advice_add(l->advice, text);
}

int firewall_cmd_check_doors(struct firewall *f, json_t *advice, const struct config *config)
{
	struct doors_look l = {.config = config, .advice = advice};
	char text[TEXT_BYTES];

	if (firewall_list(f, judge, &l) != FIREWALL_OK)
		return -1;
	if (l.found > TOLD_MAX) {
		(void)snprintf(
		    text, sizeof(text), "And %u other doors like that", l.found - TOLD_MAX);
		advice_add(advice, text);
	}
	return 0;
}
