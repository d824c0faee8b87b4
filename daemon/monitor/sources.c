/* sources - see sources.h. */
#include "sources.h"

#include <errno.h>
#include <net/if.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ipc.h"
#include "log.h"

enum {
	SOURCE_DEPTH =
	    2 * 1024 * 1024, /* some thousand knocks: what comes while auth is at a disk */
	NUMBER_TEXT = 12,
	STATUS_TEXT = 64,
	/* What is wrong with a configuration or an account may be mended without a reload, but not soon. */
	CONFIG_PAUSE_MS = 60000,
};

static bool is_current(const struct source *s)
{
	return s->state != SOURCE_FREE && !s->retired;
}

static bool has_process(const struct source *s)
{
	return s->child.pid > 0;
}

static void start(struct source *s);

static void try_again(void *arg)
{
	struct source *s = arg;

	if (s->state == SOURCE_WAITING && s->all->running)
		start(s);
}

static void kill_now(void *arg)
{
	const struct source *s = arg;

	child_signal(&s->child, SIGKILL);
}

/* Politely, so that it can tell its counters; without patience if that does not help. */
static void end(struct source *s)
{
	loop_cancel(s->all->loop, try_again, s);
	if (has_process(s)) {
		s->state = SOURCE_ENDING;
		child_signal(&s->child, SIGTERM);
		if (loop_timer(s->all->loop, CHILD_GRACE_MS, kill_now, s))
			kill_now(s);
	} else {
		s->state = s->retired ? SOURCE_FREE : SOURCE_WAITING;
	}
}

static void end_retired(struct sources *all)
{
	for (size_t i = 0; i < SOURCES_SLOTS; i++)
		if (all->slot[i].state != SOURCE_FREE && all->slot[i].retired &&
		    all->slot[i].state != SOURCE_ENDING)
			end(&all->slot[i]);
}

static void changed(struct sources *all)
{
	if (sources_settled(all))
		end_retired(all);
	all->ops->changed(all->arg);
}

static void retry_after(struct source *s, uint32_t ms)
{
	s->state = SOURCE_WAITING;
	s->tried = true;
	if (loop_timer(s->all->loop, ms, try_again, s))
		log_error(
		    "timers_full", "interface=%s is not captured: restart posternd", s->interface);
}

static void retry_later(struct source *s, uint64_t lived_ms)
{
	retry_after(s, backoff_after(&s->backoff, lived_ms));
}

static bool needs_an_administrator(int status)
{
	return WIFEXITED(status) && WEXITSTATUS(status) == CAPTURE_EXIT_CONFIG;
}

static void died(void *arg, int status, uint64_t lived_ms)
{
	struct source *s = arg;
	char text[STATUS_TEXT];
	const bool wanted = s->state != SOURCE_ENDING;

	loop_cancel(s->all->loop, kill_now, s);
	if (wanted)
		log_error("child_died", "process=\"%s\" %s", s->child.tag,
		    child_status_text(text, sizeof(text), status));
	if (s->retired)
		s->state = SOURCE_FREE;
	else if (wanted && s->all->running && needs_an_administrator(status))
		retry_after(s, CONFIG_PAUSE_MS);
	else if (wanted && s->all->running)
		retry_later(s, lived_ms);
	else
		s->state = SOURCE_WAITING;
	if (s->state == SOURCE_WAITING && !wanted)
		try_again(s); /* auth came back while this one was still ending */
	changed(s->all);
}

/* Whether the interface is there and up; if not, that is said once. */
static bool look_at_interface(struct source *s)
{
	struct ifreq request = {0};
	const int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	memcpy(request.ifr_name, s->interface, sizeof(s->interface));
	s->was_up =
	    strcmp(s->interface, "any") == 0 ||
	    (fd >= 0 && ioctl(fd, SIOCGIFFLAGS, &request) == 0 && (request.ifr_flags & IFF_UP));
	if (fd >= 0)
		close(fd);
	if (!s->was_up && !s->told)
		log_warning("interface_missing",
		    "interface=%s: captured as soon as it is there and up", s->interface);
	s->told = !s->was_up;
	return s->was_up;
}

