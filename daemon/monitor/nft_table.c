/* nft_table - see nft_table.h. */
#include "nft_table.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "nft_ban.h"
#include "nft_door.h"
#include "nft_element.h"
#include "xt_queue.h"

static const char clear_table[] = "add table inet " NFT_TABLE "\ndelete table inet " NFT_TABLE "\n";

static void note_length(void *arg, const char *name)
{
	struct nft_lengths *out = arg;
	struct nft_door_set s;

	if (nft_door_set_parse(name, &s) && s.form == NFT_NETWORK)
		*(s.v4 ? &out->v4[s.number] : &out->v6[s.number]) = true;
}

int nft_table_lengths(struct nft_table *t, struct nft_lengths *out)
{
	memset(out, 0, sizeof(*out));
	return nft_set_names(&t->link, note_length, out);
}

/* The sets of doors that there are. */
struct door_sets {
	struct nft_door_set *set;
	size_t len;
	bool failed;
};

static void note_set(void *arg, const char *name)
{
	struct door_sets *all = arg;
	struct nft_door_set s, *more;

	if (!nft_door_set_parse(name, &s))
		return;
	more = reallocarray(all->set, all->len + 1, sizeof(*more));
	if (!more) {
		all->failed = true;
		return;
	}
	all->set = more;
	all->set[all->len++] = s;
}

/* An idle door is open for as long as both of its elements are there. */
static bool cut_to_idle(struct nft_table *t, struct firewall_door *door)
{
	const struct nft_door_set s = nft_door_idle_set(&door->pass);
	const struct nft_key key = nft_door_key(&door->pass, door->proto, door->port);
	struct nft_element found;
	char name[NFT_NAME_MAX];

	if (nft_element_get(&t->link, nft_door_set_name(name, &s), &key, &found) != 0)
		return false;
	if (found.timed && door->rest_ms != FIREWALL_FOR_EVER && found.rest_ms < door->rest_ms)
		door->rest_ms = found.rest_ms;
	return true;
}

/* The doors of one set. */
static int set_doors(
    struct nft_table *t, const struct nft_door_set *s, firewall_door_fn *fn, void *arg)
{
	struct nft_element *element;
	struct firewall_door door;
	char name[NFT_NAME_MAX];
	long n;

	if (s->form == NFT_IDLE)
		return 0;
	n = nft_element_dump(&t->link, nft_door_set_name(name, s), &element);
	if (n < 0)
		return n == -ENOENT ? 0 : (int)n;
	for (long i = 0; i < n; i++) {
		door.rest_ms = element[i].timed ? element[i].rest_ms : FIREWALL_FOR_EVER;
		memcpy(door.gateway, s->gateway, sizeof(door.gateway));
		if (nft_door_key_read(s, &element[i].key, &door.pass, &door.proto, &door.port) &&
		    (s->form != NFT_HELD || cut_to_idle(t, &door)))
			fn(arg, &door);
	}
	free(element);
	return 0;
}

int nft_table_doors(struct nft_table *t, firewall_door_fn *fn, void *arg)
{
	struct door_sets all = {0};
	int rc = nft_set_names(&t->link, note_set, &all);

	if (rc == 0 && all.failed)
		rc = -ENOMEM;
	for (size_t i = 0; i < all.len && rc == 0; i++)
		rc = set_doors(t, &all.set[i], fn, arg);
	free(all.set);
	return rc;
}

static int read_guarded(struct nft_table *t, struct firewall_state *out)
{
	struct nft_element *element;
	long n = nft_element_dump(&t->link, NFT_SET_GUARDED, &element);

	if (n < 0)
		return (int)n;
	for (long i = 0; i < n && out->guarded < FIREWALL_GUARDED_MAX; i++) {
		struct firewall_guarded *g = &out->guard[out->guarded];

		if (!nft_key_read_service(&element[i].key, &g->proto, &g->port))
			continue;
		g->rest_ms = element[i].rest_ms;
		if (element[i].timed && g->rest_ms == 0)
			g->rest_ms = 1; /* 0 would say "for good" */
		out->guarded++;
	}
	free(element);
	return 0;
}

int nft_table_state(struct nft_table *t, struct firewall_state *out)
{
	const struct nft_key marker = nft_key_mark(NFT_TRIAL_MARKER);
	struct nft_element found;
	int rc;

	memset(out, 0, sizeof(*out));
	rc = read_guarded(t, out);
	if (rc != 0)
		return rc == -ENOENT ? 0 : rc;
	out->there = true;
	rc = nft_element_get(&t->link, NFT_SET_TRIAL, &marker, &found);
	if (rc != 0)
		return rc == -ENOENT ? 0 : rc;
	out->trial = FIREWALL_TRIAL_ENDED;
	for (unsigned i = 0; i < out->guarded; i++)
		if (out->guard[i].rest_ms > 0)
			out->trial = FIREWALL_TRIAL_RUNNING;
	return 0;
}

