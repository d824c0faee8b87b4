/*
 * nftables - the default backend of firewall.h. The table is set up through
 * libnftables, all of it in one transaction; doors are elements, which go
 * through libmnl at a twentieth of the cost. nft_rules.h has the plan.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "firewall_ops.h"
#include "log.h"
#include "nft_ban.h"
#include "nft_door.h"
#include "nft_element.h"
#include "nft_table.h"
#include "xt_queue.h"

enum {
	ENSURE_TRIES = 3,
	MS_PER_SECOND = 1000,
	RETIME_SLACK_MS = 2000, /* what rounding up and the way to here may have made longer */
};

struct nftables {
	struct firewall base; /* first, so that the one can be made the other */
	struct nft_table table;
};

static struct nft_table *table_of(struct firewall *f)
{
	return &((struct nftables *)f)->table;
}

static void nftables_stop(struct firewall *f)
{
	struct nft_table *t = table_of(f);

	nft_watch_close(&t->watch);
	nft_link_close(&t->link);
	nft_run_free(t->run);
	free(f);
}

static struct firewall *nftables_start(const struct config *c)
{
	struct nftables *n = calloc(1, sizeof(*n));
	struct nft_table *t;

	(void)c;
	if (!n)
		return NULL;
	t = &n->table;
	t->run = nft_run_new();
	if (!t->run || nft_link_open(&t->link) != 0 ||
	    nft_watch_open(&t->watch, t->link.portid) != 0) {
		log_error("firewall",
		    "netlink=\"%s\" need=\"CAP_NET_ADMIN, a kernel with nf_tables\"",
		    strerror(errno));
		nftables_stop(&n->base);
		return NULL;
	}
	return &n->base;
}

/* All ports of a door, where some may have been closed by the kernel already. As nft_element_delete(). */
static int delete_keys(
    struct nft_table *t, const struct nft_door_set *s, const struct nft_key *key, size_t keys)
{
	char name[NFT_NAME_MAX];

	return nft_element_delete(&t->link, nft_door_set_name(name, s), key, keys);
}

static int take_away(struct nft_table *t, const struct nft_door_set *s,
    const struct firewall_pass *p, const struct nft_key *key, size_t keys)
{
	const struct nft_door_set idle = nft_door_idle_set(p);
	int rc = delete_keys(t, s, key, keys), other;

	if (s->form != NFT_HELD)
		return rc;
	/* Without the one the other opens nothing; but it would, when the first came back. */
	other = delete_keys(t, &idle, key, keys);
	return rc != 0 ? rc : other;
}

static bool was_taken(int rc)
{
	return rc == 0 || rc == -ENOENT;
}

struct stale {
	const struct config *c;
	struct nft_table *table;
	bool failed;
};

/* Is there such a service, and a rule that asks for such a door? */
static bool is_known(const struct config *c, const struct firewall_door *door)
{
	uint32_t idle[CONFIG_SERVICES_MAX];
	unsigned n = config_idle_times(c, idle);

	if (door->gateway[0] != '\0') {
		const int i = config_service(c, door->gateway);

		return i >= 0 && service_is_gateway(&c->service[i]);
	}
	while (door->pass.idle_s != 0 && n > 0 && idle[n - 1] != door->pass.idle_s)
		n--;
	return config_service_by_port(c, door->proto, door->port) >= 0 &&
	       (door->pass.idle_s == 0 || n > 0);
}

static void close_if_unknown(void *arg, const struct firewall_door *door)
{
	const struct nft_door_set set = nft_door_set(door->gateway, &door->pass);
	const struct nft_key key = nft_door_key(&door->pass, door->proto, door->port);
	struct stale *stale = arg;

	if (is_known(stale->c, door))
		return;
	if (!was_taken(take_away(stale->table, &set, &door->pass, &key, 1)))
		stale->failed = true;
}

/* Doors of services that are no more would be open again if these came back in time; and bans likewise. */
static enum firewall_status close_stale(struct nft_table *t, const struct config *c)
{
	struct stale stale = {.c = c, .table = t};
	int rc = nft_table_doors(t, close_if_unknown, &stale);

