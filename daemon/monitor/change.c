/* change - the steps of a reload, as reload.h orders them. */
#include "monitor.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "log.h"
#include "sandbox.h"

static const char guard_lost[] =
    "the configuration from before stays in force, but its guard could not be put back: see to "
    "the firewall, it is tried again";

/* For whoever asked for the reload. */
static void note_trouble(struct monitor *m, const char *line)
{
	report_collect(m->trouble, sizeof(m->trouble), line);
}

static void say_report(void *arg, const char *line)
{
	report_log(line);
	if (!report_is_warning(line))
		note_trouble(arg, line);
}

struct law *monitor_read_law(struct monitor *m)
{
	struct report r = {.say = say_report, .arg = m};
	struct law *law = law_read(m->args->config_path, m->args->config_dir, &r);

	if (law && m->args->check && m->args->check(&law->config, m->args->config_path, &r)) {
		law_free(law);
		return NULL;
	}
	return law;
}

static void fail(struct monitor *m, const char *why)
{
	log_error("reload_failed", "%s", why);
	note_trouble(m, why);
}

static void change_too_late(void *arg)
{
	struct monitor *m = arg;

	if (m->reload.state == RELOAD_OFFERED)
		fail(m, "auth did not answer in time: try again");
	reload_timed_out(&m->reload);
}

static void change_begin(void *arg)
{
	struct monitor *m = arg;

	m->trouble[0] = '\0';
	log_info("reloading", "config=%s", m->args->config_path);
	notify_reloading(&m->notify);
}

static int change_prepare(void *arg)
{
	struct monitor *m = arg;
	struct report r = {.say = say_report, .arg = m};
	uid_t uid;
	gid_t gid;

	m->candidate = monitor_read_law(m);
	if (!m->candidate)
		return -1;
	if (law_check_change(m->law, m->candidate, m->args->config_path, &r))
		return -1;
	/* The captures that are there would end for ones that cannot start. */
	if (sandbox_user(m->candidate->config.capture_user, &uid, &gid) == 0)
		return 0;
	fail(m, "the user that capture-user names is not there, or is root: name another");
	return -1;
}

static int change_offer(void *arg, uint32_t generation)
{
	struct monitor *m = arg;
	struct msg_files msg = {.head = {MSG_FILES, sizeof(msg)}, .generation = generation};
	int fd[LAW_FILES];

	if (law_reopen(m->candidate, fd)) {
		fail(m, strerror(errno));
		return -1;
	}
	const int status = auth_link_send(&m->auth, &msg, fd, LAW_FILES);

	for (int i = 0; i < LAW_FILES; i++)
		close(fd[i]);
	if (status == 0 && loop_timer(m->loop, RELOAD_PATIENCE_MS, change_too_late, m) == 0)
		return 0;
	return -1;
}

static int change_guard(void *arg)
{
	struct monitor *m = arg;

	if (guard_set(&m->guard, &m->candidate->config) == 0)
		return 0;
	note_trouble(m, "the firewall does not take the new guard: the log says why");
	return -1;
}

static void change_commit(void *arg, uint32_t generation)
{
	struct monitor *m = arg;
	const struct msg_plain msg = {.head = {MSG_COMMIT, sizeof(msg)}};

	law_free(m->before);
	m->before = m->law;
	m->before_generation = m->reload.generation;
	m->law = m->candidate;
	m->candidate = NULL;
	log_set_level(m->law->config.log_level);
	(void)!auth_link_send(&m->auth, &msg, NULL, 0);
	(void)generation;
	sources_set(&m->sources, &m->law->config);
}

static bool change_settled(void *arg)
{
	const struct monitor *m = arg;

	return sources_calm(&m->sources);
}

static void change_abort(void *arg)
{
	struct monitor *m = arg;
	struct msg_abort msg = {.head = {MSG_ABORT, sizeof(msg)}};

	law_free(m->candidate);
	m->candidate = NULL;
	fail(m, guard_is_lost(&m->guard) ? guard_lost : "what was in force stays in force");
	memcpy(msg.why, m->trouble, sizeof(msg.why));
	(void)!auth_link_send(&m->auth, &msg, NULL, 0);
}

static void change_end(void *arg, bool ok)
{
	struct monitor *m = arg;
	const struct msg_plain msg = {.head = {MSG_SETTLED, sizeof(msg)}};

	loop_cancel(m->loop, change_too_late, m);
	if (ok) {
		log_info("reloaded", "generation=%u", m->reload.generation);
		(void)!auth_link_send(&m->auth, &msg, NULL, 0);
	}
	if (!m->stopping)
		monitor_tell_status(m);
}

const struct reload_ops monitor_reload_ops = {
    .begin = change_begin,
    .prepare = change_prepare,
    .offer = change_offer,
    .guard = change_guard,
    .commit = change_commit,
    .settled = change_settled,
    .abort = change_abort,
    .end = change_end,
};
