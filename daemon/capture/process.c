/*
 * process - the capture process: open one source as root, give everything up,
 * then sift what it shows and hand knocks to auth.
 */
#include "process.h"

#include <errno.h>
#include <inttypes.h>
#include <linux/capability.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "capture.h"
#include "clock.h"
#include "fault.h"
#include "ipc.h"
#include "log.h"
#include "loop.h"
#include "message.h"
#include "sandbox.h"
#include "secret.h"
#include "sift.h"

enum {
	BUFFER_BYTES = 16 << 20, /* some 8,000 frames: a burst waits while we are not running */
	BATCH_FRAMES = 256,	 /* a turn of the loop; auth is heard in between */
	TICK_MS = 1000,
	STRANGER_LINES = 3, /* a period */
	STRANGER_PERIOD_MS = 60000,
	SYSCALLS_MAX = 64,
	CAPABILITIES_MAX = 16,
};

/* What sandbox_enter() itself needs, on top of the method's. */
static const int own_capabilities[] = {CAP_SETGID, CAP_SETPCAP, CAP_SETUID, CAP_SYS_CHROOT};

static const int own_syscalls[] = {
    /* the loop and its clock */
    SYS_clock_gettime,
    SYS_poll,
    SYS_ppoll,
    SYS_restart_syscall,
    SYS_rt_sigreturn,
    /* auth and the log */
    SYS_recvmsg,
    SYS_sendmsg,
    SYS_sendto,
    SYS_write,
    /* memory, for libraries that make an error text */
    SYS_brk,
    SYS_mmap,
    SYS_munmap,
    /* the end */
    SYS_close,
    SYS_exit_group,
};

struct process {
	const char *interface;
	struct loop *loop;
	struct sift *sift;
	const struct capture_method *method;
	void *source;
	bool reading;
	bool stopping;
	enum capture_status link;
	int exit_status;
	uint64_t now_ms; /* when the turn began */
	struct log_limit strangers;
	uint64_t untold;	/* strangers' packets since the last line about them */
	struct msg_knock knock; /* here, since on the stack it would be zeroed for each frame */
};

static void finish(struct process *p, int exit_status)
{
	if (!p->stopping)
		p->exit_status = exit_status;
	p->stopping = true;
	loop_stop(p->loop);
}

static void peer_gone(struct process *p)
{
	log_info("auth_gone", "interface=%s", p->interface);
	finish(p, CAPTURE_EXIT_OK);
}

static bool would_block(int error)
{
	return error == EAGAIN || error == EWOULDBLOCK || error == ENOBUFS;
}

/* Nothing waits for auth: what it cannot take is dropped and counted, and the client knocks again. */
static void hand_over(struct process *p)
{
	FAULT("capture.received");
	FAULT("capture.forbidden");
	int status = ipc_send(FD_PEER, &p->knock, NULL, 0);
	if (status != 0 && !would_block(errno))
		peer_gone(p);
	sift_handed(p->sift, status == 0);
	if (status == 0)
		FAULT("capture.handed");
}

/* One line for the lot of them; posternctl has the exact counts. */
static void tell_stranger(struct process *p, enum capture_counter reason)
{
	char from[ADDRESS_TEXT];
	uint64_t missed = 0;

	p->untold++;
	if (!log_allowed(&p->strangers, p->now_ms, &missed))
		return;
	log_info("stranger", "dropped reason=%s from=%s count=%" PRIu64, sift_reason(reason),
	    address_text(sift_sender(p->sift), from), p->untold);
	p->untold = 0;
}

static bool on_frame(void *arg, const struct capture_frame *frame)
{
	struct process *p = arg;
	enum capture_counter what;

	if (p->stopping)
		return false;
	what = sift_frame(p->sift, frame, &p->knock);
	switch (what) {
	case CAPTURE_MATCHED:
		hand_over(p);
		return true;
	case CAPTURE_LENGTH:
	case CAPTURE_GATE:
	case CAPTURE_FORGED:
	case CAPTURE_FORM:
		tell_stranger(p, what);
		break;
	case CAPTURE_REPEAT: /* also a packet that passes two interfaces of "any" */
	case CAPTURE_MALFORMED:
	case CAPTURE_FRAGMENT:
	case CAPTURE_NOT_OURS:
	case CAPTURE_SEEN:
	case CAPTURE_LOST:
	case CAPTURE_QUEUE_FULL:
	case CAPTURE_COUNTERS:
		break;
	}
	return false;
}

static void source_status(struct process *p, enum capture_status status)
{
	if (status == CAPTURE_GONE)
		finish(p, CAPTURE_EXIT_LOST);
	else if (status == CAPTURE_BROKEN)
		finish(p, CAPTURE_EXIT_FAILED);
	else if (status != p->link)
		log_warning(status == CAPTURE_DOWN ? "interface_down" : "interface_up",
		    "interface=%s", p->interface);
	p->link = status;
}

