/*
 * firewall_tool - daemon/monitor/firewall.h by hand, for the tests of its backends.
 *
 *   firewall_tool SILENCE KNOCK-PORT SERVICE... <commands
 *
 * A SERVICE is NAME:PROTO:PORT[,FIRST-LAST]...[:IDLE][>ADDRESS/PORT]..., with
 * NAME:gateway:INSIDE:OUTSIDE for a gateway.
 * >PORT for another port of this host and >~ADDRESS/PORT without masquerading.
 *
 * One command a line, one line of answer (list has more): ensure, install,
 * confirm, remove, read, list, changed, print; try SECONDS; open NAME
 * PASS SECONDS; shorten NAME PASS SECONDS; close NAME PASS; cut NAME PASS; query NAME PASS; many NAME COUNT SECONDS
 * (addresses from 10.0.0.1 on); bench NAME COUNT; config SILENCE KNOCK-PORT ...
 * The environment's FIREWALL names the backend, if it is not nftables; SCRIPT
 * and STATE are what exec needs.
 * A PASS is PREFIX[,idle=SECONDS][,port=NUMBER][,once].
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "firewall_admin.h"

enum { LINE_BYTES = 1024, WORDS_MAX = 32, MS = 1000 };

struct tool {
	struct config config;
	struct firewall *firewall;
	char *word[WORDS_MAX];
	int words;
};

static const char *const status_word[] = {
    [FIREWALL_OK] = "ok",
    [FIREWALL_NOT_THERE] = "not-there",
    [FIREWALL_FULL] = "full",
    [FIREWALL_FAILED] = "failed",
};

static void say(enum firewall_status status)
{
	puts(status_word[status]);
}

static void usage(const char *why)
{
	fprintf(stderr, "firewall_tool: %s\n", why);
	exit(2);
}

static uint16_t small_number(const char *text)
{
	return (uint16_t)strtoul(text, NULL, 10);
}

static void add_ports(struct service *s, char *text)
{
	char *save = NULL;

	for (char *w = strtok_r(text, ",", &save); w; w = strtok_r(NULL, ",", &save)) {
		struct port_range *r = &s->ports.at[s->ports.len++];
		const char *dash = strchr(w, '-');

		r->lo = small_number(w);
		r->hi = dash ? small_number(dash + 1) : r->lo;
	}
	s->port = s->ports.at[0].lo;
}

static void add_forward(struct service *s, char *text)
{
	struct forward *f = &s->forward.at[s->forward.len++];
	char *slash = strchr(text, '/');

	s->masquerade = text[0] != '~';
	text += text[0] == '~';
	f->port = small_number(slash ? slash + 1 : text);
	if (!slash)
		return;
	*slash = '\0';
	if (address_parse(text, &f->to) != 0)
		usage("ADDRESS/PORT");
}

static void add_service(struct config *c, char *word)
{
	struct service *s = &c->service[c->services++];
	char *save = NULL, *targets = NULL;

	(void)strtok_r(word, ">", &targets);
	for (char *t; (t = strtok_r(NULL, ">", &targets)) != NULL;)
		add_forward(s, t);
	const char *name = strtok_r(word, ":", &save), *proto = strtok_r(NULL, ":", &save);
	char *port = strtok_r(NULL, ":", &save);
	const char *idle = strtok_r(NULL, ":", &save);

	if (proto && strcmp(proto, "gateway") == 0 && port && idle) {
		*s = (struct service){.masquerade = 1};
		(void)snprintf(s->name, sizeof(s->name), "%s", name);
		(void)snprintf(s->inside, sizeof(s->inside), "%s", port);
		(void)snprintf(s->outside, sizeof(s->outside), "%s", idle);
		return;
	}

	if (!name || !proto || !port)
		usage("NAME:PROTO:PORT");
	snprintf(s->name, sizeof(s->name), "%s", name);
	s->proto = (uint8_t)small_number(proto);
	add_ports(s, port);
	s->idle_s = idle ? small_number(idle) : 0;
}

static void set_text(char *out, size_t size, const char *name, const char *otherwise)
{
	const char *value = getenv(name);

	(void)snprintf(out, size, "%s", value ? value : otherwise);
}

static void configure(struct config *c, char **word, int words)
{
	memset(c, 0, sizeof(*c));
	set_text(c->firewall, sizeof(c->firewall), "FIREWALL", "nftables");
	set_text(c->firewall_script, sizeof(c->firewall_script), "SCRIPT", "");
	set_text(c->state_dir, sizeof(c->state_dir), "STATE", "");
	if (words < 2)
		usage("too few words");
	c->silence = strcmp(word[0], "closed") == 0 ? SILENCE_CLOSED : SILENCE_DROP;
	c->udp_port = small_number(word[1]);
	for (int i = 2; i < words; i++)
		add_service(c, word[i]);
}

static const struct service *named(const struct tool *t)
{
	for (unsigned i = 0; t->words > 1 && i < t->config.services; i++)
		if (strcmp(t->config.service[i].name, t->word[1]) == 0)
			return &t->config.service[i];
	usage("no such service");
	return NULL;
}

static void add_narrowing(struct firewall_pass *p, const char *word)
{
	if (strcmp(word, "once") == 0)
		p->once = true;
	else if (strncmp(word, "idle=", 5) == 0)
		p->idle_s = small_number(word + 5);
	else if (strncmp(word, "port=", 5) == 0)
		p->source_port = small_number(word + 5);
	else
		usage("idle=, port= or once");
}

static struct firewall_pass pass_of(struct tool *t)
{
	struct firewall_pass p = {.once = false};
	char *save = NULL, *word;

	if (t->words < 3 || prefix_parse(strtok_r(t->word[2], ",", &save), &p.from) != 0)
		usage("not a prefix");
	while ((word = strtok_r(NULL, ",", &save)) != NULL)
		add_narrowing(&p, word);
	return p;
}

static uint32_t number(const struct tool *t, int word)
{
	if (t->words <= word)
		usage("a number is missing");
	return (uint32_t)strtoul(t->word[word], NULL, 10);
}

static void do_ensure(struct tool *t)
{
	say(firewall_ensure(t->firewall, &t->config));
}

static void do_install(struct tool *t)
{
	say(firewall_install(t->firewall, &t->config));
}

static void do_try(struct tool *t)
{
	say(firewall_try(t->firewall, &t->config, number(t, 1)));
}

static void do_confirm(struct tool *t)
{
	say(firewall_confirm(t->firewall, &t->config));
}

static void do_remove(struct tool *t)
{
	say(firewall_remove(t->firewall));
}

static void do_changed(struct tool *t)
{
	puts(firewall_changed(t->firewall) ? "yes" : "no");
}

static void do_print(struct tool *t)
{
	say(firewall_print(firewall_by_name(t->config.firewall), &t->config, stdout));
}

static void do_config(struct tool *t)
{
	configure(&t->config, t->word + 1, t->words - 1);
	puts("ok");
}

static void do_open(struct tool *t)
{
	struct firewall_pass from = pass_of(t);

	say(firewall_open(t->firewall, named(t), &from, number(t, 3)));
}

static void do_shorten(struct tool *t)
{
	struct firewall_pass from = pass_of(t);

	say(firewall_shorten(t->firewall, named(t), &from, number(t, 3)));
}

static void do_close(struct tool *t)
{
	struct firewall_pass from = pass_of(t);

	say(firewall_close(t->firewall, named(t), &from));
}

static void do_cut(struct tool *t)
{
	const struct firewall_pass from = pass_of(t);
	unsigned cut = 0;
	enum firewall_status status = firewall_cut(t->firewall, named(t), &from, &cut);

	printf("%s %u\n", status_word[status], cut);
}

static void do_query(struct tool *t)
{
	struct firewall_pass from = pass_of(t);
	uint32_t rest;
	enum firewall_status status = firewall_query(t->firewall, named(t), &from, &rest);

	printf("%s %u\n", status_word[status], rest);
}

static void print_door(void *arg, const struct firewall_door *d)
{
	const struct firewall_pass *p = &d->pass;
	char text[PREFIX_TEXT];

	(void)arg;
	printf("%s", prefix_text(&p->from, text));
	if (p->idle_s != 0)
		printf(",idle=%u", p->idle_s);
	if (p->source_port != 0)
		printf(",port=%u", p->source_port);
	printf("%s %u %u %llu\n", p->once ? ",once" : "", d->proto, d->port,
	    (unsigned long long)d->rest_ms);
}

static void do_list(struct tool *t)
{
	say(firewall_list(t->firewall, print_door, NULL));
}

static int by_port(const void *a, const void *b)
{
	const struct firewall_guarded *x = a, *y = b;

	return x->port < y->port ? -1 : x->port > y->port;
}

static void do_read(struct tool *t)
{
	static const char *const trial[] = {"none", "running", "ended"};
	struct firewall_state s;
	enum firewall_status status = firewall_read(t->firewall, &s);

	qsort(s.guard, s.guarded, sizeof(s.guard[0]), by_port);
	printf("%s there=%d trial=%s", status_word[status], s.there, trial[s.trial]);
	for (unsigned i = 0; i < s.guarded; i++)
		printf(
		    " %u.%u%s", s.guard[i].proto, s.guard[i].port, s.guard[i].rest_ms ? "!" : "");
	putchar('\n');
}

static struct firewall_pass nth(uint32_t i)
{
	uint32_t a = (10U << 24) + 1 + i;
	uint8_t b[4] = {(uint8_t)(a >> 24), (uint8_t)(a >> 16), (uint8_t)(a >> 8), (uint8_t)a};
	struct address address = address_v4(b);

	return (struct firewall_pass){.from = prefix_host(&address)};
}

/* Opens many; says how many went well and how the first that did not. */
static void do_many(struct tool *t)
{
	const struct service *s = named(t);
	uint32_t count = number(t, 2), i;
	enum firewall_status status = FIREWALL_OK;

	for (i = 0; i < count && status == FIREWALL_OK; i++) {
		struct firewall_pass from = nth(i);

		status = firewall_open(t->firewall, s, &from, number(t, 3));
	}
	printf("%s %u\n", status_word[status], status == FIREWALL_OK ? i : i - 1);
}

