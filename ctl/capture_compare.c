#include "capture_compare.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>

#include "capture_traffic.h"
#include "clock.h"
#include "output.h"
#include "secret.h"

enum {
	LINGER_MS = 300, /* for what is still on its way to a reader */
	STEP_MS = 200,	 /* between two progress lines */
	LEAD_S = 2,	 /* rules and readers are told the window this long before it begins */
	PER_MILLE_HALF = 500,
	PER_MILLE_99 = 990,
	LINE_MAX = 120,
};

#define US_PER_NS 1e-3

static bool interrupted(const struct compare *c)
{
	struct pollfd p = {.fd = c->signals, .events = POLLIN};

	return poll(&p, 1, 0) > 0;
}

static void clear_progress(const struct compare *c)
{
	if (c->progress)
		(void)fputs("\r\033[K", stderr);
}

static void show_progress(const struct compare *c, const char *what, double done, uint64_t seen)
{
	if (c->progress)
		(void)fprintf(stderr, "\r\033[K%s: %3.0f %%, %" PRIu64 " packets seen", what,
		    done * 100, seen);
}

/* Until the clock says so, with a word now and then. Returns -1 when interrupted. */
static int wait_until(
    struct compare *c, const struct round *r, const char *what, uint64_t from_ns, uint64_t until_ns)
{
	uint64_t now;

	while ((now = clock_real_ns()) < until_ns) {
		uint64_t left_ms = (until_ns - now) / NS_PER_MS + 1;
		struct pollfd p = {.fd = c->signals, .events = POLLIN};
		double done =
		    now > from_ns ? (double)(now - from_ns) / (double)(until_ns - from_ns) : 0;

		show_progress(c, what, done, round_frames(r));
		if (poll(&p, 1, left_ms < STEP_MS ? (int)left_ms : STEP_MS) > 0)
			return -1;
	}
	return 0;
}

static int tell_interrupted(struct compare *c)
{
	return output_fail(c->ctl, CTL_FAILED, "interrupted before the comparison was complete");
}

static int tell_dead(struct compare *c, struct round *r, const struct capture_method *m)
{
	char why[TRIAL_WHY_MAX] = "";

	for (size_t i = 0; i < r->methods; i++)
		if (r->at[i].method == m)
			trial_why(r->at[i].trial, why);
	return output_fail(c->ctl, CTL_FAILED, "%s ended before its time%s%s", m->name,
	    why[0] != '\0' ? ": " : "", why);
}

/* A method that cannot work here is left out; when it was asked for by name, that is a failure. */
static int tell_unable(struct compare *c, const struct capture_method *m, const char *why)
{
	if (c->named)
		return output_fail(
		    c->ctl, CTL_FAILED, "%s cannot be compared here: %s", m->name, why);
	output_warn(c->ctl, "%s is left out: %s", m->name, why);
	return CTL_OK;
}

/* offered 0: what the method itself knows of. */
static void keep_result(
    struct compare *c, const struct round_entry *e, uint64_t offered, uint32_t rate, double seconds)
{
	struct capture_result *r = &c->results->at[c->results->len];
	double user = 0, kernel = 0;

	if (c->results->len == RESULTS_MAX)
		return;
	c->results->len++;
	cost_between(&e->before, &e->after, &user, &kernel);
	*r = (struct capture_result){.method = e->method->name,
	    .rate = rate,
	    .seconds = seconds,
	    /* Those that it dropped itself it has looked at as well. */
	    .seen = e->report.frames + e->report.kernel.gate + e->report.kernel.length,
	    .latency_p50_us =
		(double)histogram_quantile(&e->report.latency, PER_MILLE_HALF) * US_PER_NS,
	    .latency_p99_us =
		(double)histogram_quantile(&e->report.latency, PER_MILLE_99) * US_PER_NS,
	    .memory_kib = round_memory_kib(e)};
	r->offered = offered != 0 ? offered : r->seen + e->report.kernel.lost;
	r->lost = r->offered > r->seen ? r->offered - r->seen : 0;
	if (r->seen > 0) {
		r->cpu_user_us = user / (double)r->seen;
		r->cpu_kernel_us = kernel / (double)r->seen;
	}
}