static int launch(struct source *s, int peer, int config)
{
	char number[NUMBER_TEXT], title[CHILD_TAG_MAX + sizeof("posternd: ")];
	const struct child_args *a = s->all->args;
	const char *const argv[] = {title, "--role", "capture", "--config", a->config_path,
	    "--source", s->name, "--index", number, a->dry_run ? "--dry-run" : NULL, NULL};
	struct child_start start = {
	    .argv = argv, .root = s->all->root, .keep_input = s->reads_input};

	(void)snprintf(number, sizeof(number), "%u", s->index);
	(void)snprintf(title, sizeof(title), "posternd: %s", s->child.tag);
	for (int i = FD_LOG; i < FD_CHILD_END; i++)
		start.fd[i] = -1;
	start.fd[FD_PEER] = peer;
	start.fd[FD_CONFIG] = config;
	return child_start(&s->child, &start);
}

static int introduce_and_launch(struct source *s)
{
	int status = -1;
	int pair[2];
	const int config = s->all->ops->config(s->all->arg);

	if (config < 0 || ipc_pair(pair, SOURCE_DEPTH)) {
		log_error(
		    "start_failed", "process=\"%s\" error=\"%s\"", s->child.tag, strerror(errno));
		goto out;
	}
	if (s->all->ops->introduce(s->all->arg, s, pair[0]) == 0)
		status = launch(s, pair[1], config);
	close(pair[0]);
	close(pair[1]);
out:
	if (config >= 0)
		close(config);
	return status;
}

static void start(struct source *s)
{
	loop_cancel(s->all->loop, try_again, s);
	if (!look_at_interface(s) || introduce_and_launch(s)) {
		retry_later(s, 0);
		return;
	}
	s->state = SOURCE_STARTING;
}

void sources_init(struct sources *all, struct loop *loop, const struct child_args *args, int root,
    const struct sources_ops *ops, void *arg)
{
	*all = (struct sources){.loop = loop, .args = args, .root = root, .ops = ops, .arg = arg};
	for (size_t i = 0; i < SOURCES_SLOTS; i++)
		all->slot[i].all = all;
}

static void add(struct sources *all, const struct config *c, uint32_t index, uint32_t generation)
{
	const struct source_config *want = &c->source[index];

	for (size_t i = 0; i < SOURCES_SLOTS; i++) {
		struct source *s = &all->slot[i];

		if (s->state != SOURCE_FREE)
			continue;
		*s = (struct source){
		    .state = SOURCE_WAITING, .index = index, .generation = generation, .all = all};
		memcpy(s->name, want->name, sizeof(s->name));
		memcpy(s->interface, want->interface, sizeof(s->interface));
		s->reads_input =
		    strcmp(want->capture, "savefile") == 0 && strcmp(want->file, "-") == 0;
		child_init(&s->child, all->loop, died, s);
		(void)snprintf(s->child.tag, sizeof(s->child.tag), "capture %s", want->name);
		return;
	}
	log_error("sources_full", "source=%s is not captured: restart posternd", want->name);
}

static void start_waiting(struct sources *all)
{
	for (size_t i = 0; i < SOURCES_SLOTS; i++)
		if (is_current(&all->slot[i]) && all->slot[i].state == SOURCE_WAITING)
			start(&all->slot[i]);
}

void sources_set(struct sources *all, const struct config *c, uint32_t generation)
{
	end_retired(all);
	all->generation = generation;
	for (size_t i = 0; i < SOURCES_SLOTS; i++) {
		all->slot[i].retired = true;
		if (all->slot[i].state == SOURCE_WAITING)
			end(&all->slot[i]);
	}
	for (uint32_t i = 0; i < c->sources; i++)
		add(all, c, i, generation);
	if (all->running)
		start_waiting(all);
	changed(all);
}