	if (rc == 0)
		rc = nft_ban_settle(t, c);
	if (rc == 0 && !stale.failed)
		return FIREWALL_OK;
	log_error("firewall", "stale=\"%s\"", rc != 0 ? strerror(-rc) : "refused");
	return FIREWALL_FAILED;
}

static void warn_trial(const struct firewall_state *s)
{
	if (s->trial == FIREWALL_TRIAL_RUNNING)
		log_warning("firewall", "trial=running do=\"posternctl firewall confirm\"");
	else
		log_warning("firewall",
		    "trial=ended guard=\"as before the trial\" do=\"posternctl firewall install\"");
}

/* One go: arm, unless a trial stands. */
static int arm(struct nft_table *t, const struct config *c)
{
	struct firewall_state state;
	bool trial = nft_table_state(t, &state) == 0 && state.trial != FIREWALL_TRIAL_NONE;
	int rc = nft_table_replace(t, c, trial ? NFT_ARM_KEEP : NFT_ARM_UNLESS_TRIAL, NULL);

	if (rc == 0 && trial)
		warn_trial(&state);
	return rc;
}

static enum firewall_status nftables_ensure(struct firewall *f, const struct config *c)
{
	struct nft_table *t = table_of(f);
	int rc = -1;

	/* Again when a trial began, or somebody changed the table, just then. */
	for (unsigned i = 0; i < ENSURE_TRIES && (rc != 0 || t->changed); i++)
		rc = arm(t, c);
	if (rc != 0) {
		log_error("firewall", "table=refused kernel=\"%s\"", nft_run_error(t->run));
		return FIREWALL_FAILED;
	}
	return close_stale(t, c);
}

static enum firewall_status nftables_install(struct firewall *f, const struct config *c)
{
	struct nft_table *t = table_of(f);

	if (nft_table_replace(t, c, NFT_ARM_INSTALL, NULL) != 0) {
		log_error("firewall", "install=refused kernel=\"%s\"", nft_run_error(t->run));
		return FIREWALL_FAILED;
	}
	return close_stale(t, c);
}

/* What the kernel said about a door. */
static enum firewall_status door_status(int rc, const char *what)
{
	switch (rc) {
	case 0:
		return FIREWALL_OK;
	case -ENFILE:
		log_warning("firewall", "%s=full doors=%d", what, NFT_DOORS_MAX);
		return FIREWALL_FULL;
	default:
		log_error("firewall", "%s=refused kernel=\"%s\"", what, strerror(-rc));
		return FIREWALL_FAILED;
	}
}

/* Returns 0 or -errno. */
static int put_there(
    struct nft_table *t, const struct firewall_pass *p, const struct service *s, uint32_t seconds)
{
	const struct nft_door_set set = nft_door_set_of(s, p), idle = nft_door_idle_set(p);
	struct nft_key key[CONFIG_PORTS_MAX];
	const size_t keys = nft_door_keys(p, s, key);
	char name[NFT_NAME_MAX], idle_name[NFT_NAME_MAX];
	const struct nft_put put[] = {
	    {nft_door_set_name(name, &set), key, keys, nft_door_timeout_ms(p, seconds)},
	    {nft_door_set_name(idle_name, &idle), key, keys, (uint64_t)p->idle_s * MS_PER_SECOND},
	};

	return nft_element_put(&t->link, put, set.form == NFT_HELD ? 2 : 1);
}

static enum firewall_status nftables_open(
    struct firewall *f, const struct service *s, const struct firewall_pass *pass, uint32_t seconds)
{
	struct nft_table *t = table_of(f);
	int rc = put_there(t, pass, s, seconds);

	/* The first door of this prefix length? */
	if (rc == -ENOENT && !prefix_is_host(&pass->from) &&
	    nft_table_add_length(t, &pass->from) == 0)
		rc = put_there(t, pass, s, seconds);
	return door_status(rc, "open");
}

/* Returns 0, or -errno: ENOENT it is not there. */
static int shorten_port(
    struct nft_table *t, const char *set, const struct nft_key *key, uint64_t most_ms)
{
	struct nft_element found;
	int rc = nft_element_get(&t->link, set, key, &found);