static void write_element(FILE *out, const struct nft_door_set *s, const struct firewall_door *door)
{
	const struct firewall_pass *p = &door->pass;
	char set[NFT_NAME_MAX], address[ADDRESS_TEXT];

	fprintf(out, "add element inet " NFT_TABLE " %s { %s", nft_door_set_name(set, s),
	    address_text(&p->from.addr, address));
	if (p->source_port != 0)
		fprintf(out, " . %" PRIu16, p->source_port);
	if (s->form != NFT_GATE) {
		fputs(" . ", out);
		nft_rules_write_service(out, door->proto, door->port);
	}
	fprintf(out, " timeout %" PRIu64 "ms }\n", door->rest_ms);
}

/* An idle one gets back what is left of both its times, which is what it would have had without traffic. */
static void write_door(void *arg, const struct firewall_door *door)
{
	const struct nft_door_set s = nft_door_set(door->gateway, &door->pass);
	const struct nft_door_set idle = nft_door_idle_set(&door->pass);

	if (door->rest_ms == 0 || door->rest_ms == FIREWALL_FOR_EVER)
		return;
	write_element(arg, &s, door);
	if (s.form == NFT_HELD)
		write_element(arg, &idle, door);
}

/* What is guarded now, with the marker of its trial. */
static void write_state(FILE *out, const struct firewall_state *s)
{
	for (unsigned i = 0; i < s->guarded; i++) {
		fputs("add element inet " NFT_TABLE " " NFT_SET_GUARDED " { ", out);
		nft_rules_write_service(out, s->guard[i].proto, s->guard[i].port);
		if (s->guard[i].rest_ms > 0)
			fprintf(out, " timeout %" PRIu64 "ms", s->guard[i].rest_ms);
		fputs(" }\n", out);
	}
	if (s->trial != FIREWALL_TRIAL_NONE)
		fprintf(out, "add element inet " NFT_TABLE " " NFT_SET_TRIAL " { %d }\n",
		    NFT_TRIAL_MARKER);
}

struct plan {
	const struct config *c;
	const struct nft_lengths *lengths;
	enum nft_arming arming;
	enum nft_queueing queueing;
	const char *more;
};

static int run_stream(struct nft_table *t, FILE *out, char **text)
{
	int rc = fclose(out) == 0 ? nft_run(t->run, *text) : -1;

	free(*text);
	return rc;
}

static int replace_rules(struct nft_table *t, const struct plan *p)
{
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	if (!out)
		return -1;
	nft_rules_write(out, p->c, p->lengths, p->arming, p->queueing);
	if (p->more)
		fputs(p->more, out);
	return run_stream(t, out, &text);
}

/* The same from nothing. What can still be read of the old table is carried over. */
static int replace_table(struct nft_table *t, const struct plan *p)
{
	struct firewall_state state;
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	if (!out)
		return -1;
	fputs(clear_table, out);
	nft_rules_write(out, p->c, p->lengths, p->arming, p->queueing);
	if (nft_table_doors(t, write_door, out) != 0)
		log_warning("firewall", "doors=lost why=\"the old table cannot be read\"");
	if (nft_ban_each(t, nft_ban_write_element, out) != 0)
		log_warning("firewall", "bans=lost why=\"the old table cannot be read\"");
	if ((p->arming == NFT_ARM_KEEP || p->arming == NFT_ARM_MARK) &&
	    nft_table_state(t, &state) == 0)
		write_state(out, &state);
	if (p->more)
		fputs(p->more, out);
	return run_stream(t, out, &text);
}

static bool in_trial(struct nft_table *t)
{
	struct firewall_state state;

	return nft_table_state(t, &state) == 0 && state.trial != FIREWALL_TRIAL_NONE;
}

/* While it comes or goes, the drop in the table may be a moment before it: no knock of then is heard. */
static int follow_outside(struct nft_table *t, const struct plan *p)
{
	t->queues_outside = p->queueing == NFT_QUEUE_OUTSIDE;
	if (p->queueing == NFT_QUEUE_OUTSIDE)
		return xt_queue_put(p->c->udp_port, (uint16_t)nft_rules_queue(p->c));
	return xt_queue_remove(t->run);
}

int nft_table_replace(
    struct nft_table *t, const struct config *c, enum nft_arming arming, const char *more)
{
	struct nft_lengths lengths;
	const struct plan plan = {.c = c,
	    .lengths = &lengths,
	    .arming = arming,
	    .queueing = nft_run_queueing(t->run, c),
	    .more = more};
	int rc;

	if (nft_table_lengths(t, &lengths) != 0)
		memset(&lengths, 0, sizeof(lengths));
	(void)nft_watch_read(&t->watch); /* whatever it was is being put right */
	rc = replace_rules(t, &plan);
	if (rc != 0 && !(arming == NFT_ARM_UNLESS_TRIAL && in_trial(t)))
		rc = replace_table(t, &plan);
	t->changed = nft_watch_read(&t->watch) != (rc == 0 ? 1 : 0);
	return rc == 0 ? follow_outside(t, &plan) : rc;
}

int nft_table_add_length(struct nft_table *t, const struct prefix *from)
{
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);
	int rc;

	if (!out)
		return -1;
	if (nft_watch_read(&t->watch) != 0)
		t->changed = true;
	nft_rules_write_length(out, address_is_v4(&from->addr), from->len);
	rc = run_stream(t, out, &text);
	if (nft_watch_read(&t->watch) != (rc == 0 ? 1 : 0))
		t->changed = true;
	return rc;
}
