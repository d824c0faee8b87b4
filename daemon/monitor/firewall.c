/* firewall - the table of backends, and what is the same for all of them: the dry run and the caller's bugs. */
#include "firewall.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "cut.h"
#include "fault.h"
#include "firewall_ops.h"
#include "flows.h"
#include "log.h"

static const struct firewall_ops *const backends[] = {
    &firewall_nftables,
    &firewall_ipset,
    &firewall_exec,
};

const struct firewall_ops *firewall_by_name(const char *name)
{
	for (size_t i = 0; i < sizeof(backends) / sizeof(backends[0]); i++)
		if (strcmp(backends[i]->name, name) == 0)
			return backends[i];
	return NULL;
}

struct firewall *firewall_start(const struct config *c, bool dry_run)
{
	const struct firewall_ops *ops = firewall_by_name(c->firewall);
	struct firewall *f;

	if (!ops) {
		log_error("firewall", "unknown=%s use=%s", c->firewall, backends[0]->name);
		return NULL;
	}
	f = dry_run ? calloc(1, sizeof(*f)) : ops->start(c);
	if (!f)
		return NULL;
	f->ops = ops;
	f->dry_run = dry_run;
	if (!dry_run && ops->cuts)
		cut_find(&f->cut);
	return f;
}

static void check_door(const struct service *s, const struct firewall_pass *p)
{
	if ((s->port == 0) != service_is_gateway(s) || !prefix_is_canonical(&p->from))
		abort();
	if ((service_is_gateway(s) || !prefix_is_host(&p->from)) &&
	    (p->idle_s != 0 || p->source_port != 0 || p->once))
		abort();
}

/* The TCP ports of a configuration that are not guarded yet. Returns whether there are any. */
static bool to_adopt(
    struct flow_ports *out, const struct config *c, const struct firewall_state *state)
{
	bool any = false;

	memset(out, 0, sizeof(*out));
	for (unsigned i = 0; i < c->services; i++) {
		const struct service *s = &c->service[i];

		for (unsigned k = 0; s->proto == IPPROTO_TCP && k < service_ports(s); k++) {
			if (firewall_guards(state, s->proto, service_port(s, k)))
				continue;
			flow_ports_add(out, service_port(s, k));
			any = true;
		}
	}
	return any;
}

static bool all_guarded(const struct config *c, const struct firewall_state *state)
{
	for (unsigned i = 0; i < c->services; i++)
		for (unsigned k = 0; k < service_ports(&c->service[i]); k++)
			if (!firewall_guards(
				state, c->service[i].proto, service_port(&c->service[i], k)))
				return false;
	return true;
}

/* Connections to what is not guarded yet shall outlive the guard's coming. Best effort: a kernel without the means still guards. */
static void keep_connections(struct firewall *f, const struct config *c)
{
	struct flow_ports ports;
	int rc;

	memset(&f->found, 0, sizeof(f->found));
	f->looked = f->ops->read(f, &f->found) == FIREWALL_OK;
	if (!f->looked || !to_adopt(&ports, c, &f->found))
		return;
	rc = flows_adopt(&ports);
	if (rc != 0)
		log_warning("firewall", "connections=cut kernel=\"%s\"", strerror(-rc));
}

bool firewall_was_down(const struct firewall *f, const struct config *c)
{
	/* What was tried and not confirmed is open by the administrator's own wish. */
	return f->looked && f->found.trial != FIREWALL_TRIAL_ENDED && !all_guarded(c, &f->found);
}

enum firewall_status firewall_ensure(struct firewall *f, const struct config *c)
{
	if (f->dry_run) {
		log_info("firewall", "dry_run=ensure services=%u", c->services);
		return FIREWALL_OK;
	}
	keep_connections(f, c);
	return f->ops->ensure(f, c);
}

enum firewall_status firewall_open(
    struct firewall *f, const struct service *s, const struct firewall_pass *pass, uint32_t seconds)
{
	char text[PREFIX_TEXT];
	enum firewall_status status;

	check_door(s, pass);
	if (seconds == 0) /* the kernel's word for "for ever" */
		abort();
	if (f->dry_run) {
		log_info("firewall", "dry_run=open service=%s from=%s hold_s=%u", s->name,
		    prefix_text(&pass->from, text), seconds);
		return FIREWALL_OK;
	}
	if (cut_list_concerns(&f->cut, &pass->from) && cut_forget(s, pass, &f->cut) < 0)
		log_warning(
		    "firewall", "service=%s: what was cut before may not come back", s->name);
	FAULT("monitor.door");
	status = f->ops->open(f, s, pass, seconds);
	FAULT("monitor.door.done");
	return status;
}

static enum firewall_status shorten(
    struct firewall *f, const struct service *s, const struct firewall_pass *pass, uint32_t seconds)
{
	uint32_t rest_s = 0;
	enum firewall_status status;

	if (f->ops->shorten)
		return f->ops->shorten(f, s, pass, seconds);
	status = f->ops->query(f, s, pass, &rest_s);
	return status != FIREWALL_OK || rest_s <= seconds ? status
							  : f->ops->open(f, s, pass, seconds);
}

enum firewall_status firewall_shorten(
    struct firewall *f, const struct service *s, const struct firewall_pass *pass, uint32_t seconds)
{
	char text[PREFIX_TEXT];

