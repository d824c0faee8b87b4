/*
 * exec - the backend of firewall.h that leaves the work to a script of the
 * administrator's (firewall-script), for firewalls that we do not know:
 *
 *   SCRIPT setup|remove|list
 *   SCRIPT open|close PROTO PORTS ADDRESS SECONDS SERVICE
 *
 * postern-firewall(7) is its contract. It is run by its argv, never through a
 * shell, and its exit status counts. The monitor waits for it, five seconds at
 * most. Nobody closes these doors but we: at their ends by our clock, and
 * those whose ends we missed at the next start (exec_table.h).
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "clock.h"
#include "exec_call.h"
#include "exec_table.h"
#include "firewall_ops.h"
#include "log.h"

enum {
	RETRY_MS = 5000,
	TURN_MAX = 16, /* closed in one turn, so that knocks are heard between */
};

struct exec {
	struct firewall base; /* first, so that the one can be made the other */
	char script[CONFIG_PATH_MAX];
	int timer;
	struct exec_table table;
};

static struct exec *state_of(struct firewall *f)
{
	return (struct exec *)f;
}

/* --- the start --- */

static void free_state(struct exec *e)
{
	if (e->timer >= 0)
		(void)close(e->timer);
	if (e->table.folder >= 0)
		(void)close(e->table.folder);
	free(e);
}

static void exec_stop(struct firewall *f)
{
	free_state(state_of(f));
}

