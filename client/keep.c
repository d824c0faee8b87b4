/*
 * keep - a door that stays open for as long as we run: knocked for again in
 * time, and when this host's addresses change; closed when we are told to end.
 *
 * What a later knock may mend (silence, a server that is busy, no network) is
 * tried again, less and less often. What it will not (a wrong PIN, a client that
 * may not do that) ends it: to knock on would only count against the client.
 */
#include "knocking.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "ask.h"
#include "clock.h"
#include "model.h"

enum {
	SETTLE_MS = 500,	  /* one change of address has many parts */
	MOVES_MS = 5000,	  /* and some hosts change them all the time */
	FIRST_PAUSE_MS = 1000,	  /* after a knock that came to nothing, doubled each time ... */
	LONGEST_PAUSE_MS = 30000, /* ... up to this */
	RENEW_MS = 300000,	  /* at the latest: somebody else may have closed it */
	LEAST_PAUSE_MS = 200,	  /* between knocks, whatever the door's rest */
	BLIND_HOLD_S = 60,	  /* asked for where no answer tells what was given */
	REST_MAX_S = 1000000,
	EVENTS_MAX = 8192,
	PLACES_MAX = 1024, /* two addresses, and a port for each of 16 doors a family */
};

enum keep_state { KEEP_UNTOLD, KEEP_CLOSED, KEEP_SENT, KEEP_OPEN };

struct keeper {
	struct postern *lib;
	struct settings s; /* as given, but what was read or settled since */
	struct ending ending;
	int clock, addresses; /* addresses -1: this host does not tell */
	enum keep_state state;
	bool asks;		 /* a person, before each knock */
	bool was_sent;		 /* something may be open: to be closed at the end */
	char places[PLACES_MAX]; /* where it is open, as last told */
	int pause_ms;
	uint64_t moved_ms;  /* when a change of address was last followed */
	char pin[PIN_LINE]; /* "": not known yet */
};

/* ---- waiting ---- */

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

static void set_clock(const struct keeper *k, uint64_t ms)
{
	const struct itimerspec when = {.it_value = {.tv_sec = (time_t)(ms / MS_PER_S),
					    .tv_nsec = (long)(ms % MS_PER_S) * NS_PER_MS}};

	(void)timerfd_settime(k->clock, 0, &when, NULL);
}