static void on_readable(void *arg)
{
	struct process *p = arg;
	enum capture_status status;

	p->now_ms = clock_mono_ms();
	status = p->method->read(p->source, BATCH_FRAMES, on_frame, p);
	if (status != CAPTURE_UP)
		source_status(p, status);
}

static void on_tick(void *arg)
{
	struct process *p = arg;

	source_status(p, p->method->tick(p->source));
	(void)loop_timer(p->loop, TICK_MS, on_tick, p); /* its slot has just become free */
}

static int send_stats(struct process *p)
{
	struct msg_capture_stats m = {{MSG_CAPTURE_STATS, sizeof(m)}, {0}};
	struct capture_stats kernel = {0};

	memcpy(m.counter, sift_counters(p->sift), sizeof(m.counter));
	p->method->stats(p->source, &kernel);
	m.counter[CAPTURE_SEEN] = kernel.seen;
	m.counter[CAPTURE_LOST] = kernel.lost;
	return ipc_send(FD_PEER, &m, NULL, 0);
}

/* Somebody waits for these, so unlike a knock they are not dropped. */
static void answer_stats(void *arg)
{
	struct process *p = arg;
	int status = send_stats(p);

	if (status == 0)
		loop_no_write(p->loop, FD_PEER);
	else if (would_block(errno))
		loop_want_write(p->loop, FD_PEER, answer_stats, p);
	else
		peer_gone(p);
}

static int start_reading(struct process *p)
{
	if (p->reading)
		return 0;
	p->reading = true;
	return loop_watch(p->loop, p->method->fd(p->source), on_readable, p);
}

union from_auth {
	struct ipc_head head;
	struct msg_keys keys;
	struct msg_plain plain;
};

static int obey(struct process *p, union from_auth *m, int len)
{
	if (m->head.type == MSG_KEYS && len == (int)sizeof(m->keys))
		return sift_keys(p->sift, &m->keys) == 0 ? start_reading(p) : -1;
	if (m->head.type == MSG_STATS_QUERY && len == (int)sizeof(m->plain)) {
		answer_stats(p);
		return 0;
	}
	return -1;
}

static void on_peer(void *arg)
{
	struct process *p = arg;
	union from_auth m;
	int len = ipc_recv(FD_PEER, &m, sizeof(m), NULL, 0, NULL);

	if (len < 0 && would_block(errno))
		return;
	if (len == 0 || (len < 0 && errno == ECONNRESET)) {
		peer_gone(p);
	} else if (len < 0 || obey(p, &m, len) != 0) {
		log_error("auth_strange", "interface=%s: a message that is not one of ours",
		    p->interface);
		finish(p, CAPTURE_EXIT_FAILED);
	}
	secret_wipe(&m, sizeof(m));
}

static int say_ready(void)
{
	struct msg_plain m = {{MSG_CAPTURE_READY, sizeof(m)}};

	return ipc_send(FD_PEER, &m, NULL, 0);
}

/* Until the keys come, frames wait in the ring. */
static int run(struct process *p)
{
	if (say_ready() != 0 || loop_watch(p->loop, FD_PEER, on_peer, p) != 0 ||
	    loop_timer(p->loop, TICK_MS, on_tick, p) != 0) {
		log_error(
		    "capture_start", "interface=%s error=\"%s\"", p->interface, strerror(errno));
		return CAPTURE_EXIT_FAILED;
	}
	log_info("capture_ready", "interface=%s method=%s", p->interface, p->method->name);
	if (loop_run(p->loop) != 0) {
		log_error(
		    "capture_loop", "interface=%s error=\"%s\"", p->interface, strerror(errno));
		p->exit_status = CAPTURE_EXIT_FAILED;
	}
	(void)send_stats(p); /* the last word, if anybody still listens */
	return p->exit_status;
}