/* Returns 0; -1 and logged. */
static int open_table(struct exec *e, const char *state_dir)
{
	int folder = open(state_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (folder >= 0)
		return exec_table_read(&e->table, folder);
	log_error("firewall", "state-dir=%s error=\"%s\"", state_dir, strerror(errno));
	return -1;
}

static struct firewall *exec_start(const struct config *c)
{
	struct exec *e = calloc(1, sizeof(*e));

	if (!e)
		return NULL;
	e->table.folder = -1;
	memcpy(e->script, c->firewall_script, sizeof(e->script));
	e->timer = timerfd_create(CLOCK_BOOTTIME, TFD_NONBLOCK | TFD_CLOEXEC);
	if (e->timer < 0 || exec_call_check(e->script) != 0 || open_table(e, c->state_dir) != 0) {
		free_state(e);
		return NULL;
	}
	return &e->base;
}

/* --- ends --- */

static void set_timer(struct exec *e)
{
	const uint64_t next = exec_table_next(&e->table);
	struct itimerspec when = {.it_interval = {0, 0}};

	if (next != UINT64_MAX) {
		when.it_value.tv_sec = (time_t)(next / MS_PER_S);
		/* A time of zero would mean never. */
		when.it_value.tv_nsec = (long)(next % MS_PER_S * NS_PER_MS) + (next == 0);
	}
	if (timerfd_settime(e->timer, TFD_TIMER_ABSTIME, &when, NULL) != 0)
		log_error("firewall", "timer=\"%s\": doors stay open", strerror(errno));
}

/* Close one by the script; what cannot be closed stays due. Returns 0 or -1. */
static int close_one(struct exec *e, struct exec_door *d)
{
	if (exec_call_door(e->script, "close", d, 0) != 0) {
		d->end_ms = 0;
		d->next_ms = clock_boot_ms() + RETRY_MS;
		d->stuck = true;
		return -1;
	}
	exec_table_drop(&e->table, d);
	return 0;
}

static struct exec_door *first_due(struct exec *e)
{
	const uint64_t now = clock_boot_ms();

	for (unsigned i = 0; i < e->table.doors; i++)
		if (e->table.door[i].next_ms <= now)
			return &e->table.door[i];
	return NULL;
}

/* Those that are due, up to the first that does not work: it may have taken five seconds. */
static void close_due(struct exec *e)
{
	struct exec_door *d;
	unsigned n = 0;

	while (n < TURN_MAX && (d = first_due(e)) != NULL) {
		n++;
		if (close_one(e, d) != 0)
			break;
	}
	/* A file that has too much closes twice, which does no harm. */
	if (n > 0)
		(void)!exec_table_write(&e->table);
	set_timer(e);
}

static int exec_watch_fd(const struct firewall *f)
{
	return ((const struct exec *)f)->timer;
}

static bool exec_changed(struct firewall *f)
{
	struct exec *e = state_of(f);
	uint64_t turns;

	if (read(e->timer, &turns, sizeof(turns)) == sizeof(turns))
		close_due(e);
	return false;
}

/* --- the guard --- */

static bool is_configured(const struct config *c, const struct exec_door *d)
{
	const int i = config_service_by_port(c, d->proto, d->ports.lo);

	return i >= 0 && config_service_by_port(c, d->proto, d->ports.hi) == i;
}

static void close_soon(struct exec_door *d)
{
	d->end_ms = d->next_ms = 0;
}

/* What the script has open and we do not know of was opened before a file was lost. */
static void take_line(struct exec *e, const char *line)
{
	char quoted[LOG_QUOTE_MAX];
	struct exec_door d, *known;

	if (line[0] == '\0')
		return;
	if (!exec_table_parse(line, &d)) {
		log_warning("firewall", "script=%s list=%s: not understood", e->script,
		    log_quote(quoted, line, strlen(line)));
		return;
	}
	known = exec_table_find(&e->table, &d);
	(void)snprintf(d.service, sizeof(d.service), "unknown");
	if (!known && !exec_table_put(&e->table, &d))
		log_error(
		    "firewall", "script=%s list: more doors than %d", e->script, EXEC_DOORS_MAX);
}

static void take_list(struct exec *e)
{
	char *said = NULL, *save = NULL;

	if (exec_call(e->script, "list", &said) == 0)
		for (char *line = strtok_r(said, "\n", &save); line;
		     line = strtok_r(NULL, "\n", &save))
			take_line(e, line);
	free(said);
}

static int setup(struct exec *e, const struct config *c)
{
	exec_table_guard(&e->table, c);
	return exec_table_write(&e->table) == 0 && exec_call_setup(e->script, &e->table, c) == 0
		   ? 0
		   : -1;
}

static enum firewall_status exec_install(struct firewall *f, const struct config *c)
{
	return setup(state_of(f), c) == 0 ? FIREWALL_OK : FIREWALL_FAILED;
}

static enum firewall_status exec_ensure(struct firewall *f, const struct config *c)
{
	struct exec *e = state_of(f);

	if (setup(e, c) != 0)
		return FIREWALL_FAILED;
	take_list(e);
	for (unsigned i = 0; i < e->table.doors; i++)
		if (!is_configured(c, &e->table.door[i]))
			close_soon(&e->table.door[i]);
	close_due(e);
	return FIREWALL_OK;
}

static enum firewall_status exec_remove(struct firewall *f)
{
	struct exec *e = state_of(f);

	if (exec_call(e->script, "remove", NULL) != 0)
		return FIREWALL_FAILED;
	e->table.there = false;
	e->table.doors = 0;
	return exec_table_write(&e->table) == 0 ? FIREWALL_OK : FIREWALL_FAILED;
}

/* --- doors --- */

/* One for each range of ports; returns how many. */
static unsigned doors_of(
    const struct service *s, const struct firewall_pass *p, struct exec_door out[CONFIG_RANGES_MAX])
{
	const unsigned n = s->ports.len > 0 ? s->ports.len : 1;

	for (unsigned i = 0; i < n; i++) {
		out[i] = (struct exec_door){.proto = s->proto, .from = p->from};
		memcpy(out[i].service, s->name, sizeof(out[i].service));
		out[i].ports =
		    s->ports.len > 0 ? s->ports.at[i] : (struct port_range){s->port, s->port};
	}
	return n;
}

static bool is_narrow(const struct service *v, const struct firewall_pass *p)
{
	if (!service_is_gateway(v) && p->idle_s == 0 && p->source_port == 0 && !p->once)
		return false;
	log_error("firewall",
	    "service=%s: the firewall exec has doors that time alone closes, of services alone; "
	    "use firewall = nftables",
	    v->name);
	return true;
}

/* It is in the file before it is open: whatever happens, it will be closed. */
static enum firewall_status open_one(
    struct exec *e, const struct exec_door *wanted, uint32_t seconds)
{
	struct exec_door *d = exec_table_put(&e->table, wanted);

	if (!d) {
		log_warning("firewall", "open=full doors=%d", EXEC_DOORS_MAX);
		return FIREWALL_FULL;
	}
	if (exec_table_write(&e->table) != 0) {
		close_soon(d);
		return FIREWALL_FAILED;
	}
	if (exec_call_door(e->script, "open", d, seconds) == 0)
		return FIREWALL_OK;
	close_soon(d); /* it may be half open */
	return FIREWALL_FAILED;
}

static enum firewall_status exec_open(
    struct firewall *f, const struct service *s, const struct firewall_pass *p, uint32_t seconds)
{
	struct exec *e = state_of(f);
	struct exec_door door[CONFIG_RANGES_MAX], *d;
	const uint64_t end_ms = clock_boot_ms() + (uint64_t)seconds * MS_PER_S;
	enum firewall_status status = FIREWALL_OK;
	unsigned n;

	if (is_narrow(s, p))
		return FIREWALL_FAILED;
	n = doors_of(s, p, door);
	for (unsigned i = 0; i < n && status == FIREWALL_OK; i++) {
		door[i].end_ms = door[i].next_ms = end_ms;
		status = open_one(e, &door[i], seconds);
	}
	for (unsigned i = 0; i < n && status != FIREWALL_OK; i++)
		if ((d = exec_table_find(&e->table, &door[i])) != NULL)
			close_soon(d);
	set_timer(e);
	return status;
}

static enum firewall_status exec_close(
    struct firewall *f, const struct service *s, const struct firewall_pass *p)
{
	struct exec *e = state_of(f);
	struct exec_door door[CONFIG_RANGES_MAX], *d;
	enum firewall_status status = FIREWALL_NOT_THERE;
	unsigned n;

	if (is_narrow(s, p))
		return FIREWALL_NOT_THERE;
	n = doors_of(s, p, door);
	for (unsigned i = 0; i < n && status != FIREWALL_FAILED; i++)
		if ((d = exec_table_find(&e->table, &door[i])) != NULL)
			status = close_one(e, d) == 0 ? FIREWALL_OK : FIREWALL_FAILED;
	if (status != FIREWALL_NOT_THERE)
		(void)!exec_table_write(&e->table);
	set_timer(e);
	return status;
}

/* 0: it has ended, though it may be open still where a script fails. */
static uint64_t rest_ms(const struct exec_door *d)
{
	const uint64_t now = clock_boot_ms();

	return d->end_ms > now ? d->end_ms - now : 0;
}

/* Of one that should be closed and is not: until that is tried again. */
static uint64_t until_closed_ms(const struct exec_door *d)
{
	const uint64_t now = clock_boot_ms();

	if (!d->stuck)
		return rest_ms(d);
	return d->next_ms > now ? d->next_ms - now : 1;
}

static enum firewall_status exec_query(
    struct firewall *f, const struct service *s, const struct firewall_pass *p, uint32_t *rest_s)
{
	struct exec_door door[CONFIG_RANGES_MAX];
	const struct exec_door *d;

	if (is_narrow(s, p))
		return FIREWALL_NOT_THERE;
	(void)doors_of(s, p, door);
	d = exec_table_find(&state_of(f)->table, &door[0]);
	if (!d || until_closed_ms(d) == 0)
		return FIREWALL_NOT_THERE;
	*rest_s = (uint32_t)((until_closed_ms(d) + MS_PER_S - 1) / MS_PER_S);
	return FIREWALL_OK;
}

static enum firewall_status exec_list(struct firewall *f, firewall_door_fn *fn, void *arg)
{
	const struct exec_table *t = &state_of(f)->table;

	for (unsigned i = 0; i < t->doors; i++)
		for (uint32_t port = t->door[i].ports.lo; port <= t->door[i].ports.hi; port++) {
			const struct firewall_door door = {.proto = t->door[i].proto,
			    .port = (uint16_t)port,
			    .pass = {.from = t->door[i].from},
			    .rest_ms = rest_ms(&t->door[i])};

			fn(arg, &door);
		}
	return FIREWALL_OK;
}

/* --- for the administrator --- */

static enum firewall_status exec_read(struct firewall *f, struct firewall_state *out)
{
	const struct exec_table *t = &state_of(f)->table;

	out->there = t->there;
	for (unsigned i = 0; i < t->guarded; i++)
		for (uint32_t port = t->guard[i].ports.lo;
		     port <= t->guard[i].ports.hi && out->guarded < FIREWALL_GUARDED_MAX; port++)
			out->guard[out->guarded++] = (struct firewall_guarded){
			    .proto = t->guard[i].proto, .port = (uint16_t)port};
	return FIREWALL_OK;
}

static enum firewall_status exec_show(struct firewall *f, FILE *out)
{
	const struct exec *e = state_of(f);
	char *said = NULL;
	const int rc = exec_call(e->script, "list", &said);

	fprintf(out, "# %s list\n%s", e->script, rc == 0 ? said : "");
	free(said);
	return rc == 0 ? FIREWALL_OK : FIREWALL_FAILED;
}

static enum firewall_status exec_print(const struct config *c, FILE *out)
{
	fprintf(out, "# %s setup\n", c->firewall_script);
	return FIREWALL_OK;
}

const struct firewall_ops firewall_exec = {
    .name = "exec",
    .start = exec_start,
    .ensure = exec_ensure,
    .open = exec_open,
    .close = exec_close,
    .query = exec_query,
    .list = exec_list,
    .watch_fd = exec_watch_fd,
    .changed = exec_changed,
    .remove = exec_remove,
    .stop = exec_stop,
    .install = exec_install,
    .read = exec_read,
    .show = exec_show,
    .print = exec_print,
};
