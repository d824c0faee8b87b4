/* ipset_look - see ipset_look.h. */
#include "ipset_look.h"

#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"

static void set_timer(struct ipset_look *l, unsigned after_ms)
{
	const struct itimerspec when = {
	    {0, 0}, {(time_t)(after_ms / MS_PER_S), (long)(after_ms % MS_PER_S * NS_PER_MS)}};

	(void)timerfd_settime(l->timer, 0, &when, NULL);
}

static int watch(const struct ipset_look *l, int fd)
{
	struct epoll_event e = {.events = EPOLLIN, .data = {.fd = fd}};

	return epoll_ctl(l->events, EPOLL_CTL_ADD, fd, &e);
}

int ipset_look_open(struct ipset_look *l)
{
	*l = (struct ipset_look){.events = epoll_create1(EPOLL_CLOEXEC),
	    .timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC),
	    .pause_s = LOOK_LEAST_S};
	if (l->events < 0 || l->timer < 0 || watch(l, l->timer) != 0)
		return -1;
	set_timer(l, l->pause_s * MS_PER_S);
	return 0;
}

static void forget(struct ipset_look *l)
{
	for (unsigned i = 0; i < XT_FAMILIES; i++) {
		free(l->saved[i]);
		l->saved[i] = NULL;
	}
	l->family = 0;
}

static void stop(struct ipset_look *l)
{
	if (l->tool.pid <= 0)
		return;
	if (l->tool.end >= 0)
		(void)epoll_ctl(l->events, EPOLL_CTL_DEL, l->tool.end, NULL);
	(void)!tool_end(&l->tool, 0, NULL);
}

void ipset_look_close(struct ipset_look *l)
{
	stop(l);
	forget(l);
	if (l->timer >= 0)
		(void)close(l->timer);
	if (l->events >= 0)
		(void)close(l->events);
}

int ipset_look_fd(const struct ipset_look *l)
{
	return l->events;
}

static void rest(struct ipset_look *l, bool well)
{
	l->pause_s = well ? LOOK_LEAST_S : 2 * l->pause_s;
	if (l->pause_s > LOOK_MOST_S)
		l->pause_s = LOOK_MOST_S;
	set_timer(l, l->pause_s * MS_PER_S);
}

void ipset_look_again(struct ipset_look *l, bool well)
{
	stop(l);
	forget(l);
	rest(l, well);
}

/* Its time begins, and it is heard when it ends. One that cannot be watched is looked at when that is over. */
static void start(struct ipset_look *l)
{
	if (xt_save_start(&l->tool, &xt_families[l->family]) == 0 && l->tool.end >= 0)
		(void)watch(l, l->tool.end);
	set_timer(l, TOOL_PATIENCE_MS);
}

static enum ipset_looked ended(struct ipset_look *l, struct xt_tools *t)
{
	char **saved = &l->saved[l->family];

	if (l->tool.end >= 0)
		(void)epoll_ctl(l->events, EPOLL_CTL_DEL, l->tool.end, NULL);
	*saved = xt_save_end(t, &l->tool, &xt_families[l->family]);
	if (!*saved) {
		forget(l);
		rest(l, false);
		return IPSET_LOOK_FAILED;
	}
	l->family++;
	if (l->family < XT_FAMILIES) {
		start(l);
		return IPSET_LOOK_GOES_ON;
	}
	l->family = 0;
	rest(l, true);
	return IPSET_LOOK_IS_DONE;
}

enum ipset_looked ipset_look_turn(struct ipset_look *l, struct xt_tools *t)
{
	uint64_t turns;
	const bool time_is_over = read(l->timer, &turns, sizeof(turns)) == sizeof(turns);

	if (l->tool.pid > 0)
		return time_is_over || tool_has_ended(&l->tool, 0) ? ended(l, t)
								   : IPSET_LOOK_GOES_ON;
	if (!time_is_over)
		return IPSET_LOOK_GOES_ON;
	forget(l);
	start(l);
	return l->tool.pid > 0 ? IPSET_LOOK_BEGINS : ended(l, t);
}
