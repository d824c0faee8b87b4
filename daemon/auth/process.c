/*
 * process - the auth process: open as root, jail, drop, load, loop. What it
 * decides is the core's; here is only who hands what to whom.
 */
#include "process.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "clock.h"
#include "control.h"
#include "core.h"
#include "fault.h"
#include "gpg_link.h"
#include "load.h"
#include "log.h"
#include "loop.h"
#include "opening.h"
#include "raw.h"
#include "secret.h"
#include "server.h"
#include "source.h"

enum {
	PEER_MAX = 256, /* messages of the monitor a turn */
};

struct auth {
	const struct child_args *args;
	struct loop *loop;
	struct opening opening;
	struct core *core;
	struct sources *sources;
	struct control *control;
	struct gpg_link gpg;
	struct realm *candidate;
	int exit_status;
	uint64_t tick_at_ms;		/* 0: no tick is set */
	char trouble[CONTROL_TEXT_MAX]; /* first lines of what is wrong with a candidate */
};

static void stop(struct auth *a, int exit_status)
{
	a->exit_status = exit_status;
	loop_stop(a->loop);
}

/* --- the core's world --- */

static uint64_t world_real(void *arg)
{
	(void)arg;
	return clock_real_ns();
}

static uint64_t world_boot(void *arg)
{
	(void)arg;
	return clock_boot_ms();
}

static void peer_writable(void *arg)
{
	struct auth *a = arg;

	loop_no_write(a->loop, FD_PEER);
	core_pump(a->core);
}

/* Whatever it answers with MSG_DOOR_DONE. */
static int ask_monitor(struct auth *a, const void *m)
{
	if (ipc_send(FD_PEER, m, NULL, 0) == 0)
		return 0;
	if (errno == EAGAIN)
		loop_want_write(a->loop, FD_PEER, peer_writable, a);
	else
		stop(a, EXIT_FAILURE);
	return -1;
}

static int world_ask(void *arg, const struct msg_door *m)
{
	return ask_monitor(arg, m);
}

static int world_ban(void *arg, const struct msg_ban *m)
{
	return ask_monitor(arg, m);
}

static int world_run(void *arg, const struct msg_command *m)
{
	if (ipc_send(FD_PEER, m, NULL, 0) == 0)
		return 0;
	if (errno != EAGAIN)
		stop(arg, EXIT_FAILURE);
	return -1;
}

static int world_event(void *arg, const struct msg_event *m)
{
	(void)arg; /* who is gone is noticed elsewhere */
	return ipc_send(FD_PEER, m, NULL, 0);
}

static int world_pgp(void *arg, const struct msg_pgp *m)
{
	struct auth *a = arg;

	return gpg_link_send(&a->gpg, m);
}

static int world_send(void *arg, const struct route *r, const uint8_t *packet, size_t len)
{
	struct auth *a = arg;

	return raw_send(&a->opening.raw, r, packet, len);
}

/* --- reports --- */

static void say(void *arg, const char *line)
{
	struct auth *a = arg;

	report_log(line);
	if (!report_is_warning(line))
		report_collect(a->trouble, sizeof(a->trouble), line);
}

/* --- the monitor --- */

static void tell_monitor(struct auth *a, const void *m)
{
	if (ipc_send(FD_PEER, m, NULL, 0) == 0)
		return;
	log_error("monitor", "error=\"%s\": it does not listen", strerror(errno));
	stop(a, EXIT_FAILURE);
}

static void tell_of_pgp(void *arg, const struct msg_pgp_plain *m)
{
	tell_monitor(arg, m);
}

static void tell_plain(struct auth *a, enum message_type type)
{
	struct msg_plain m = {.head = {.type = type, .len = sizeof(m)}};

	tell_monitor(a, &m);
}

static void take_files(struct auth *a, const struct msg_files *m, const int *fds)
{
	struct report r = {.say = say, .arg = a};
	struct msg_loaded done = {
	    .head = {.type = MSG_LOADED, .len = sizeof(done)}, .generation = m->generation};

	realm_free(a->candidate);
	a->trouble[0] = '\0';
	a->candidate = load_realm(fds, m->generation, a->args->config_path, &r);
	done.ok = a->candidate != NULL;
	tell_monitor(a, &done);
}

/* Some things are opened before the jail and stay as they are until the daemon is started anew. */
static void warn_of_fixed(const struct config *old, const struct config *now)
{
	if (strcmp(old->state_dir, now->state_dir) != 0 || strcmp(old->store, now->store) != 0 ||
	    strcmp(old->auth_user, now->auth_user) != 0 ||
	    strcmp(old->openpgp_user, now->openpgp_user) != 0)
		log_warning("reload", "state-dir, store, auth-user and openpgp-user change only "
				      "when posternd is restarted");
}

static void take_commit(struct auth *a)
{
	if (!a->candidate)
		return;
	warn_of_fixed(&core_realm(a->core)->config, &a->candidate->config);
	log_set_level(a->candidate->config.log_level);
	core_swap(a->core, a->candidate);
	a->candidate = NULL;
	sources_send_keys(a->sources);
	gpg_link_want(&a->gpg);
	log_info("loaded", "clients=%zu services=%u", clients_count(core_realm(a->core)->clients),
	    core_realm(a->core)->config.services);
}