static uint64_t least(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* An address has changed: the time to knock is soon, but not for each of a flood of changes. */
static uint64_t due_after_move(const struct keeper *k, uint64_t due_ms, uint64_t now_ms)
{
	const uint64_t next = k->moved_ms == 0 ? 0 : k->moved_ms + MOVES_MS;

	return least(due_ms, next > now_ms + SETTLE_MS ? next : now_ms + SETTLE_MS);
}

/*
 * Until it is time to knock again: due_ms, or sooner when an address changes. By a clock that a
 * laptop's sleep does not stop. Returns false when it is time to end.
 */
static bool wait_until(struct keeper *k, uint64_t due_ms)
{
	bool moved = false;

	for (uint64_t now = clock_boot_ms(); now < due_ms; now = clock_boot_ms()) {
		struct pollfd fds[] = {{.fd = k->clock, .events = POLLIN},
		    {.fd = moved ? -1 : k->addresses, .events = POLLIN}};

		set_clock(k, due_ms - now);
		if (ending_poll(&k->ending, fds, 2, -1))
			return false;
		if (fds[1].revents != 0) {
			moved = true;
			due_ms = due_after_move(k, due_ms, clock_boot_ms());
		}
	}
	if (moved) {
		drain(k->addresses);
		k->moved_ms = clock_boot_ms();
		k->pause_ms = FIRST_PAUSE_MS;
	}
	return true;
}

/* ---- knocking ---- */

/* A PIN stays the same, so it is asked for once; a code is another each time. */
static int ask_keeper(
    void *arg, enum postern_secret what, const char *profile, char *out, size_t size)
{
	struct keeper *k = arg;

	if (what == POSTERN_PIN && k->pin[0] != '\0' && strlen(k->pin) < size) {
		memcpy(out, k->pin, strlen(k->pin) + 1);
		return 0;
	}
	k->asks = k->asks || what == POSTERN_CODE;
	const int status = ask_person(NULL, what, profile, out, size);
	if (status == 0 && what == POSTERN_PIN && strlen(out) < sizeof(k->pin))
		memcpy(k->pin, out, strlen(out) + 1);
	return status;
}

static uint32_t lesser(uint32_t a, uint32_t b)
{
	return a == 0 || (b != 0 && b < a) ? b : a;
}

/* What an answer says of it: the least rest of its doors, in seconds; 0: nothing. */
static uint32_t rest_told(const struct postern_answer *a)
{
	uint32_t rest = 0;

	if (a->status != POSTERN_OK || a->doors == 0)
		return 0;
	for (size_t d = 0; d < a->doors; d++)
		rest = lesser(rest, a->door[d].seconds > 0 ? a->door[d].seconds : 1);
	return lesser(rest, a->idle_s);
}

/*
 * For how many seconds the doors are open without our doing. Where no answer tells, what was asked
 * for: if that was nothing, 0, and something will be.
 */
static uint32_t rest_of(struct keeper *k, const struct knocking *kn)
{
	const struct postern_answer *a;
	uint32_t rest = 0;

	for (size_t i = 0; (a = postern_knock_answer(kn->knock, i)); i++)
		rest = lesser(rest, rest_told(a));
	if (rest > 0)
		return rest;
	if (k->s.has_hold && k->s.hold_s > 0)
		return lesser(k->s.hold_s, k->s.has_idle ? k->s.idle_s : 0);
	k->s.has_hold = true;
	k->s.hold_s = BLIND_HOLD_S;
	return 0;
}

static enum keep_state state_of(const struct knocking *kn, int status)
{
	if (status == POSTERN_OK)
		return KEEP_OPEN;
	return knocking_is_unconfirmed(kn) ? KEEP_SENT : KEEP_CLOSED;
}

static void add_place(char out[static PLACES_MAX], const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void add_place(char out[static PLACES_MAX], const char *format, ...)
{
	const size_t len = strlen(out);
	va_list args;

	va_start(args, format);
	(void)vsnprintf(out + len, PLACES_MAX - len, format, args);
	va_end(args);
}

/* From which addresses it is open, at which ports (a random one may be another), as one text. */
static void name_places(const struct knocking *kn, char out[static PLACES_MAX])
{
	const struct postern_answer *a;

	out[0] = '\0';
	for (size_t i = 0; kn->knock && (a = postern_knock_answer(kn->knock, i)); i++) {
		if (a->status != POSTERN_OK)
			continue;
		add_place(out, "%s", a->seen[0] ? a->seen : a->local);
		for (size_t d = 0; d < a->doors; d++)
			add_place(out, " %u", (unsigned)a->door[d].port);
		add_place(out, "\n");
	}
}

/* What is as it was is no news. */
static void tell(struct keeper *k, const struct knocking *kn, enum keep_state state, bool is_last,
    const json_t *model)
{
	char places[PLACES_MAX];

	name_places(kn, places);
	if (state == k->state && strcmp(places, k->places) == 0 && !is_last)
		return;
	k->state = state;
	memcpy(k->places, places, sizeof(places));
	if (k->s.json)
		model_print_json(model);
	else
		model_print_text(model, k->s.quiet);
	(void)fflush(stdout);
}

/* An answer that a later knock would get as well. */
static bool is_final(const struct postern_answer *a)
{
	if (a->status != POSTERN_DENIED)
		return false;
	if (!a->answered)
		return true; /* nobody says the PIN, or the address is not the one that must be seen */
	switch (a->verdict) {
	case POSTERN_VERDICT_DENIED:
	case POSTERN_VERDICT_MALFORMED:
	case POSTERN_VERDICT_UNKNOWN_FIELD:
	case POSTERN_VERDICT_CODE_OR_PIN:
	case POSTERN_VERDICT_EXPIRED:
		return true;
	case POSTERN_VERDICT_OK:
	case POSTERN_VERDICT_REFRESHED:
	case POSTERN_VERDICT_CHALLENGE:
	case POSTERN_VERDICT_ADDRESS:
	case POSTERN_VERDICT_QUOTA:
	case POSTERN_VERDICT_BUSY:
	case POSTERN_VERDICT_RESULT_UNKNOWN:
	case POSTERN_VERDICT_FIREWALL:
	case POSTERN_VERDICT_COMMAND:
		return false;
	}
	return false;
}

/* What no later knock would mend. */
static bool is_hopeless(const struct knocking *kn, int status)
{
	const struct postern_answer *a;

	if (status == POSTERN_BAD_ARGUMENT || status == POSTERN_BAD_PROFILE)
		return true;
	for (size_t i = 0;
	     status == POSTERN_DENIED && kn->knock && (a = postern_knock_answer(kn->knock, i));
	     i++) {
		if (is_final(a))
			return true;
	}
	return false;
}

/* In how many milliseconds to knock again, after a knock that took took_ms. */
static uint64_t pause_after(
    struct keeper *k, const struct knocking *kn, enum keep_state state, uint64_t took_ms)
{
	if (state != KEEP_CLOSED) {
		const uint64_t rest_s = least(rest_of(k, kn), REST_MAX_S);
		/* A third of it is left for retries. */
		const uint64_t most_ms = rest_s * MS_PER_S * 2 / 3;
		const uint64_t pause_ms = k->asks ? most_ms : least(most_ms, RENEW_MS);

		k->pause_ms = FIRST_PAUSE_MS;
		return pause_ms > took_ms + LEAST_PAUSE_MS ? pause_ms - took_ms : LEAST_PAUSE_MS;
	}
	const int pause_ms = k->pause_ms;

	k->pause_ms = 2 * pause_ms < LONGEST_PAUSE_MS ? 2 * pause_ms : LONGEST_PAUSE_MS;
	return (uint64_t)pause_ms;
}

/*
 * Knocks once, and waits until it is time to do so again. Returns POSTERN_OK: go on;
 * POSTERN_AGAIN: it is time to end; else what ends it, which was told.
 */
static int knock_and_wait(struct keeper *k)
{
	const uint64_t begun_ms = clock_boot_ms();
	struct knocking kn = {.lib = k->lib, .ending = &k->ending};
	json_t *model = model_new("open");
	uint64_t pause_ms = 0;

	int status = knocking_open(&kn, &k->s, model);
	const enum keep_state state = state_of(&kn, status);
	const bool hopeless = is_hopeless(&kn, status);

	if (status != POSTERN_AGAIN)
		tell(k, &kn, state, hopeless, model);
	if (status != POSTERN_AGAIN && !hopeless)
		pause_ms = pause_after(k, &kn, state, clock_boot_ms() - begun_ms);
	/* Left without an answer it may have been heard all the same. */
	k->was_sent = k->was_sent || state != KEEP_CLOSED || status == POSTERN_AGAIN;
	knocking_end(&kn);
	json_decref(model);
	if (hopeless || status == POSTERN_AGAIN)
		return status;
	return wait_until(k, clock_boot_ms() + pause_ms) ? POSTERN_OK : POSTERN_AGAIN;
}

/* ---- the command ---- */

/* What cannot be kept open. Returns POSTERN_OK when there is nothing to be said against it. */
static int check(const struct settings *s, json_t *model)
{
	if (s->code)
		return model_error(model, POSTERN_BAD_ARGUMENT,
		    "keep: a one-time code is good once, and a door is held open by knocking "
		    "again: "
		    "leave --code out, and each knock asks for a new one");
	if (s->single_use)
		return model_error(model, POSTERN_BAD_ARGUMENT,
		    "keep: a door for one use is gone after the first connection, so that it "
		    "cannot be held open: leave --single-use out");
	return POSTERN_OK;
}

static int close_doors(struct keeper *k, json_t *model)
{
	struct knocking kn = {.lib = k->lib, .ending = &k->ending};

	ending_last_words(&k->ending);
	int status = knocking_close(&kn, &k->s, model);
	knocking_end(&kn);
	if (status == POSTERN_AGAIN)
		return model_error(model, POSTERN_NO_ANSWER,
		    "keep: no answer to the word to close: what is open closes when its time is "
		    "over");
	return status;
}

static int keep(struct keeper *k, json_t *model)
{
	int status = POSTERN_OK;

	if (k->s.pin_file) {
		status = knocking_read_pin(&k->s, k->pin, model);
		if (status != POSTERN_OK)
			return status;
		k->s.pin_file = NULL;
		k->s.pin = k->pin;
	}
	postern_set_ask(k->lib, ask_keeper, k);
	while (status == POSTERN_OK)
		status = knock_and_wait(k);
	if (status == POSTERN_AGAIN)
		return close_doors(k, model);
	if (k->was_sent)
		(void)close_doors(k, model);
	(void)model_error(model, status, "ended");
	(void)json_object_del(model, "error"); /* the reason was told */
	return status;
}

int command_keep(struct postern *p, const struct settings *s, json_t *model)
{
	struct keeper k = {.lib = p, .s = *s, .pause_ms = FIRST_PAUSE_MS};
	int status = check(s, model);

	if (status != POSTERN_OK)
		return status;
	k.clock = timerfd_create(CLOCK_BOOTTIME, TFD_NONBLOCK | TFD_CLOEXEC);
	if (k.clock < 0 || ending_begin(&k.ending) < 0)
		return model_error(
		    model, POSTERN_SYSTEM, "keep: clock or signals: %s", strerror(errno));
	k.addresses = open_addresses();
	(void)mlock(k.pin, sizeof(k.pin));
	status = keep(&k, model);
	postern_set_ask(p, ask_person, NULL);
	explicit_bzero(k.pin, sizeof(k.pin));
	(void)munlock(k.pin, sizeof(k.pin));
	(void)close(k.clock);
	if (k.addresses >= 0)
		(void)close(k.addresses);
	return status;
}
