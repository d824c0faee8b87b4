#include "run.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "clock.h"
#include "fault.h"
#include "ipc.h"
#include "log.h"
#include "message.h"
#include "process.h"
#include "secret.h"
#include "trapped.h"

enum {
	BATCH_FRAMES = 256, /* a turn of the loop; auth is heard in between */
	LAST_BATCHES = 64,
	TICK_MS = 1000,
	LINES = 3, /* of one kind that a stranger can cause, a period */
	PERIOD_MS = 60000,
};

struct process {
	struct run with;
	bool reading;
	bool stopping;
	enum capture_status link;
	int exit_status;
	uint64_t now_ms; /* when the turn began */
	struct log_limit strangers, losses, drops;
	uint64_t trapped[CAPTURE_COUNTERS]; /* with.trap: what became of frames */
	uint64_t sieved;		    /* frames that the sieve held back */
	uint64_t untold;		    /* strangers' packets since the last line about them */
	uint64_t told_lost;		    /* frames lost, as the last line about them said */
	uint64_t told_dropped;		    /* the same of those that the kernel dropped for us */
	struct msg_knock knock; /* here, since on the stack it would be zeroed for each frame */
};

static void finish(struct process *p, int exit_status)
{
	if (!p->stopping)
		p->exit_status = exit_status;
	p->stopping = true;
	loop_stop(p->with.loop);
}

static void peer_gone(struct process *p)
{
	log_info("auth_gone", "interface=%s", p->with.interface);
	finish(p, CAPTURE_EXIT_OK);
}

static bool would_block(int error)
{
	return error == EAGAIN || error == EWOULDBLOCK || error == ENOBUFS;
}

/* Nothing waits for auth: what it cannot take is dropped, and the client knocks again. */
static void hand_over(struct process *p)
{
	FAULT("capture.received");
	FAULT("capture.forbidden");
	int status = ipc_send(p->with.peer, &p->knock, NULL, 0);
	if (status != 0 && !would_block(errno))
		peer_gone(p);
	sift_handed(p->with.sift, status == 0);
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
	log_info("stranger", "dropped reason=%s from=%s count=%" PRIu64,
	    capture_counter_word(reason), address_text(sift_sender(p->with.sift), from), p->untold);
	p->untold = 0;
}

static bool on_frame(void *arg, const struct capture_frame *frame)
{
	struct process *p = arg;
	enum capture_counter what;

	if (p->stopping)
		return false;
	if (p->with.sieve != NULL && !sieve_passes(p->with.sieve, frame)) {
		p->sieved++;
		return false;
	}
	what = sift_frame(p->with.sift, frame, &p->knock);
	switch (what) {
	case CAPTURE_MATCHED:
		hand_over(p);
		return true;
	case CAPTURE_LENGTH:
	case CAPTURE_GATE:
	case CAPTURE_FORGED:
	case CAPTURE_FORM:
	case CAPTURE_SET_FULL:
	case CAPTURE_COVER:
		tell_stranger(p, what);
		break;
	case CAPTURE_REPEAT: /* also a packet that passes two interfaces of "any" */
	case CAPTURE_MALFORMED:
	case CAPTURE_FRAGMENT:
	case CAPTURE_NOT_OURS:
	case CAPTURE_SEEN:
	case CAPTURE_LOST:
	case CAPTURE_QUEUE_FULL:
	case CAPTURE_PIECE:
	case CAPTURE_PIECE_TAG: /* so is a dummy, which a client sends */
	case CAPTURE_PIECE_AGAIN:
	case CAPTURE_SET_OLD:
	case CAPTURE_SET_LOST:
	case CAPTURE_COUNTERS:
		break;
	}
	return false;
}

/* Nothing waits for auth here either: it takes a bounded number a turn, knocks first. */
static bool on_trapped(void *arg, const struct capture_frame *frame)
{
	struct process *p = arg;
	struct msg_trapped m;
	enum capture_counter what = trapped_read(frame, &m);

	if (!p->stopping && what == CAPTURE_MATCHED && ipc_send(p->with.peer, &m, NULL, 0) != 0) {
		what = CAPTURE_QUEUE_FULL;
		if (!would_block(errno))
			peer_gone(p);
	}
	p->trapped[what]++;
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
		    "interface=%s", p->with.interface);
	p->link = status;
}

static void on_readable(void *arg)
{
	struct process *p = arg;
	enum capture_status status;

	p->now_ms = clock_mono_ms();
	status = p->with.method->read(
	    p->with.source, BATCH_FRAMES, p->with.trap ? on_trapped : on_frame, p);
	if (status != CAPTURE_UP)
		source_status(p, status);
}

/* Frames that the kernel had no room for: knocks may have been among them. */
static void tell_lost(struct process *p, uint64_t lost)
{
	uint64_t missed = 0;

	if (lost == p->told_lost || !log_allowed(&p->losses, clock_mono_ms(), &missed))
		return;
	log_warning(
	    "frames_lost", "interface=%s count=%" PRIu64, p->with.interface, lost - p->told_lost);
	p->told_lost = lost;
}

