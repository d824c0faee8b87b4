/*
 * nft_trial - a trial of the guard that the kernel ends by itself: what is
 * newly guarded is in the set with a timeout, and the marker keeps posternd
 * from arming the guard behind the administrator's back, also after the end.
 */
#include <inttypes.h>
#include <stdlib.h>

#include "log.h"
#include "nft_table.h"

static void write_element(
    FILE *out, const char *verb, const struct firewall_guarded *g, uint32_t seconds)
{
	fprintf(out, "%s element inet " NFT_TABLE " " NFT_SET_GUARDED " { ", verb);
	nft_rules_write_service(out, g->proto, g->port);
	if (seconds > 0)
		fprintf(out, " timeout %" PRIu32 "s", seconds);
	fputs(" }\n", out);
}

/* Whatever its time was: from now on it is this. */
static void write_again(FILE *out, const struct firewall_guarded *g, uint32_t seconds)
{
	write_element(out, "add", g, 0);
	write_element(out, "delete", g, 0);
	write_element(out, "add", g, seconds);
}

static bool guarded_for_good(const struct firewall_state *s, uint8_t proto, uint16_t port)
{
	for (unsigned i = 0; i < s->guarded; i++)
		if (s->guard[i].proto == proto && s->guard[i].port == port)
			return s->guard[i].rest_ms == 0;
	return false;
}

static unsigned write_tried_service(
    FILE *out, const struct firewall_state *s, const struct service *service, uint32_t seconds)
{
	unsigned tried = 0;

	for (unsigned i = 0; i < service_ports(service); i++) {
		const struct firewall_guarded g = {
		    .proto = service->proto, .port = service_port(service, i)};

		if (guarded_for_good(s, g.proto, g.port))
			continue;
		write_again(out, &g, seconds);
		tried++;
	}
	return tried;
}

/* Returns how many are newly tried. */
static unsigned write_tried(
    FILE *out, const struct firewall_state *s, const struct config *c, uint32_t seconds)
{
	unsigned tried = 0;

	for (unsigned i = 0; i < c->services; i++)
		tried += write_tried_service(out, s, &c->service[i], seconds);
	return tried;
}

static enum firewall_status failed(struct nft_table *t, const char *what)
{
	log_error("firewall", "%s=refused kernel=\"%s\"", what, nft_run_error(t->run));
	return FIREWALL_FAILED;
}

enum firewall_status nft_trial_begin(struct nft_table *t, const struct config *c, uint32_t seconds)
{
	struct firewall_state state;
	char *text = NULL;
	size_t len;
	FILE *out;
	unsigned tried;
	int rc = -1;

	if (nft_table_state(t, &state) != 0)
		state = (struct firewall_state){0};
	out = open_memstream(&text, &len);
	if (!out)
		return FIREWALL_FAILED;
	tried = write_tried(out, &state, c, seconds);
	if (fclose(out) == 0)
		rc = nft_table_replace(t, c, tried > 0 ? NFT_ARM_MARK : NFT_ARM_KEEP, text);
	free(text);
	return rc == 0 ? FIREWALL_OK : failed(t, "try");
}

/* The trial is over, what was tried stays; what c does not name any more goes. */
static void write_confirmed(FILE *out, const struct firewall_state *s, const struct config *c)
{
	fprintf(
	    out, "delete element inet " NFT_TABLE " " NFT_SET_TRIAL " { %d }\n", NFT_TRIAL_MARKER);
	for (unsigned i = 0; i < s->guarded; i++) {
		const struct firewall_guarded *g = &s->guard[i];

		if (g->rest_ms > 0)
			write_again(out, g, 0);
		else if (config_service_by_port(c, g->proto, g->port) < 0)
			write_element(out, "delete", g, 0);
	}
}

enum firewall_status nft_trial_confirm(struct nft_table *t, const struct config *c)
{
	struct firewall_state state;
	char *text = NULL;
	size_t len;
	FILE *out;
	int rc = -1;

	if (nft_table_state(t, &state) != 0)
		return failed(t, "confirm");
	if (state.trial != FIREWALL_TRIAL_RUNNING)
		return FIREWALL_NOT_THERE;
	out = open_memstream(&text, &len);
	if (!out)
		return FIREWALL_FAILED;
	write_confirmed(out, &state, c);
	if (fclose(out) == 0)
		rc = nft_run(t->run, text);
	free(text);
	return rc == 0 ? FIREWALL_OK : failed(t, "confirm");
}