/* What the monitor knows beside what we told of the candidate ourselves. */
static void note_lines(struct auth *a, const char *lines)
{
	char line[ABORT_WHY_BYTES];

	while (*lines != '\0') {
		const size_t len = strcspn(lines, "\n");

		(void)snprintf(line, sizeof(line), "%.*s", (int)len, lines);
		report_collect(a->trouble, sizeof(a->trouble), line);
		lines += len + (lines[len] == '\n');
	}
}

static int take_abort(struct auth *a, const struct msg_abort *m)
{
	if (!memchr(m->why, '\0', sizeof(m->why)))
		return -1;
	realm_free(a->candidate);
	a->candidate = NULL;
	note_lines(a, m->why);
	control_reloaded(a->control, false, a->trouble);
	a->trouble[0] = '\0';
	return 0;
}

static int take_switched(struct auth *a, const struct msg_switched *m)
{
	if (!memchr(m->why, '\0', sizeof(m->why)))
		return -1;
	control_switched(a->control, m->id, m->ok == 1, m->why);
	return 0;
}

union monitor_message {
	struct ipc_head head;
	struct msg_plain plain;
	struct msg_door_done done;
	struct msg_command_done command;
	struct msg_source source;
	struct msg_pgp_plain pgp;
	struct msg_source_state state;
	struct msg_switched switched;
	struct msg_abort abort;
	struct msg_files files;
	struct msg_mended mended;
};

/* Takes the descriptors in fds that it keeps and sets them to -1. Returns 0, or -1: not a message of the monitor's. */
static int take(struct auth *a, const union monitor_message *m, size_t len, int *fds, size_t nfds)
{
	if (m->head.type == MSG_PGP_PROCESS) {
		if (len != sizeof(m->pgp) || nfds != 1)
			return -1;
		gpg_link_take(&a->gpg, fds[0]);
		fds[0] = -1;
		return 0;
	}
	switch ((enum message_type)m->head.type) {
	case MSG_DOOR_DONE:
		return len == sizeof(m->done) ? core_door_done(a->core, &m->done) : -1;
	case MSG_COMMAND_DONE:
		return len == sizeof(m->command) ? core_command_done(a->core, &m->command) : -1;
	case MSG_SOURCE:
		if (len != sizeof(m->source) || nfds != 1)
			return -1;
		sources_add(a->sources, fds[0], &m->source);
		fds[0] = -1;
		return 0;
	case MSG_FILES:
		if (len != sizeof(m->files) || nfds != AUTH_FILES)
			return -1;
		take_files(a, &m->files, fds);
		return 0;
	case MSG_SOURCE_STATE:
		return len == sizeof(m->state) ? sources_take_state(a->sources, &m->state) : -1;
	case MSG_SWITCHED:
		return len == sizeof(m->switched) ? take_switched(a, &m->switched) : -1;
	case MSG_COMMIT:
		take_commit(a);
		return 0;
	case MSG_MENDED:
		if (len != sizeof(m->mended))
			return -1;
		core_doors_mended(a->core, m->mended.lost != 0);
		return 0;
	case MSG_SETTLED:
		control_reloaded(a->control, true, "reloaded");
		return 0;
	case MSG_ABORT:
		return len == sizeof(m->abort) ? take_abort(a, &m->abort) : -1;
	case MSG_KNOCK:
	case MSG_TRAPPED:
	case MSG_CAPTURE_READY:
	case MSG_CAPTURE_STATS:
	case MSG_KEYS:
	case MSG_STATS_QUERY:
	case MSG_AUTH_READY:
	case MSG_SOURCE_READY:
	case MSG_SOURCE_BAD:
	case MSG_DOOR_OPEN:
	case MSG_DOOR_CLOSE:
	case MSG_DOOR_SHORTEN:
	case MSG_DOOR_QUERY:
	case MSG_BAN:
	case MSG_UNBAN:
	case MSG_COMMAND:
	case MSG_RELOAD_WANTED:
	case MSG_LOADED:
	case MSG_SWITCH:
	case MSG_EVENT:
		break;
	}
	return -1;
}

static void monitor_readable(void *arg)
{
	struct auth *a = arg;
	union monitor_message m;
	int fds[AUTH_FILES], n = 0, status = 0;
	size_t nfds = 0;

	for (unsigned i = 0; i < PEER_MAX && status == 0; i++) {
		n = ipc_recv(FD_PEER, &m, sizeof(m), fds, AUTH_FILES, &nfds);
		if (n < 0 && errno == EAGAIN)
			return;
		if (n <= 0)
			break;
		status = take(a, &m, (size_t)n, fds, nfds);
		while (nfds > 0)
			if (fds[--nfds] >= 0)
				close(fds[nfds]);
	}
	if (n <= 0 || status != 0) {
		log_error(
		    "monitor", "type=%u: gone, or not the one we know", n > 0 ? m.head.type : 0);
		stop(a, EXIT_FAILURE);
	}
}