enum bench { BENCH_OPEN, BENCH_REFRESH, BENCH_QUERY, BENCH_CLOSE, BENCHES };

static void bench_one(struct tool *t, enum bench what, const struct service *s, uint32_t i)
{
	struct firewall_pass from = nth(i);
	uint32_t rest;
	enum firewall_status status = FIREWALL_OK;

	switch (what) {
	case BENCH_OPEN:
	case BENCH_REFRESH:
		status = firewall_open(t->firewall, s, &from, 600);
		break;
	case BENCH_QUERY:
		status = firewall_query(t->firewall, s, &from, &rest);
		break;
	case BENCH_CLOSE:
		status = firewall_close(t->firewall, s, &from);
		break;
	case BENCHES:
		break;
	}
	if (status != FIREWALL_OK)
		usage("the bench failed");
}

static void do_bench(struct tool *t)
{
	static const char *const word[BENCHES] = {"open", "refresh", "query", "close"};
	uint32_t count = number(t, 2);

	for (enum bench what = BENCH_OPEN; what < BENCHES; what++) {
		uint64_t start = clock_real_ns();

		for (uint32_t i = 0; i < count; i++)
			bench_one(t, what, named(t), i);
		printf("%s=%.2fus ", word[what], (double)(clock_real_ns() - start) / count / MS);
	}
	for (int i = 0; i < 2; i++) {
		uint64_t start = clock_real_ns();

		if (firewall_ensure(t->firewall, &t->config) != FIREWALL_OK)
			usage("the bench failed");
		printf("ensure=%.0fus ", (double)(clock_real_ns() - start) / MS);
	}
	putchar('\n');
}