static void keep_round(struct compare *c, const struct round *r, uint64_t offered)
{
	for (size_t i = 0; i < r->methods; i++) {
		/* The rules do not see what it took. */
		const bool hidden = round_traits_of(r->at[i].method)->takes;

		keep_result(c, &r->at[i], c->has_filter || hidden ? 0 : offered, 0, c->seconds);
	}
}

/* One turn of live traffic, in whole seconds of the clock: the rules can count no finer. */
static int run_window(struct compare *c, struct round *r, struct rules *rules, const char *what)
{
	struct rules_want want = round_rules(r, &c->source);
	const struct capture_method *dead;
	const bool takes = round_traits_of(r->at[0].method)->takes;
	const uint64_t linger_ns = takes ? 0 : (uint64_t)LINGER_MS * NS_PER_MS;
	char why[RULES_WHY_MAX];
	uint64_t from_ns, until_ns;

	want.from_s = clock_real_ns() / NS_PER_S + LEAD_S;
	want.until_s = want.from_s + c->seconds;
	from_ns = want.from_s * NS_PER_S;
	until_ns = want.until_s * NS_PER_S;
	if (rules_set(rules, &want, why) != 0)
		return output_fail(c->ctl, CTL_FAILED, "%s", why);
	dead = round_begin(r, from_ns, until_ns);
	if (dead == NULL) {
		if (wait_until(c, r, what, from_ns, from_ns) != 0)
			return tell_interrupted(c);
		/* What a method drops itself bears no stamp: it counts from now until it is asked. */
		if (takes)
			dead = round_begin(r, from_ns, until_ns);
		round_cost_from(r);
		if (wait_until(c, r, what, from_ns, until_ns) != 0)
			return tell_interrupted(c);
		round_cost_until(r);
		if (wait_until(c, r, what, from_ns, until_ns + linger_ns) != 0)
			return tell_interrupted(c);
		if (dead == NULL)
			dead = round_report(r);
	}
	if (dead != NULL)
		return tell_dead(c, r, dead);
	keep_round(c, r, rules_counted(rules));
	return CTL_OK;
}

/* Would a daemon miss what the method keeps for itself? */
static bool disturbs(const struct compare *c, const struct capture_method *m)
{
	const struct round_traits *t = round_traits_of(m);

	if (!c->daemon_runs)
		return false;
	return t->takes || ((t->diverted || t->queued) && c->daemon_by_firewall);
}

static int add_method(struct compare *c, struct round *r, const struct capture_method *m)
{
	char why[TRIAL_WHY_MAX];

	if (disturbs(c, m))
		return tell_unable(c, m,
		    "posternd runs, and would miss knocks meanwhile; stop it, or use --self-test");
	return round_add(r, m, &c->source, why) == 0 ? CTL_OK : tell_unable(c, m, why);
}

/* All that go together; then each of the others alone. */
static int run_live(struct compare *c, struct rules *rules)
{
	struct round r = {.methods = 0};
	int status = CTL_OK;

	for (size_t i = 0; status == CTL_OK && i < c->methods; i++)
		if (round_traits_of(c->method[i])->alone == NULL)
			status = add_method(c, &r, c->method[i]);
	if (status == CTL_OK && r.methods > 0)
		status = run_window(c, &r, rules, "side by side");
	round_end(&r);
	for (size_t i = 0; status == CTL_OK && i < c->methods; i++) {
		const char *alone = round_traits_of(c->method[i])->alone;

		if (alone == NULL)
			continue;
		status = add_method(c, &r, c->method[i]);
		if (status == CTL_OK && r.methods > 0) {
			output_say(
			    c->ctl, "%s had a turn of its own: %s.", c->method[i]->name, alone);
			status = run_window(c, &r, rules, c->method[i]->name);
		}
		round_end(&r);
	}
	return status;
}

int compare_live(struct compare *c)
{
	char why[RULES_WHY_MAX];
	struct veil_keys
	    made_up; /* so that a method that checks the gate works, and finds strangers alone */
	struct rules *rules = rules_new(why);
	int status;

	secret_random(&made_up, sizeof(made_up));
	c->source.key = &made_up;
	if (rules == NULL)
		return output_fail(c->ctl, CTL_FAILED, "%s", why);
	status = run_live(c, rules);
	rules_free(rules);
	clear_progress(c);
	return status;
}

/* Sender and reader on a processor each, where there are two. */
struct places {
	cpu_set_t sender, reader;
};