/* Strangers whom we did not even see: from where they came the kernel does not say. */
static void tell_dropped(struct process *p, uint64_t dropped)
{
	uint64_t missed = 0;

	if (dropped == p->told_dropped || !log_allowed(&p->drops, clock_mono_ms(), &missed))
		return;
	log_info("strangers", "dropped by=kernel interface=%s count=%" PRIu64, p->with.interface,
	    dropped - p->told_dropped);
	p->told_dropped = dropped;
}

static void on_tick(void *arg)
{
	struct process *p = arg;

	struct capture_stats kernel = {0};

	source_status(p, p->with.method->tick(p->with.source));
	p->with.method->stats(p->with.source, &kernel);
	tell_lost(p, kernel.lost);
	tell_dropped(p, kernel.gate + kernel.length);
	(void)loop_timer(p->with.loop, TICK_MS, on_tick, p); /* its slot has just become free */
}

static int send_stats(struct process *p)
{
	struct msg_capture_stats m = {{MSG_CAPTURE_STATS, sizeof(m)}, {0}};
	struct capture_stats kernel = {0};

	memcpy(
	    m.counter, p->with.trap ? p->trapped : sift_counters(p->with.sift), sizeof(m.counter));
	p->with.method->stats(p->with.source, &kernel);
	m.counter[CAPTURE_NOT_OURS] += p->sieved;
	m.counter[CAPTURE_SEEN] = kernel.seen;
	m.counter[CAPTURE_LOST] = kernel.lost;
	m.counter[CAPTURE_GATE] += kernel.gate;
	m.counter[CAPTURE_LENGTH] += kernel.length;
	return ipc_send(p->with.peer, &m, NULL, 0);
}

/* Somebody waits for these, so unlike a knock they are not dropped. */
static void answer_stats(void *arg)
{
	struct process *p = arg;
	int status = send_stats(p);

	if (status == 0)
		loop_no_write(p->with.loop, p->with.peer);
	else if (would_block(errno))
		loop_want_write(p->with.loop, p->with.peer, answer_stats, p);
	else
		peer_gone(p);
}

static int start_reading(struct process *p)
{
	if (p->reading)
		return 0;
	p->reading = true;
	return loop_watch(p->with.loop, p->with.method->fd(p->with.source), on_readable, p);
}

union from_auth {
	struct ipc_head head;
	struct msg_keys keys;
	struct msg_plain plain;
};

static int obey(struct process *p, union from_auth *m, int len)
{
	if (m->head.type == MSG_KEYS && len == (int)sizeof(m->keys)) {
		if (sift_keys(p->with.sift, &m->keys) != 0)
			return -1;
		sift_tell(p->with.sift, p->with.method, p->with.source);
		return start_reading(p);
	}
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
	int len = ipc_recv(p->with.peer, &m, sizeof(m), NULL, 0, NULL);

	if (len < 0 && would_block(errno))
		return;
	if (len == 0 || (len < 0 && errno == ECONNRESET)) {
		peer_gone(p);
	} else if (len < 0 || obey(p, &m, len) != 0) {
		log_error("auth_strange", "interface=%s: a message that is not one of ours",
		    p->with.interface);
		finish(p, CAPTURE_EXIT_FAILED);
	}
	secret_wipe(&m, sizeof(m));
}

/* What came to us alone: who takes our place does not see it. */
static void read_the_rest(struct process *p)
{
	struct capture_stats before, now;

	p->with.method->stop(p->with.source);
	p->with.method->stats(p->with.source, &now);
	for (unsigned i = 0; i < LAST_BATCHES; i++) {
		before = now;
		on_readable(p);
		p->with.method->stats(p->with.source, &now);
		if (now.seen == before.seen)
			break;
	}
}

static void on_signal(void *arg)
{
	struct process *p = arg;

	if (p->reading && p->with.method->stop != NULL)
		read_the_rest(p);
	finish(p, CAPTURE_EXIT_OK);
}

static int say_ready(const struct process *p)
{
	struct msg_plain m = {{MSG_CAPTURE_READY, sizeof(m)}};

	return ipc_send(p->with.peer, &m, NULL, 0);
}

static int begin(struct process *p)
{
	if (say_ready(p) != 0 || (p->with.trap && start_reading(p) != 0) ||
	    loop_watch(p->with.loop, p->with.peer, on_peer, p) != 0 ||
	    loop_watch(p->with.loop, p->with.signals, on_signal, p) != 0 ||
	    loop_timer(p->with.loop, TICK_MS, on_tick, p) != 0) {
		log_error("capture_start", "interface=%s error=\"%s\"", p->with.interface,
		    strerror(errno));
		return -1;
	}
	log_info(
	    "capture_ready", "interface=%s method=%s", p->with.interface, p->with.method->name);
	return 0;
}

int run_capture(const struct run *r)
{
	struct process p = {
	    .with = *r,
	    .strangers = {.burst = LINES, .period_ms = PERIOD_MS},
	    .losses = {.burst = LINES, .period_ms = PERIOD_MS},
	    .drops = {.burst = LINES, .period_ms = PERIOD_MS},
	};

	if (begin(&p) != 0)
		return CAPTURE_EXIT_FAILED;
	if (loop_run(r->loop) != 0) {
		log_error(
		    "capture_loop", "interface=%s error=\"%s\"", r->interface, strerror(errno));
		p.exit_status = CAPTURE_EXIT_FAILED;
	}
	(void)send_stats(&p); /* the last word, if anybody still listens */
	return p.exit_status;
}