static bool same_source(const struct source_config *a, const struct source_config *b)
{
	return strcmp(a->name, b->name) == 0 && strcmp(a->interface, b->interface) == 0 &&
	       strcmp(a->capture, b->capture) == 0 && strcmp(a->file, b->file) == 0 &&
	       strcmp(a->filter, b->filter) == 0 && a->workers == b->workers;
}

bool sources_differ(const struct config *a, const struct config *b)
{
	if (a->sources != b->sources || a->udp_port != b->udp_port ||
	    a->log_level != b->log_level || strcmp(a->capture_user, b->capture_user) != 0)
		return true;
	for (unsigned i = 0; i < a->sources; i++)
		if (!same_source(&a->source[i], &b->source[i]))
			return true;
	return false;
}

void sources_run(struct sources *all)
{
	all->running = true;
	start_waiting(all);
	changed(all);
}

void sources_pause(struct sources *all)
{
	all->running = false;
	for (size_t i = 0; i < SOURCES_SLOTS; i++)
		if (all->slot[i].state != SOURCE_FREE)
			end(&all->slot[i]);
}

void sources_kill(struct sources *all)
{
	for (size_t i = 0; i < SOURCES_SLOTS; i++)
		if (all->slot[i].state != SOURCE_FREE)
			child_signal(&all->slot[i].child, SIGKILL);
}

/* The capture that auth speaks of, or NULL. *late: it was replaced, and may have ended while the word was on its way. */
static struct source *meant(struct sources *all, uint32_t index, uint32_t generation, bool *late)
{
	*late = generation < all->generation && index < CONFIG_SOURCES_MAX;
	for (size_t i = 0; i < SOURCES_SLOTS; i++) {
		struct source *s = &all->slot[i];

		if (s->state != SOURCE_FREE && s->index == index && s->generation == generation)
			return s;
	}
	return NULL;
}

int sources_ready(struct sources *all, uint32_t index, uint32_t generation)
{
	bool late;
	struct source *s = meant(all, index, generation, &late);

	if (!s)
		return late ? 0 : -1;
	if (s->state == SOURCE_STARTING) {
		s->state = SOURCE_READY;
		s->tried = true;
		log_info("capturing", "interface=%s", s->interface);
		changed(all);
	}
	return 0;
}

int sources_bad(struct sources *all, uint32_t index, uint32_t generation)
{
	bool late;
	struct source *s = meant(all, index, generation, &late);

	if (!s)
		return late ? 0 : -1;
	if (has_process(s))
		child_condemn(&s->child, "auth heard from it what no capture says");
	return 0;
}

/* One that waits starts when its interface came up, not at each of the messages about it. */
void sources_link(struct sources *all, const char *interface, bool up)
{
	for (size_t i = 0; i < SOURCES_SLOTS; i++) {
		struct source *s = &all->slot[i];

		if (!is_current(s) || (interface && strcmp(s->interface, interface) != 0))
			continue;
		const bool came_up = up && !s->was_up;

		s->was_up = up;
		if (came_up && all->running && s->state == SOURCE_WAITING)
			start(s);
	}
}

bool sources_settled(const struct sources *all)
{
	for (size_t i = 0; i < SOURCES_SLOTS; i++)
		if (is_current(&all->slot[i]) && !all->slot[i].tried)
			return false;
	return true;
}

bool sources_idle(const struct sources *all)
{
	for (size_t i = 0; i < SOURCES_SLOTS; i++)
		if (all->slot[i].state != SOURCE_FREE && has_process(&all->slot[i]))
			return false;
	return true;
}

unsigned sources_count(const struct sources *all, unsigned *of)
{
	unsigned ready = 0;

	*of = 0;
	for (size_t i = 0; i < SOURCES_SLOTS; i++) {
		*of += is_current(&all->slot[i]);
		ready += is_current(&all->slot[i]) && all->slot[i].state == SOURCE_READY;
	}
	return ready;
}