static struct places find_places(void)
{
	struct places p;
	cpu_set_t allowed;
	unsigned found = 0;

	CPU_ZERO(&allowed);
	CPU_ZERO(&p.sender);
	CPU_ZERO(&p.reader);
	(void)sched_getaffinity(0, sizeof(allowed), &allowed);
	for (size_t i = 0; found < 2 && i < CPU_SETSIZE; i++)
		if (CPU_ISSET(i, &allowed))
			CPU_SET(i, found++ == 0 ? &p.sender : &p.reader);
	if (found < 2)
		p.reader = p.sender;
	return p;
}

/* What the self-test works with. */
struct bench {
	struct compare *compare;
	struct traffic *traffic;
	struct places places;
};

/* Asked while packets are sent: shows how far it is, and says whether to stop. */
struct sending {
	struct compare *compare;
	const struct round *round;
	const char *what;
	uint64_t from_ns, shown_ns;
};

static bool on_sending(void *arg)
{
	struct sending *s = arg;
	uint64_t now = clock_real_ns();

	if (now - s->shown_ns >= (uint64_t)STEP_MS * NS_PER_MS) {
		double whole = (double)s->compare->seconds * NS_PER_S;

		s->shown_ns = now;
		show_progress(s->compare, s->what, (double)(now - s->from_ns) / whole,
		    round_frames(s->round));
	}
	return interrupted(s->compare);
}

static int run_rate(struct bench *b, struct round *r, uint32_t rate)
{
	struct compare *c = b->compare;
	char what[LINE_MAX];
	uint64_t start = clock_real_ns(), sent;
	struct sending sending = {.compare = c, .round = r, .what = what, .from_ns = start};
	const struct capture_method *dead = round_begin(r, start, UINT64_MAX);

	if (dead != NULL)
		return tell_dead(c, r, dead);
	(void)snprintf(
	    what, sizeof(what), "%s at %" PRIu32 " packets/s", r->at[0].method->name, rate);
	round_cost_from(r);
	sent =
	    traffic_send(b->traffic, rate, (uint64_t)c->seconds * NS_PER_S, on_sending, &sending);
	start = clock_real_ns();
	if (wait_until(c, r, what, start, start + (uint64_t)LINGER_MS * NS_PER_MS) != 0)
		return tell_interrupted(c);
	round_cost_until(r);
	dead = round_report(r);
	if (dead != NULL)
		return tell_dead(c, r, dead);
	keep_result(c, &r->at[0], sent, rate, c->seconds);
	return CTL_OK;
}

static int run_method(struct bench *b, struct rules *rules, const struct capture_method *m)
{
	struct compare *c = b->compare;
	struct round r = {.methods = 0};
	struct rules_want want;
	char why[RULES_WHY_MAX];
	int status = add_method(c, &r, m);

	if (r.methods == 0)
		return status;
	want = round_rules(&r, &c->source);
	want.drop = true;
	if (rules_set(rules, &want, why) != 0)
		status = output_fail(c->ctl, CTL_FAILED, "%s", why);
	cost_pin(trial_pid(r.at[0].trial), &b->places.reader);
	if (r.at[0].helper.pid > 0)
		cost_pin(r.at[0].helper.pid, &b->places.reader);
	for (size_t i = 0; status == CTL_OK && i < c->rates; i++)
		status = run_rate(b, &r, c->rate[i]);
	round_end(&r);
	return status;
}

int compare_self(struct compare *c)
{
	char why[RULES_WHY_MAX];
	struct veil_keys keys;
	struct bench b = {
	    .compare = c, .traffic = traffic_new(&keys, why), .places = find_places()};
	struct rules *rules = NULL;
	int status = CTL_OK;

	c->source.key = &keys;
	if (b.traffic != NULL)
		rules = rules_new(why);
	if (rules == NULL)
		status = output_fail(c->ctl, CTL_FAILED, "%s", why);
	(void)sched_setaffinity(0, sizeof(b.places.sender), &b.places.sender);
	for (size_t i = 0; status == CTL_OK && i < c->methods; i++)
		status = run_method(&b, rules, c->method[i]);
	rules_free(rules);
	traffic_free(b.traffic);
	secret_wipe(&keys, sizeof(keys));
	clear_progress(c);
	return status;
}