static int by_number(const void *a, const void *b)
{
	const int *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

/* Two lists as one that is sorted; aborts when a method asks for absurdly many. */
static size_t join(int *out, size_t cap, const int *a, size_t a_len, const int *b, size_t b_len)
{
	if (a_len + b_len > cap)
		abort();
	memcpy(out, a, a_len * sizeof(*a));
	memcpy(out + a_len, b, b_len * sizeof(*b));
	qsort(out, a_len + b_len, sizeof(*out), by_number);
	return a_len + b_len;
}

/* Everything but the source's own needs is given up before it is opened, all else after. */
static enum capture_status open_source(struct process *p, const struct config *c)
{
	struct carrier_ports ports = {.udp = c->udp_port};
	char filter[CAPTURE_FILTER_MAX];
	struct capture_want want = {
	    .source = p->interface, .filter = filter, .buffer_bytes = BUFFER_BYTES};
	int capabilities[CAPABILITIES_MAX];
	size_t len;

	if (sift_filter(&ports, filter, sizeof(filter)) <= 0) {
		log_error("capture_filter", "interface=%s: no carrier is in use", p->interface);
		return CAPTURE_REFUSED;
	}
	len = join(capabilities, CAPABILITIES_MAX, own_capabilities,
	    sizeof(own_capabilities) / sizeof(own_capabilities[0]), p->method->capabilities,
	    p->method->capabilities_len);
	if (sandbox_limit_capabilities(capabilities, len) != 0)
		return CAPTURE_BROKEN;
	return p->method->open(&p->source, &want);
}

static int drop(const struct process *p, uid_t uid, gid_t gid)
{
	int syscalls[SYSCALLS_MAX];
	struct sandbox s = {.root = ".", .uid = uid, .gid = gid, .syscalls = syscalls};

	s.syscalls_len = join(syscalls, SYSCALLS_MAX, own_syscalls,
	    sizeof(own_syscalls) / sizeof(own_syscalls[0]), p->method->syscalls,
	    p->method->syscalls_len);
	return sandbox_enter(&s);
}

static int exit_status_of(enum capture_status status)
{
	switch (status) {
	case CAPTURE_UP:
	case CAPTURE_DOWN:
		return CAPTURE_EXIT_OK;
	case CAPTURE_ABSENT:
		return CAPTURE_EXIT_NO_INTERFACE;
	case CAPTURE_GONE:
		return CAPTURE_EXIT_LOST;
	case CAPTURE_REFUSED:
		return CAPTURE_EXIT_CONFIG;
	case CAPTURE_BROKEN:
		break;
	}
	return CAPTURE_EXIT_FAILED;
}

static int open_drop_run(struct process *p, const struct config *c)
{
	enum capture_status status;
	uid_t uid;
	gid_t gid;

	p->method = capture_by_name(c->capture);
	if (p->method == NULL) {
		log_error("capture_method", "capture = %s: there is no such method; use pcap",
		    c->capture);
		return CAPTURE_EXIT_CONFIG;
	}
	if (sandbox_user(c->capture_user, &uid, &gid) != 0)
		return CAPTURE_EXIT_CONFIG;
	status = open_source(p, c);
	if (status != CAPTURE_UP)
		return exit_status_of(status);
	if (drop(p, uid, gid) != 0)
		return CAPTURE_EXIT_FAILED;
	return run(p);
}

static void say(void *arg, const char *line)
{
	(void)arg;
	log_error("config", "%s", line);
}

/* The descriptor's offset is shared with our siblings, so it is left alone. Returns the text, given to the caller, or NULL. */
static char *read_text(void)
{
	char *text = malloc(CONFIG_TEXT_MAX + 1);
	size_t len = 0;
	ssize_t n = 1;

	if (text == NULL)
		abort();
	while (n > 0 && len < CONFIG_TEXT_MAX) {
		n = pread(FD_CONFIG, text + len, CONFIG_TEXT_MAX - len, (off_t)len);
		if (n > 0)
			len += (size_t)n;
	}
	if (n != 0 || len == 0) {
		log_error(
		    "config", "descriptor=%d: no configuration came with the start", FD_CONFIG);
		free(text);
		return NULL;
	}
	text[len] = '\0';
	return text;
}

static struct config *read_config(const char *path)
{
	struct report report = {.say = say};
	char *text = read_text();
	struct config *c = calloc(1, sizeof(*c));

	if (c == NULL)
		abort();
	if (text == NULL || config_parse(c, path, text, &report) != 0) {
		free(c);
		c = NULL;
	}
	free(text);
	return c;
}

static void start_log(const char *interface)
{
	char tag[sizeof("capture ") + CONFIG_INTERFACE_MAX];

	(void)snprintf(tag, sizeof(tag), "capture %s", interface);
	log_start(LOG_TO_FD, LOG_LEVEL_INFO, tag, FD_LOG);
}

/* The monitor decides when we end; what a terminal sends to its whole group is for it alone. */
static void leave_signals_to_the_monitor(void)
{
	(void)signal(SIGINT, SIG_IGN);
	(void)signal(SIGHUP, SIG_IGN);
	(void)signal(SIGPIPE, SIG_IGN);
}

int capture_main(const struct child_args *a)
{
	struct process p = {
	    .interface = a->interface,
	    .strangers = {.burst = STRANGER_LINES, .period_ms = STRANGER_PERIOD_MS},
	};
	struct config *c;
	int status = CAPTURE_EXIT_CONFIG;

	start_log(a->interface);
	fault_start();
	leave_signals_to_the_monitor();
	if (secret_init() != 0)
		return CAPTURE_EXIT_FAILED;
	p.loop = loop_new();
	p.sift = sift_new();
	c = read_config(a->config_path);
	if (c != NULL) {
		log_set_level(c->log_level);
		status = open_drop_run(&p, c);
	}
	/* The sandbox leaves no call to unlock and unmap with: wipe, and let the kernel free. */
	sift_forget(p.sift);
	return status;
}
