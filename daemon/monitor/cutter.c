/* cutter - see cutter.h. */
#include "cutter.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "log.h"

/* What is waiting at the descriptors of the monitor is not the fork's. */
static void in_the_fork(
    struct firewall *f, const struct service *s, const struct firewall_pass *pass, int said)
{
	unsigned n = 0;

	if (dup2(said, STDERR_FILENO + 1) < 0 || close_range(STDERR_FILENO + 2, ~0U, 0) != 0)
		_exit(EXIT_FAILURE);
	if (firewall_cut(f, s, pass, &n) != FIREWALL_OK)
		_exit(EXIT_FAILURE); /* and has logged it */
	_exit(write(STDERR_FILENO + 1, &n, sizeof(n)) == sizeof(n) ? EXIT_SUCCESS : EXIT_FAILURE);
}

static void tell(const char *service, const struct prefix *from, unsigned n)
{
	char text[PREFIX_TEXT];

	if (n > 0)
		log_info("connections_cut", "service=%s from=%s connections=%u", service,
		    prefix_text(from, text), n);
}

/* It has said all that it will say. */
static void ended(void *arg)
{
	struct cutter_run *r = arg;
	unsigned n = 0;
	const bool ok = read(r->said, &n, sizeof(n)) == sizeof(n);

	loop_unwatch(r->all->loop, r->said);
	(void)close(r->said);
	(void)waitpid(r->pid, NULL, 0);
	r->pid = 0;
	/* One that failed may have cut some. */
	if (!ok || n > 0)
		firewall_was_cut(r->all->firewall, &r->from);
	tell(r->service, &r->from, n);
}

static struct cutter_run *free_run(struct cutter *c)
{
	for (unsigned i = 0; i < CUTTERS_MAX; i++)
		if (c->run[i].pid == 0)
			return &c->run[i];
	return NULL;
}

/* Returns 0; -1: nothing has begun. */
static int start(struct cutter_run *r, const struct service *s, const struct firewall_pass *pass)
{
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) != 0)
		return -1;
	r->pid = fork();
	if (r->pid == 0)
		in_the_fork(r->all->firewall, s, pass, ends[1]);
	(void)close(ends[1]);
	if (r->pid < 0 || loop_watch(r->all->loop, ends[0], ended, r) != 0) {
		if (r->pid > 0)
			(void)waitpid(r->pid, NULL, 0); /* and once more, which does no harm */
		(void)close(ends[0]);
		r->pid = 0;
		return -1;
	}
	r->said = ends[0];
	r->from = pass->from;
	(void)snprintf(r->service, sizeof(r->service), "%s", s->name);
	return 0;
}

void cutter_begin(struct cutter *c, const struct service *s, const struct firewall_pass *pass)
{
	struct cutter_run *r = free_run(c);
	unsigned n = 0;

	if (r && start(r, s, pass) == 0) {
		struct pollfd said = {.fd = r->said, .events = POLLIN};

		if (poll(&said, 1, CUTTER_PATIENCE_MS) > 0)
			ended(r);
		return;
	}
	if (firewall_cut(c->firewall, s, pass, &n) == FIREWALL_OK)
		tell(s->name, &pass->from, n);
}

void cutter_settle(struct cutter *c, const struct prefix *from)
{
	for (unsigned i = 0; i < CUTTERS_MAX; i++) {
		struct cutter_run *r = &c->run[i];

		if (r->pid != 0 && (prefix_within(&r->from, from) || prefix_within(from, &r->from)))
			ended(r);
	}
}

void cutter_open(struct cutter *c, struct loop *loop, struct firewall *f)
{
	*c = (struct cutter){.loop = loop, .firewall = f};
	for (unsigned i = 0; i < CUTTERS_MAX; i++)
		c->run[i].all = c;
}

void cutter_close(struct cutter *c)
{
	for (unsigned i = 0; i < CUTTERS_MAX; i++) {
		struct cutter_run *r = &c->run[i];

		if (r->pid == 0)
			continue;
		loop_unwatch(c->loop, r->said);
		(void)close(r->said);
		r->pid = 0;
	}
}