	return rc != 0 || found.rest_ms <= most_ms + RETIME_SLACK_MS
		   ? rc
		   : nft_element_retime(&t->link, set, key, most_ms);
}

/* Of an idle door the first of its two elements, whose time is that of the door. */
static enum firewall_status nftables_shorten(
    struct firewall *f, const struct service *s, const struct firewall_pass *pass, uint32_t seconds)
{
	const struct nft_door_set set = nft_door_set_of(s, pass);
	const uint64_t most_ms = nft_door_timeout_ms(pass, seconds);
	struct nft_key key[CONFIG_PORTS_MAX];
	const size_t keys = nft_door_keys(pass, s, key);
	char name[NFT_NAME_MAX];
	bool any = false;
	int rc = 0;

	(void)nft_door_set_name(name, &set);
	for (size_t i = 0; i < keys && was_taken(rc); i++) {
		rc = shorten_port(table_of(f), name, &key[i], most_ms);
		any = any || rc == 0;
	}
	if (!was_taken(rc))
		return door_status(rc, "shorten");
	return any ? FIREWALL_OK : FIREWALL_NOT_THERE;
}

static enum firewall_status nftables_close(
    struct firewall *f, const struct service *s, const struct firewall_pass *pass)
{
	struct nft_key key[CONFIG_PORTS_MAX];
	const size_t keys = nft_door_keys(pass, s, key);
	const struct nft_door_set set = nft_door_set_of(s, pass);
	int rc = take_away(table_of(f), &set, pass, key, keys);

	return rc == -ENOENT ? FIREWALL_NOT_THERE : door_status(rc, "close");
}

/* Returns 0 or -errno; *rest_ms is only made less. */
static int read_rest(struct nft_table *t, const struct nft_door_set *set, const struct nft_key *key,
    uint64_t *rest_ms)
{
	struct nft_element found;
	char name[NFT_NAME_MAX];
	int rc = nft_element_get(&t->link, nft_door_set_name(name, set), key, &found);

	if (rc == 0 && found.rest_ms < *rest_ms)
		*rest_ms = found.rest_ms;
	return rc;
}

/* What the port of this key has left. */
static int read_port(struct nft_table *t, const struct nft_door_set *set,
    const struct firewall_pass *pass, const struct nft_key *key, uint64_t *rest_ms)
{
	const struct nft_door_set idle = nft_door_idle_set(pass);
	int rc;

	*rest_ms = UINT64_MAX;
	rc = read_rest(t, set, key, rest_ms);
	return rc == 0 && set->form == NFT_HELD ? read_rest(t, &idle, key, rest_ms) : rc;
}

/* Of several ports that which stays open longest; where time alone closes them all have the same. */
static enum firewall_status nftables_query(
    struct firewall *f, const struct service *s, const struct firewall_pass *pass, uint32_t *rest_s)
{
	const struct nft_door_set set = nft_door_set_of(s, pass);
	const bool alike = pass->idle_s == 0 && !pass->once;
	struct nft_key key[CONFIG_PORTS_MAX];
	const size_t keys = alike ? 1 : nft_door_keys(pass, s, key);
	uint64_t longest_ms = 0, rest_ms;
	int rc = 0, found = -ENOENT;

	if (alike)
		key[0] = nft_door_key(pass, s->proto, s->port);
	for (size_t i = 0; i < keys && (rc == 0 || rc == -ENOENT); i++) {
		rc = read_port(table_of(f), &set, pass, &key[i], &rest_ms);
		if (rc != 0)
			continue;
		found = 0;
		longest_ms = rest_ms > longest_ms ? rest_ms : longest_ms;
	}
	if (rc != 0 && rc != -ENOENT)
		return door_status(rc, "query");
	if (found != 0)
		return FIREWALL_NOT_THERE;
	*rest_s = (uint32_t)((longest_ms + MS_PER_SECOND - 1) / MS_PER_SECOND);
	return FIREWALL_OK;
}

