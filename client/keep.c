/*
 * keep - a door that stays open for as long as we run: knocked for again in
 * time, and when this host's addresses change; closed when we are told to end.
 */
#include "knocking.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "model.h"

enum {
	MS_PER_S = 1000,
	SETTLE_MS = 500,	  /* one change of address has many parts */
	FIRST_PAUSE_MS = 1000,	  /* after a knock that came to nothing, doubled each time ... */
	LONGEST_PAUSE_MS = 30000, /* ... up to this */
	EVENTS_MAX = 8192,
	PORTS_MAX = 32, /* of 8 services for two addresses, over both families */
};

struct ports {
	uint16_t at[PORTS_MAX];
	size_t len;
};

struct keeper {
	struct postern *lib;
	const struct settings *s;
	int signals, addresses; /* addresses -1: this host does not tell */
	bool was_open, told;
	struct ports ports; /* of the doors that are open */
	int pause_ms;
};

static int open_signals(void)
{
	sigset_t end;

	(void)sigemptyset(&end);
	(void)sigaddset(&end, SIGINT);
	(void)sigaddset(&end, SIGTERM);
	(void)sigaddset(&end, SIGHUP);
	if (sigprocmask(SIG_BLOCK, &end, NULL) < 0)
		return -1;
	return signalfd(-1, &end, SFD_CLOEXEC);
}

/* Readable when an address or a route came or went. */
static int open_addresses(void)
{
	const struct sockaddr_nl all = {.nl_family = AF_NETLINK,
	    .nl_groups =
		RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR | RTMGRP_IPV4_ROUTE | RTMGRP_IPV6_ROUTE};
	int sock = socket(AF_NETLINK, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, NETLINK_ROUTE);

	if (sock >= 0 && bind(sock, (const struct sockaddr *)&all, sizeof(all)) == 0)
		return sock;
	if (sock >= 0)
		(void)close(sock);
	return -1;
}

/* What it was does not matter: the knock finds out. */
static void drain(int sock)
{
	char events[EVENTS_MAX];
	ssize_t n;

	do
		n = recv(sock, events, sizeof(events), 0);
	while (n > 0 || (n < 0 && (errno == ENOBUFS || errno == EINTR)));
}

/* Returns 0 when ms are over, 1 when an address changed, 2 when it is time to end. */
enum { WAIT_OVER, WAIT_ADDRESS, WAIT_END };

static int wait_for(const struct keeper *k, int ms)
{
	struct pollfd fds[] = {
	    {.fd = k->signals, .events = POLLIN}, {.fd = k->addresses, .events = POLLIN}};
	struct timespec begin, now;
	int left = ms;

	(void)clock_gettime(CLOCK_BOOTTIME, &begin);
	while (left > 0) {
		const int ready = poll(fds, 2, left);

		if (ready > 0 && fds[0].revents)
			return WAIT_END;
		if (ready > 0) {
			drain(k->addresses);
			return WAIT_ADDRESS;
		}
		/* A laptop that slept has less time left than poll() thinks. */
		(void)clock_gettime(CLOCK_BOOTTIME, &now);
		left = ms - (int)((now.tv_sec - begin.tv_sec) * MS_PER_S +
				  (now.tv_nsec - begin.tv_nsec) / 1000000);
	}
	return WAIT_OVER;
}

/* The least rest of all doors that were granted, in seconds; 0: none was. */
static uint32_t least_rest(struct knocking *kn)
{
	const struct postern_answer *a;
	uint32_t least = 0;

	for (size_t i = 0; kn->knock && (a = postern_knock_answer(kn->knock, i)); i++) {
		for (size_t d = 0; a->status == POSTERN_OK && d < a->doors; d++)
			if (least == 0 || a->door[d].seconds < least)
				least = a->door[d].seconds;
	}
	return least;
}

static bool is_known(const struct ports *known, uint16_t port)
{
	for (size_t i = 0; i < known->len; i++) {
		if (known->at[i] == port)
			return true;
	}
	return false;
}

/* Is a door at a port where none was before? A new session at a random port has another one. */
static bool has_new_port(struct keeper *k, struct knocking *kn)
{
	const struct postern_answer *a;
	struct ports now = {.len = 0};
	bool any = false;

	for (size_t i = 0; kn->knock && (a = postern_knock_answer(kn->knock, i)); i++) {
		for (size_t d = 0; a->status == POSTERN_OK && d < a->doors; d++) {
			any = any || !is_known(&k->ports, a->door[d].port);
			if (now.len < PORTS_MAX)
				now.at[now.len++] = a->door[d].port;
		}
	}
	k->ports = now;
	return any;
}

static void tell(const struct keeper *k, const json_t *model)
{
	if (k->s->json)
		model_print_json(model);
	else
		model_print_text(model, k->s->quiet);
	(void)fflush(stdout);
}

/* Knocks once. Returns in how many milliseconds to do so again; *status tells how it went. */
static int knock_again(struct keeper *k, int *status)
{
	json_t *model = model_new("open");
	struct knocking kn;

	*status = knocking_open(&kn, k->lib, k->s, model);
	const uint32_t rest = *status == POSTERN_OK ? least_rest(&kn) : 0;
	const bool is_open = *status == POSTERN_OK;
	const bool moved = is_open && has_new_port(k, &kn);

	/* What is as it was is no news. */
	if (!k->told || is_open != k->was_open || moved)
		tell(k, model);
	k->told = true;
	k->was_open = is_open;
	knocking_end(&kn);
	json_decref(model);
	if (is_open) {
		k->pause_ms = FIRST_PAUSE_MS;
		/* A third of it is left for retries. */
		return rest > 1 ? (int)(rest > 1000000 ? 1000000 : rest) * MS_PER_S / 3 * 2
				: MS_PER_S;
	}
	const int pause_ms = k->pause_ms;

	k->pause_ms = 2 * pause_ms < LONGEST_PAUSE_MS ? 2 * pause_ms : LONGEST_PAUSE_MS;
	return pause_ms;
}

/* What no later knock would mend. */
static bool is_hopeless(int status)
{
	return status == POSTERN_BAD_ARGUMENT || status == POSTERN_BAD_PROFILE;
}

static int keep(struct keeper *k)
{
	int status = POSTERN_OK, event = WAIT_OVER;

	while (event != WAIT_END) {
		const int wait_ms = knock_again(k, &status);

		if (is_hopeless(status))
			return status;
		event = wait_for(k, wait_ms);
		if (event == WAIT_ADDRESS)
			event = wait_for(k, SETTLE_MS) == WAIT_END ? WAIT_END : WAIT_OVER;
	}
	return POSTERN_OK;
}

int command_keep(struct postern *p, const struct settings *s, json_t *model)
{
	struct keeper k = {.lib = p, .s = s, .signals = open_signals(), .pause_ms = FIRST_PAUSE_MS};
	int status;

	k.addresses = open_addresses();
	if (k.signals < 0)
		return model_error(model, POSTERN_SYSTEM, "keep: signals: %s", strerror(errno));
	status = keep(&k);
	(void)close(k.signals);
	if (k.addresses >= 0)
		(void)close(k.addresses);
	if (is_hopeless(status)) {
		model_set(model, "exit", json_integer(status)); /* told already */
		return status;
	}
	return command_close(p, s, model);
}
