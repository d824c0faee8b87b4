/* worker - see worker.h. */
#include "worker.h"

#include <errno.h>
#include <net/if.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"
#include "ipc.h"
#include "log.h"
#include "sources.h"

enum {
	SOURCE_DEPTH =
	    2 * 1024 * 1024,	    /* some thousand knocks: what comes while auth is at a disk */
	VERDICT_DEPTH = 256 * 1024, /* of some 10,000 packets, while we are at the firewall */
	NUMBER_TEXT = 12,
	STATUS_TEXT = 64,
	/* What is wrong with a configuration or an account may be mended without a reload, but not soon. */
	CONFIG_PAUSE_MS = 60000,
};

/* The time is that of the first of a row of failures. */
static void set_condition(struct worker *w, enum source_condition condition, const char *why)
{
	if (w->condition != condition || w->since_s == 0)
		w->since_s = clock_real_ns() / NS_PER_S;
	w->condition = condition;
	memset(w->why, 0, sizeof(w->why));
	(void)snprintf(w->why, sizeof(w->why), "%s", why);
}

static void try_again(void *arg)
{
	struct worker *w = arg;

	if (w->state == WORKER_WAITING && w->all->running)
		worker_start(w);
}

static void kill_now(void *arg)
{
	const struct worker *w = arg;

	child_signal(&w->child, SIGKILL);
}

void worker_end(struct worker *w)
{
	loop_cancel(w->all->loop, try_again, w);
	if (worker_is_alive(w)) {
		w->state = WORKER_ENDING;
		child_signal(&w->child, SIGTERM);
		if (loop_timer(w->all->loop, CHILD_GRACE_MS, kill_now, w))
			kill_now(w);
	} else {
		w->state = w->retired ? WORKER_FREE : WORKER_WAITING;
	}
}

static void retry_after(struct worker *w, uint32_t ms)
{
	w->state = WORKER_WAITING;
	w->tried = true;
	if (loop_timer(w->all->loop, ms, try_again, w))
		log_error(
		    "timers_full", "source=%s is not captured: restart posternd", w->source.name);
}

static void retry_later(struct worker *w, uint64_t lived_ms)
{
	retry_after(w, backoff_after(&w->backoff, lived_ms));
}

static bool exited_with(int status, enum capture_exit why)
{
	return WIFEXITED(status) && WEXITSTATUS(status) == (int)why;
}

static void condition_of_death(struct worker *w, int status)
{
	char text[SOURCE_WHY_BYTES], number[STATUS_TEXT];

	if (exited_with(status, CAPTURE_EXIT_NO_INTERFACE) ||
	    exited_with(status, CAPTURE_EXIT_LOST)) {
		set_condition(w, SOURCE_IS_WAITING, w->child.said);
		return;
	}
	(void)snprintf(text, sizeof(text), "%s%s%s",
	    child_status_text(number, sizeof(number), status), w->child.said[0] != '\0' ? ": " : "",
	    w->child.said);
	set_condition(w, SOURCE_IS_FAILED, text);
}

static void died(void *arg, int status, uint64_t lived_ms)
{
	struct worker *w = arg;
	char text[STATUS_TEXT];
	const bool wanted = w->state != WORKER_ENDING;

	loop_cancel(w->all->loop, kill_now, w);
	verdicts_end(&w->verdicts);
	if (wanted) {
		log_error("child_died", "process=\"%s\" %s", w->child.tag,
		    child_status_text(text, sizeof(text), status));
		condition_of_death(w, status);
	}
	if (w->retired)
		w->state = WORKER_FREE;
	else if (wanted && w->all->running && exited_with(status, CAPTURE_EXIT_CONFIG))
		retry_after(w, CONFIG_PAUSE_MS);
	else if (wanted && w->all->running)
		retry_later(w, lived_ms);
	else
		w->state = WORKER_WAITING;
	if (w->state == WORKER_WAITING && !wanted)
		try_again(w); /* auth came back while this one was still ending */
	sources_worker_changed(w->all);
}

/* Whether the interface is there and up; if not, that is said once. */
static bool look_at_interface(struct worker *w)
{
	const char *name = w->source.interface;
	struct ifreq request = {0};
	const int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	memcpy(request.ifr_name, name, sizeof(w->source.interface));
	w->was_up =
	    strcmp(name, "any") == 0 ||
	    (fd >= 0 && ioctl(fd, SIOCGIFFLAGS, &request) == 0 && (request.ifr_flags & IFF_UP));
	if (fd >= 0)
		close(fd);
	if (!w->was_up && !w->told)
		log_warning("interface_missing",
		    "source=%s interface=%s: captured as soon as it is there and up",
		    w->source.name, name);
	w->told = !w->was_up;
	return w->was_up;
}