static enum firewall_status nftables_list(struct firewall *f, firewall_door_fn *fn, void *arg)
{
	return door_status(nft_table_doors(table_of(f), fn, arg), "list");
}

static enum firewall_status nftables_ban(
    struct firewall *f, const struct address *a, uint32_t seconds)
{
	const int rc = nft_ban_put(table_of(f), a, seconds);

	/* Not told here: strangers can make it so, and auth tells at a limited rate. */
	return rc == -ENFILE ? FIREWALL_FULL : door_status(rc, "ban");
}

static enum firewall_status nftables_unban(struct firewall *f, const struct address *a)
{
	const int rc = nft_ban_delete(table_of(f), a);

	return rc == -ENOENT ? FIREWALL_NOT_THERE : door_status(rc, "unban");
}

static enum firewall_status nftables_bans(struct firewall *f, firewall_ban_fn *fn, void *arg)
{
	return door_status(nft_ban_each(table_of(f), fn, arg), "bans");
}

static int nftables_watch_fd(const struct firewall *f)
{
	return nft_watch_fd(&((const struct nftables *)f)->table.watch);
}

/* Of iptables' own table we hear of each change, also of ours: so look whether what is ours stands. */
static bool queue_is_gone(struct nft_table *t)
{
	const bool touched = t->watch.raw;

	t->watch.raw = false;
	return touched && t->queues_outside && !xt_queue_stands(t->run);
}

static bool nftables_changed(struct firewall *f)
{
	struct nft_table *t = table_of(f);
	bool changed = nft_watch_read(&t->watch) != 0 || t->changed;

	t->changed = false;
	return queue_is_gone(t) || changed;
}

static enum firewall_status nftables_remove(struct firewall *f)
{
	struct nft_table *t = table_of(f);

	/* Added first, so that a table that is not there is none to complain of. */
	if (nft_run(t->run, "add table inet " NFT_TABLE "\ndelete table inet " NFT_TABLE "\n") == 0)
		return xt_queue_remove(t->run) == 0 ? FIREWALL_OK : FIREWALL_FAILED;
	log_error("firewall", "remove=refused kernel=\"%s\"", nft_run_error(t->run));
	return FIREWALL_FAILED;
}

static enum firewall_status nftables_try(
    struct firewall *f, const struct config *c, uint32_t seconds)
{
	return nft_trial_begin(table_of(f), c, seconds);
}

static enum firewall_status nftables_confirm(struct firewall *f, const struct config *c)
{
	return nft_trial_confirm(table_of(f), c);
}

static enum firewall_status nftables_read(struct firewall *f, struct firewall_state *out)
{
	return door_status(nft_table_state(table_of(f), out), "read");
}

static enum firewall_status nftables_show(struct firewall *f, FILE *out)
{
	char *text =
	    nft_run_output(table_of(f)->run, "list table inet " NFT_TABLE, NFT_FORMAT_TEXT);

	if (!text)
		return FIREWALL_NOT_THERE;
	fputs(text, out);
	xt_queue_show(table_of(f)->run, out);
	free(text);
	return FIREWALL_OK;
}

static enum firewall_status nftables_print(const struct config *c, FILE *out)
{
	const struct nft_lengths none = {0};

	nft_rules_write(out, c, &none, NFT_ARM_INSTALL, NFT_QUEUE_HERE);
	return FIREWALL_OK;
}

const struct firewall_ops firewall_nftables = {
    .name = "nftables",
    .cuts = true,
    .start = nftables_start,
    .ensure = nftables_ensure,
    .open = nftables_open,
    .shorten = nftables_shorten,
    .close = nftables_close,
    .query = nftables_query,
    .list = nftables_list,
    .ban = nftables_ban,
    .unban = nftables_unban,
    .bans = nftables_bans,
    .watch_fd = nftables_watch_fd,
    .changed = nftables_changed,
    .remove = nftables_remove,
    .stop = nftables_stop,
    .install = nftables_install,
    .trial = nftables_try,
    .confirm = nftables_confirm,
    .read = nftables_read,
    .show = nftables_show,
    .print = nftables_print,
};
