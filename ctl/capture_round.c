#include "capture_round.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "jail.h"

static const struct round_traits traits[] = {
    {.name = "nflog", .everywhere = true, .logged = true},
    {.name = "nfqueue", .everywhere = true, .queued = true},
    {.name = "savefile", .recorded = true},
    {.name = "udp", .diverted = true, .alone = "its packets are diverted to a port of its own"},
    {.name = "xdp", .takes = true, .alone = "what it takes no other method sees"},
};

const struct round_traits *round_traits_of(const struct capture_method *m)
{
	static const struct round_traits plain = {.name = ""};

	for (size_t i = 0; i < sizeof(traits) / sizeof(traits[0]); i++)
		if (strcmp(traits[i].name, m->name) == 0)
			return &traits[i];
	return &plain;
}

static void end_entry(struct round_entry *e)
{
	trial_end(e->trial);
	helper_end(&e->helper);
}

static int start_helper(
    struct round_entry *e, const struct round_source *s, char why[static TRIAL_WHY_MAX])
{
	const struct round_traits *t = round_traits_of(e->method);
	int status = 0;

	if (t->recorded)
		status = helper_record(&e->helper, s->interface, s->filter);
	else if (t->queued)
		status = helper_judge(&e->helper, RULES_GROUP);
	if (status != 0)
		(void)snprintf(why, TRIAL_WHY_MAX, "%s",
		    t->recorded
			? "tcpdump, which records for it, does not capture; is it installed?"
			: "no process for its helper");
	return status;
}

int round_add(struct round *r, const struct capture_method *m, const struct round_source *s,
    char why[static TRIAL_WHY_MAX])
{
	const struct round_traits *t = round_traits_of(m);
	struct round_entry *e = &r->at[r->methods];
	struct trial_plan plan = {
	    .method = m,
	    .want = {.source = t->everywhere ? "any" : s->interface,
		.file = "-",
		.filter = s->filter,
		.buffer_bytes = JAIL_BUFFER_BYTES,
		.number = RULES_GROUP,
		.udp_port = RULES_UDP_PORT,
		.uid = s->uid,
		.gid = s->gid},
	    .uid = s->uid,
	    .gid = s->gid,
	    .input = -1,
	    .key = s->key,
	    .port = s->port,
	};

	if (r->methods == ROUND_METHODS_MAX)
		abort();
	*e = (struct round_entry){.method = m};
	if (start_helper(e, s, why) != 0) {
		end_entry(e);
		return -1;
	}
	if (t->recorded)
		plan.input = e->helper.output;
	if (t->queued)
		plan.verdicts = e->helper.output;
	e->trial = trial_start(&plan, why);
	if (e->helper.pid > 0)
		(void)close(e->helper.output);
	if (e->trial == NULL) {
		end_entry(e);
		return -1;
	}
	r->methods++;
	return 0;
}

struct rules_want round_rules(const struct round *r, const struct round_source *s)
{
	struct rules_want w = {.interface = s->interface, .port = s->port};

	for (size_t i = 0; i < r->methods; i++) {
		const struct round_traits *t = round_traits_of(r->at[i].method);

		w.log = w.log || t->logged;
		w.queue = w.queue || t->queued;
		w.divert = w.divert || t->diverted;
	}
	return w;
}

const struct capture_method *round_begin(struct round *r, uint64_t from_ns, uint64_t until_ns)
{
	for (size_t i = 0; i < r->methods; i++)
		if (trial_begin(r->at[i].trial, from_ns, until_ns) != 0)
			return r->at[i].method;
	return NULL;
}

static struct cost cost_of_entry(const struct round_entry *e)
{
	struct cost c = cost_of(trial_pid(e->trial)), helper = {0};

	if (e->helper.pid > 0)
		helper = cost_of(e->helper.pid);
	return (struct cost){.run_ns = c.run_ns + helper.run_ns,
	    .user_ticks = c.user_ticks + helper.user_ticks,
	    .kernel_ticks = c.kernel_ticks + helper.kernel_ticks};
}

void round_cost_from(struct round *r)
{
	for (size_t i = 0; i < r->methods; i++)
		r->at[i].before = cost_of_entry(&r->at[i]);
}

void round_cost_until(struct round *r)
{
	for (size_t i = 0; i < r->methods; i++)
		r->at[i].after = cost_of_entry(&r->at[i]);
}

const struct capture_method *round_report(struct round *r)
{
	for (size_t i = 0; i < r->methods; i++)
		if (trial_report(r->at[i].trial, &r->at[i].report) != 0)
			return r->at[i].method;
	return NULL;
}

uint64_t round_frames(const struct round *r)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < r->methods; i++)
		sum += trial_frames(r->at[i].trial);
	return sum;
}

uint64_t round_memory_kib(const struct round_entry *e)
{
	return cost_memory_kib(trial_pid(e->trial)) +
	       (e->helper.pid > 0 ? cost_memory_kib(e->helper.pid) : 0);
}

void round_end(struct round *r)
{
	for (size_t i = 0; i < r->methods; i++)
		end_entry(&r->at[i]);
	r->methods = 0;
}
