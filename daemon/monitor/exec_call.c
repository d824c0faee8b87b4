/* exec_call - see exec_call.h. */
#include "exec_call.h"

#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "log.h"
#include "tool_run.h"

enum {
	ARGS_MAX = 8,
	ENV_MAX = 16,
	VALUE_BYTES = 96, /* the longest is an address */
	NUMBER_BYTES = 24,
	SAID_SHOWN = 160,
	MS = 1000,
};

/* A call while it is put together. */
struct call {
	const char *argv[ARGS_MAX];
	const char *env[ENV_MAX];
	char value[ENV_MAX][VALUE_BYTES];
	unsigned args, vars;
};

static void add_word(struct call *k, const char *word)
{
	k->argv[k->args++] = word;
	k->argv[k->args] = NULL;
}

/* Returns the value, which lives as long as the call. */
static const char *add_var(struct call *k, const char *name, const char *value)
{
	char *text = k->value[k->vars];

	(void)snprintf(text, VALUE_BYTES, "%s=%s", name, value);
	k->env[k->vars++] = text;
	k->env[k->vars] = NULL;
	return strchr(text, '=') + 1;
}

static const char *add_number(struct call *k, const char *name, uint64_t number)
{
	char text[NUMBER_BYTES];

	(void)snprintf(text, sizeof(text), "%" PRIu64, number);
	return add_var(k, name, text);
}

static const char *add_ports(struct call *k, const struct port_range *r)
{
	char text[NUMBER_BYTES];

	if (r->lo == r->hi)
		return add_number(k, "POSTERN_PORT", r->lo);
	(void)snprintf(text, sizeof(text), "%" PRIu16 "-%" PRIu16, r->lo, r->hi);
	return add_var(k, "POSTERN_PORT", text);
}

static void begin(struct call *k, const char *script, const char *verb)
{
	k->args = k->vars = 0;
	add_word(k, script);
	add_word(k, verb);
	k->env[k->vars++] = TOOL_PATH;
	(void)add_var(k, "POSTERN_VERB", verb);
}

/* Returns 0; -1 and logged. said as tool_run(). */
static int run(const struct call *k, char **said)
{
	char *text = NULL, quoted[LOG_QUOTE_MAX];
	int status = tool_run(k->argv, k->env, "", &text);
	const size_t len = strcspn(text, "\n");

	if (status == TOOL_KILLED)
		log_error("firewall",
		    "script=%s verb=%s: did not end in %d seconds, or by a signal, and was killed",
		    k->argv[0], k->argv[1], TOOL_PATIENCE_MS / MS);
	else if (status != 0)
		log_error("firewall", "script=%s verb=%s status=%d said=%s", k->argv[0], k->argv[1],
		    status, log_quote(quoted, text, len < SAID_SHOWN ? len : SAID_SHOWN));
	if (said)
		*said = text;
	else
		free(text);
	return status == 0 ? 0 : -1;
}

int exec_call_door(
    const char *script, const char *verb, const struct exec_door *d, uint64_t seconds)
{
	char address[ADDRESS_TEXT], prefix[PREFIX_TEXT];
	struct call k;

	begin(&k, script, verb);
	add_word(&k, add_var(&k, "POSTERN_PROTO", d->proto == IPPROTO_TCP ? "tcp" : "udp"));
	add_word(&k, add_ports(&k, &d->ports));
	add_word(&k, prefix_text(&d->from, prefix));
	(void)add_var(&k, "POSTERN_ADDRESS", address_text(&d->from.addr, address));
	(void)add_number(&k, "POSTERN_PREFIX_LEN", d->from.len);
	(void)add_var(&k, "POSTERN_FAMILY", address_is_v4(&d->from.addr) ? "inet" : "inet6");
	add_word(&k, add_number(&k, "POSTERN_SECONDS", seconds));
	add_word(&k, add_var(&k, "POSTERN_SERVICE", d->service));
	return run(&k, NULL);
}

int exec_call(const char *script, const char *verb, char **said)
{
	struct call k;

	begin(&k, script, verb);
	return run(&k, said);
}

/* What is guarded is one word in the environment: "tcp/22 udp/8000-8010". */
static char *guarded_text(const struct exec_table *t)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	if (!out)
		abort();
	fputs("POSTERN_GUARDED=", out);
	for (unsigned i = 0; i < t->guarded; i++) {
		const struct exec_guarded *g = &t->guard[i];

		fprintf(out, "%s%s/%" PRIu16, i > 0 ? " " : "",
		    g->proto == IPPROTO_TCP ? "tcp" : "udp", g->ports.lo);
		if (g->ports.hi > g->ports.lo)
			fprintf(out, "-%" PRIu16, g->ports.hi);
	}
	if (fclose(out) != 0)
		abort();
	return text;
}

int exec_call_setup(const char *script, const struct exec_table *t, const struct config *c)
{
	char *guarded = guarded_text(t);
	struct call k;
	int rc;

	begin(&k, script, "setup");
	(void)add_var(&k, "POSTERN_SILENCE", c->silence == SILENCE_DROP ? "drop" : "closed");
	(void)add_number(&k, "POSTERN_UDP_PORT", c->udp_port);
	(void)add_number(&k, "POSTERN_TCP_PORT", c->tcp_port);
	k.env[k.vars++] = guarded;
	k.env[k.vars] = NULL;
	rc = run(&k, NULL);
	free(guarded);
	return rc;
}

/* Whoever else can write it is root. */
int exec_call_check(const char *path)
{
	struct stat st;

	if (stat(path, &st) != 0)
		log_error("firewall", "firewall-script=%s error=\"%s\"", path, strerror(errno));
	else if (!S_ISREG(st.st_mode) || st.st_uid != 0 ||
		 (st.st_mode & (S_IWGRP | S_IWOTH)) != 0 || (st.st_mode & S_IXUSR) == 0)
		log_error("firewall",
		    "firewall-script=%s: must be root's, writable by nobody else and executable; "
		    "run chown root and chmod 0755 on it",
		    path);
	else
		return 0;
	return -1;
}