	check_door(s, pass);
	if (seconds == 0)
		abort();
	if (!f->dry_run)
		return shorten(f, s, pass, seconds);
	log_info("firewall", "dry_run=shorten service=%s from=%s hold_s=%u", s->name,
	    prefix_text(&pass->from, text), seconds);
	return FIREWALL_OK;
}

enum firewall_status firewall_close(
    struct firewall *f, const struct service *s, const struct firewall_pass *pass)
{
	char text[PREFIX_TEXT];

	check_door(s, pass);
	if (f->dry_run) {
		log_info("firewall", "dry_run=close service=%s from=%s", s->name,
		    prefix_text(&pass->from, text));
		return FIREWALL_OK;
	}
	return f->ops->close(f, s, pass);
}

enum firewall_status firewall_cut(
    struct firewall *f, const struct service *s, const struct firewall_pass *pass, unsigned *cut)
{
	char text[PREFIX_TEXT];
	long n;

	check_door(s, pass);
	*cut = 0;
	if (f->dry_run) {
		log_info("firewall", "dry_run=cut service=%s from=%s", s->name,
		    prefix_text(&pass->from, text));
		return FIREWALL_OK;
	}
	n = f->ops->cuts ? cut_connections(s, pass) : -EOPNOTSUPP;
	if (n < 0) {
		log_error("firewall", "cut=failed service=%s from=%s kernel=\"%s\"", s->name,
		    prefix_text(&pass->from, text), strerror((int)-n));
		return FIREWALL_FAILED;
	}
	if (n > 0)
		cut_list_add(&f->cut, &pass->from);
	*cut = (unsigned)n;
	return FIREWALL_OK;
}

void firewall_was_cut(struct firewall *f, const struct prefix *from)
{
	cut_list_add(&f->cut, from);
}

enum firewall_status firewall_query(
    struct firewall *f, const struct service *s, const struct firewall_pass *pass, uint32_t *rest_s)
{
	check_door(s, pass);
	*rest_s = 0;
	return f->dry_run ? FIREWALL_NOT_THERE : f->ops->query(f, s, pass, rest_s);
}

enum firewall_status firewall_list(struct firewall *f, firewall_door_fn *fn, void *arg)
{
	return f->dry_run ? FIREWALL_OK : f->ops->list(f, fn, arg);
}

enum firewall_status firewall_ban(struct firewall *f, const struct address *a, uint32_t seconds)
{
	char text[ADDRESS_TEXT];

	if (seconds == 0 || !address_is_admissible(a))
		abort();
	if (f->dry_run) {
		log_info(
		    "firewall", "dry_run=ban from=%s for_s=%u", address_text(a, text), seconds);
		return FIREWALL_OK;
	}
	return f->ops->ban ? f->ops->ban(f, a, seconds) : FIREWALL_FAILED;
}

enum firewall_status firewall_unban(struct firewall *f, const struct address *a)
{
	return f->dry_run || !f->ops->unban ? FIREWALL_NOT_THERE : f->ops->unban(f, a);
}

enum firewall_status firewall_bans(struct firewall *f, firewall_ban_fn *fn, void *arg)
{
	return f->dry_run || !f->ops->bans ? FIREWALL_OK : f->ops->bans(f, fn, arg);
}

int firewall_watch_fd(const struct firewall *f)
{
	return f->dry_run || !f->ops->watch_fd ? -1 : f->ops->watch_fd(f);
}

bool firewall_changed(struct firewall *f)
{
	return f->dry_run || !f->ops->changed ? false : f->ops->changed(f);
}

enum firewall_status firewall_remove(struct firewall *f)
{
	if (f->dry_run) {
		log_info("firewall", "dry_run=remove");
		return FIREWALL_OK;
	}
	return f->ops->remove(f);
}

void firewall_stop(struct firewall *f)
{
	if (!f)
		return;
	if (f->dry_run)
		free(f);
	else
		f->ops->stop(f);
}

/* The administrator's part; posternctl has no dry run, so that one there is a bug. */

static void check_wet(const struct firewall *f)
{
	if (f->dry_run)
		abort();
}

enum firewall_status firewall_install(struct firewall *f, const struct config *c)
{
	check_wet(f);
	keep_connections(f, c);
	return f->ops->install(f, c);
}

enum firewall_status firewall_try(struct firewall *f, const struct config *c, uint32_t seconds)
{
	check_wet(f);
	if (!f->ops->trial) {
		log_error("firewall", "no_trial=%s use=install", f->ops->name);
		return FIREWALL_FAILED;
	}
	keep_connections(f, c);
	return f->ops->trial(f, c, seconds);
}

enum firewall_status firewall_confirm(struct firewall *f, const struct config *c)
{
	check_wet(f);
	return f->ops->confirm ? f->ops->confirm(f, c) : FIREWALL_NOT_THERE;
}

enum firewall_status firewall_read(struct firewall *f, struct firewall_state *out)
{
	check_wet(f);
	memset(out, 0, sizeof(*out));
	return f->ops->read(f, out);
}

enum firewall_status firewall_show(struct firewall *f, FILE *out)
{
	check_wet(f);
	return f->ops->show(f, out);
}

bool firewall_guards(const struct firewall_state *s, uint8_t proto, uint16_t port)
{
	for (unsigned i = 0; i < s->guarded; i++)
		if (s->guard[i].proto == proto && s->guard[i].port == port)
			return true;
	return false;
}

enum firewall_status firewall_print(
    const struct firewall_ops *ops, const struct config *c, FILE *out)
{
	return ops->print(c, out);
}
