#include "loop.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"

enum {
	/* Slots freed in a turn are reused only after it, so there are more of them than
	   descriptors. */
	SLOTS_MAX = 2 * LOOP_FDS_MAX,
	NO_FD = -1,
};

struct watch {
	int fd; /* NO_FD: unwatched in this turn */
	loop_fn *on_read, *on_write;
	void *read_arg, *write_arg;
};

struct timer {
	loop_fn *fn; /* NULL: free */
	void *arg;
	uint64_t due_ms;
	uint64_t turn; /* in which it was set */
};

struct loop {
	bool running;
	uint64_t turn;
	size_t live;  /* descriptors being watched */
	size_t slots; /* used of watch[], the dead ones included */
	loop_fn *each_turn;
	void *each_turn_arg;
	struct watch watch[SLOTS_MAX];
	struct pollfd poll[SLOTS_MAX]; /* watch[i] is poll[i] */
	struct timer timer[LOOP_TIMERS_MAX];
};

struct loop *loop_new(void)
{
	struct loop *l = calloc(1, sizeof(*l));

	if (l == NULL)
		abort();
	return l;
}

void loop_free(struct loop *l)
{
	free(l);
}

static struct watch *find_watch(struct loop *l, int fd)
{
	size_t i;

	for (i = 0; i < l->slots; i++) {
		if (l->watch[i].fd == fd)
			return &l->watch[i];
	}
	return NULL;
}

static struct watch *new_watch(struct loop *l, int fd)
{
	struct watch *w;

	if (fd < 0)
		abort();
	if (l->live >= LOOP_FDS_MAX || l->slots >= SLOTS_MAX)
		return NULL;
	l->live++;
	w = &l->watch[l->slots++];
	*w = (struct watch){.fd = fd};
	/* What was not polled in this turn was not ready in it. */
	l->poll[l->slots - 1] = (struct pollfd){.fd = fd};
	return w;
}

int loop_watch(struct loop *l, int fd, loop_fn *fn, void *arg)
{
	struct watch *w = find_watch(l, fd);

	if (w == NULL)
		w = new_watch(l, fd);
	if (w == NULL)
		return -1;
	w->on_read = fn;
	w->read_arg = arg;
	return 0;
}

static void drop_watch(struct loop *l, struct watch *w)
{
	w->fd = NO_FD;
	w->on_read = NULL;
	w->on_write = NULL;
	l->live--;
}

void loop_unwatch(struct loop *l, int fd)
{
	struct watch *w = fd >= 0 ? find_watch(l, fd) : NULL;

	if (w != NULL)
		drop_watch(l, w);
}

void loop_want_write(struct loop *l, int fd, loop_fn *fn, void *arg)
{
	struct watch *w = find_watch(l, fd);

	if (w == NULL)
		abort(); /* only what is watched */
	w->on_write = fn;
	w->write_arg = arg;
}

void loop_no_write(struct loop *l, int fd)
{
	struct watch *w = fd >= 0 ? find_watch(l, fd) : NULL;

	if (w != NULL)
		w->on_write = NULL;
}

static struct timer *find_timer(struct loop *l, loop_fn *fn, void *arg)
{
	size_t i;

	for (i = 0; i < LOOP_TIMERS_MAX; i++) {
		if (l->timer[i].fn == fn && (fn == NULL || l->timer[i].arg == arg))
			return &l->timer[i];
	}
	return NULL;
}

int loop_timer(struct loop *l, uint64_t after_ms, loop_fn *fn, void *arg)
{
	struct timer *t = find_timer(l, fn, arg);

	if (t == NULL)
		t = find_timer(l, NULL, NULL);
	if (t == NULL)
		return -1;
	*t = (struct timer){
	    .fn = fn, .arg = arg, .due_ms = clock_mono_ms() + after_ms, .turn = l->turn};
	return 0;
}

void loop_cancel(struct loop *l, loop_fn *fn, void *arg)
{
	struct timer *t = find_timer(l, fn, arg);

	if (t != NULL)
		t->fn = NULL;
}

void loop_each_turn(struct loop *l, loop_fn *fn, void *arg)
{
	l->each_turn = fn;
	l->each_turn_arg = arg;
}

/* Closes the gaps that unwatched descriptors left, in order. */
static void compact(struct loop *l)
{
	size_t i, n = 0;

	for (i = 0; i < l->slots; i++) {
		if (l->watch[i].fd != NO_FD)
			l->watch[n++] = l->watch[i];
	}
	l->slots = n;
}

static int next_timeout(const struct loop *l)
{
	uint64_t now = clock_mono_ms();
	uint64_t least = UINT64_MAX;
	size_t i;

	for (i = 0; i < LOOP_TIMERS_MAX; i++) {
		if (l->timer[i].fn != NULL && l->timer[i].due_ms < least)
			least = l->timer[i].due_ms;
	}
	if (least == UINT64_MAX)
		return -1;
	if (least <= now)
		return 0;
	return least - now > INT_MAX ? INT_MAX : (int)(least - now);
}

static void serve_slot(struct loop *l, size_t i)
{
	struct watch *w = &l->watch[i];
	short ready = l->poll[i].revents;

	if (w->fd == NO_FD || ready == 0)
		return;
	if ((ready & POLLNVAL) != 0)
		abort(); /* closed without loop_unwatch() */
	if (w->on_read != NULL && (ready & (POLLIN | POLLHUP | POLLERR)) != 0)
		w->on_read(w->read_arg);
	/* The callback may have unwatched it. */
	if (w->on_write != NULL && (ready & (POLLOUT | POLLERR)) != 0)
		w->on_write(w->write_arg);
}

static int serve_fds(struct loop *l)
{
	size_t polled, i;
	int n;

	compact(l);
	for (i = 0; i < l->slots; i++) {
		l->poll[i] = (struct pollfd){.fd = l->watch[i].fd, .events = POLLIN};
		if (l->watch[i].on_write != NULL)
			l->poll[i].events |= POLLOUT;
	}
	polled = l->slots;
	n = poll(l->poll, (nfds_t)polled, next_timeout(l));
	if (n < 0 && errno != EINTR)
		return -1;
	for (i = 0; n > 0 && i < polled; i++)
		serve_slot(l, i);
	return 0;
}

/* The earliest that is due and was not set in this turn: one that sets itself again must not starve
 * the rest. */
static struct timer *due_timer(struct loop *l, uint64_t now)
{
	struct timer *first = NULL;
	size_t i;

	for (i = 0; i < LOOP_TIMERS_MAX; i++) {
		struct timer *t = &l->timer[i];

		if (t->fn == NULL || t->due_ms > now || t->turn == l->turn)
			continue;
		if (first == NULL || t->due_ms < first->due_ms)
			first = t;
	}
	return first;
}

static void serve_timers(struct loop *l)
{
	uint64_t now = clock_mono_ms();
	struct timer *t;
	struct timer fired;

	while ((t = due_timer(l, now)) != NULL) {
		fired = *t;
		t->fn = NULL;
		fired.fn(fired.arg);
	}
}

int loop_run(struct loop *l)
{
	l->running = true;
	while (l->running) {
		l->turn++;
		if (serve_fds(l) != 0)
			return -1;
		serve_timers(l);
		if (l->each_turn != NULL)
			l->each_turn(l->each_turn_arg);
	}
	return 0;
}

void loop_stop(struct loop *l)
{
	l->running = false;
}