static const struct {
	const char *name;
	void (*run)(struct tool *t);
} commands[] = {
    {"ensure", do_ensure},
    {"install", do_install},
    {"try", do_try},
    {"confirm", do_confirm},
    {"remove", do_remove},
    {"read", do_read},
    {"list", do_list},
    {"changed", do_changed},
    {"print", do_print},
    {"open", do_open},
    {"shorten", do_shorten},
    {"close", do_close},
    {"cut", do_cut},
    {"query", do_query},
    {"many", do_many},
    {"bench", do_bench},
    {"config", do_config},
};

static void run(struct tool *t)
{
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		if (strcmp(commands[i].name, t->word[0]) == 0) {
			commands[i].run(t);
			(void)fflush(stdout);
			return;
		}
	usage("no such command");
}

static void split(struct tool *t, char *line)
{
	char *save = NULL;

	t->words = 0;
	for (char *w = strtok_r(line, " \n", &save); w && t->words < WORDS_MAX;
	     w = strtok_r(NULL, " \n", &save))
		t->word[t->words++] = w;
}

int main(int argc, char **argv)
{
	static struct tool t;
	char line[LINE_BYTES];

	configure(&t.config, argv + 1, argc - 1);
	t.firewall = firewall_start(&t.config, getenv("DRY_RUN") != NULL);
	if (!t.firewall)
		return 1;
	while (fgets(line, sizeof(line), stdin)) {
		split(&t, line);
		if (t.words > 0)
			run(&t);
	}
	firewall_stop(t.firewall);
	return 0;
}