static int launch(struct worker *w, int peer, int verdict, int config)
{
	char index[NUMBER_TEXT], number[NUMBER_TEXT], workers[NUMBER_TEXT], turn[NUMBER_TEXT],
	    group[NUMBER_TEXT], title[CHILD_TAG_MAX + sizeof("posternd: ")];
	const struct child_args *a = w->all->args;
	const char *const argv[] = {title, "--role", "capture", "--config", a->config_path,
	    "--source", w->source.name, "--index", index, "--capture", w->source.capture,
	    "--worker", number, "--workers", workers, "--group", group, "--turn", turn,
	    a->dry_run ? "--dry-run" : NULL, NULL};
	struct child_start start = {
	    .argv = argv, .root = w->all->root, .keep_input = w->reads_input};

	(void)snprintf(title, sizeof(title), "posternd: %s", w->child.tag);
	(void)snprintf(index, sizeof(index), "%u", w->index);
	(void)snprintf(number, sizeof(number), "%u", w->number);
	(void)snprintf(workers, sizeof(workers), "%u", w->source.workers);
	(void)snprintf(group, sizeof(group), "%u", w->group);
	(void)snprintf(turn, sizeof(turn), "%u", w->turn);
	for (int i = FD_LOG; i < FD_CHILD_END; i++)
		start.fd[i] = -1;
	start.fd[FD_PEER] = peer;
	start.fd[FD_VERDICT] = verdict;
	start.fd[FD_CONFIG] = config;
	return child_start(&w->child, &start);
}

static void condemn(void *arg, const char *why)
{
	const struct worker *w = arg;

	child_condemn(&w->child, why);
}

/* *end: the capture's, given to the caller; -1 where none is asked for. Returns 0 or -1. */
static int begin_verdicts(struct worker *w, int *end)
{
	int pair[2];

	*end = -1;
	if (config_needs(w->source.capture, 0) != NEED_NFQUEUE_0)
		return 0;
	if (ipc_pair(pair, VERDICT_DEPTH) != 0)
		return -1;
	*end = pair[1];
	return verdicts_start(&w->verdicts, w->all->loop, pair[0],
	    (uint16_t)(CONFIG_NFLOG_GROUP + w->turn), condemn, w);
}

static int introduce_and_launch(struct worker *w)
{
	int status = -1, verdict = -1;
	int pair[2];
	const int config = w->all->ops->config(w->all->arg);

	if (config < 0 || begin_verdicts(w, &verdict) != 0 || ipc_pair(pair, SOURCE_DEPTH) != 0) {
		log_error(
		    "start_failed", "process=\"%s\" error=\"%s\"", w->child.tag, strerror(errno));
		goto out;
	}
	w->id = ++w->all->last_id;
	if (w->all->ops->introduce(w->all->arg, w, pair[0]) == 0)
		status = launch(w, pair[1], verdict, config);
	close(pair[0]);
	close(pair[1]);
out:
	if (status != 0)
		verdicts_end(&w->verdicts);
	if (verdict >= 0)
		close(verdict);
	if (config >= 0)
		close(config);
	return status;
}

void worker_start(struct worker *w)
{
	loop_cancel(w->all->loop, try_again, w);
	if (!look_at_interface(w)) {
		set_condition(w, SOURCE_IS_WAITING, "the interface is not there, or down");
		retry_later(w, 0);
	} else if (sources_place(w->all, w) != 0) {
		set_condition(w, SOURCE_IS_WAITING,
		    w->held ? "the capture before has not ended yet"
			    : "the firewall does not take its rules");
		retry_later(w, 0);
	} else if (introduce_and_launch(w) != 0) {
		set_condition(w, SOURCE_IS_FAILED, "its process could not be started");
		retry_later(w, 0);
	} else {
		w->state = WORKER_STARTING;
		return;
	}
	sources_worker_changed(w->all);
}

void worker_init(struct worker *w, struct sources *all, const struct source_config *source,
    uint32_t index, unsigned number)
{
	char which[NUMBER_TEXT] = "";

	*w = (struct worker){.state = WORKER_WAITING,
	    .index = index,
	    .number = number,
	    .source = *source,
	    .reads_input =
		strcmp(source->capture, "savefile") == 0 && strcmp(source->file, "-") == 0,
	    .all = all};
	set_condition(w, SOURCE_IS_STARTING, "");
	verdicts_init(&w->verdicts);
	child_init(&w->child, all->loop, died, w);
	if (source->workers > 1)
		(void)snprintf(which, sizeof(which), " %u", number + 1);
	(void)snprintf(w->child.tag, sizeof(w->child.tag), "capture %s%s", source->name, which);
}

void worker_ready(struct worker *w)
{
	if (w->state != WORKER_STARTING)
		return;
	w->state = WORKER_READY;
	w->tried = true;
	set_condition(w, SOURCE_IS_UP, "");
	log_info("capturing", "source=%s interface=%s method=%s", w->source.name,
	    w->source.interface, w->source.capture);
	sources_worker_changed(w->all);
}

/* One that waits starts when its interface came up, not at each of the messages about it. */
void worker_link(struct worker *w, bool up)
{
	const bool came_up = up && !w->was_up;
	const bool went_down = !up && w->was_up;

	w->was_up = up;
	if (came_up && w->all->running && w->state == WORKER_WAITING) {
		worker_start(w);
	} else if (w->state == WORKER_READY && (came_up || went_down)) {
		set_condition(w, up ? SOURCE_IS_UP : SOURCE_IS_WAITING,
		    up ? "" : "the interface is down, or gone");
		sources_worker_changed(w->all);
	}
}