static void tell_of_source(void *arg, const struct msg_source_ready *m)
{
	tell_monitor(arg, m);
}

static void source_stats(void *arg)
{
	struct auth *a = arg;

	control_stats(a->control);
}

static const struct source_ops source_ops = {.tell = tell_of_source, .stats = source_stats};

static void reload_wanted(void *arg)
{
	tell_plain(arg, MSG_RELOAD_WANTED);
}

/* Both names are those of the configuration. Returns NULL; or a sentence, and the monitor is not asked. */
static const char *switch_wanted(void *arg, uint32_t id, const char *source, const char *method)
{
	struct auth *a = arg;
	const struct realm *r = core_realm(a->core);
	const int index = config_source(&r->config, source);
	const int number = config_capture(method);
	const struct msg_switch m = {.head = {.type = MSG_SWITCH, .len = sizeof(m)},
	    .index = source[0] != '\0' ? (uint32_t)index : SWITCH_ALL_SOURCES,
	    .generation = r->generation,
	    .method = (uint32_t)number,
	    .id = id};

	if (number < 0)
		return "there is no such way to capture; posternd.conf(5) names them";
	if (source[0] != '\0' && index < 0)
		return "there is no such source; posternctl stats names them";
	tell_monitor(a, &m);
	return NULL;
}

/* --- the loop --- */

static void again(void *arg)
{
	(void)arg; /* there is work left: poll shall not wait */
}

static void tick(void *arg)
{
	struct auth *a = arg;

	a->tick_at_ms = 0;
	core_tick(a->core);
}

/* Only ever earlier: set anew each turn it would never come. */
static void set_tick(struct auth *a)
{
	uint64_t due = core_tick_due(a->core), at = clock_mono_ms() + due;

	if (due == 0 || (a->tick_at_ms != 0 && a->tick_at_ms <= at))
		return;
	if (loop_timer(a->loop, due, tick, a) == 0)
		a->tick_at_ms = at;
}

static void each_turn(void *arg)
{
	struct auth *a = arg;

	if (core_turn(a->core))
		(void)loop_timer(a->loop, 0, again, a);
	set_tick(a);
}

static void take_signal(void *arg)
{
	struct auth *a = arg;

	core_tick(a->core); /* what was put off goes to the store */
	stop(a, EXIT_SUCCESS);
}

static int start_loop(struct auth *a)
{
	struct control_env env = {.loop = a->loop,
	    .core = a->core,
	    .listener = FD_CONTROL,
	    .reload = reload_wanted,
	    .switch_to = switch_wanted,
	    .arg = a};

	a->sources = sources_new(a->loop, a->core, &source_ops, a);
	env.sources = a->sources;
	a->control = control_new(&env);
	if (loop_watch(a->loop, FD_PEER, monitor_readable, a) < 0 ||
	    loop_watch(a->loop, a->opening.signals, take_signal, a) < 0)
		return -1;
	loop_each_turn(a->loop, each_turn, a);
	return 0;
}

static int run(struct auth *a)
{
	struct auth_world w = {.arg = a,
	    .real_ns = world_real,
	    .boot_ms = world_boot,
	    .ask = world_ask,
	    .ban = world_ban,
	    .run = world_run,
	    .event = world_event,
	    .pgp = world_pgp,
	    .send = world_send,
	    .store = a->opening.store,
	    .boot_id = a->opening.boot_id,
	    .dry_run = a->args->dry_run};
	struct report r = {.say = say, .arg = a};
	static const int fds[AUTH_FILES] = {FD_CONFIG, FD_CLIENTS, FD_SERVER_KEY, FD_DOOR_KEY};
	struct realm *realm = load_realm(fds, a->args->generation, a->args->config_path, &r);

	if (!realm)
		return EXIT_CONFIG;
	for (unsigned i = 0; i < AUTH_FILES; i++)
		close(fds[i]);
	a->trouble[0] = '\0';
	a->core = core_new(&w, realm);
	a->gpg.core = a->core;
	if (start_loop(a) < 0 || core_start(a->core) < 0)
		return EXIT_FAILURE;
	log_info("loaded", "clients=%zu services=%u", clients_count(realm->clients),
	    realm->config.services);
	tell_plain(a, MSG_AUTH_READY);
	gpg_link_want(&a->gpg);
	if (loop_run(a->loop) < 0)
		return EXIT_FAILURE;
	return a->exit_status;
}

int auth_main(const struct child_args *args)
{
	struct auth a = {.args = args};
	struct report r = {.say = say, .arg = &a};
	int status;

	log_start(LOG_TO_FD, LOG_LEVEL_INFO, "auth", FD_LOG);
	fault_start();
	if (secret_init() < 0)
		return EXIT_FAILURE;
	a.loop = loop_new();
	a.gpg = (struct gpg_link){.loop = a.loop, .sock = -1, .tell = tell_of_pgp, .arg = &a};
	status = opening_and_jail(&a.opening, args, &r);
	if (status == EXIT_SUCCESS) {
		FAULT("auth.forbidden");
		status = run(&a);
	}
	control_free(a.control);
	sources_free(a.sources);
	core_free(a.core);
	return status;
}
