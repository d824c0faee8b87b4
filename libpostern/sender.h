/*
 * sender - the client's half of a carrier: a way to one address of the server,
 * covered bytes out, covered bytes in.
 *
 * A way never blocks and has no clock: the time is passed in. What cannot go
 * out at once (pieces with pauses between them, rounds of repeats, a
 * connection that is being made) goes out by step(), at due() or when one of
 * fds() is ready.
 */
#ifndef LIBPOSTERN_SENDER_H
#define LIBPOSTERN_SENDER_H

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "keys.h"
#include "settings.h"
#include "veil.h"

enum sender_result {
	SENDER_OK = 0,
	SENDER_NOTHING =
	    -1, /* receive: nothing (more) there; errors of the network count as this */
	SENDER_TOO_LONG =
	    -2, /* send, step: longer than the way there takes; a shorter one may go */
	SENDER_NO_WAY =
	    -3, /* open, send, step: this address cannot be reached from here; see struct sender_error */
};

enum { SENDER_WHAT_MAX = 200, WAY_NOTE_MAX = 80, NS_PER_MS = 1000000 };

/* Why there is no way. */
struct sender_error {
	int number;		    /* errno */
	char what[SENDER_WHAT_MAX]; /* what to do, as half a sentence ("allow ..."); "" for none */
};

/* Where a way leads; borrowed by open() alone. */
struct sender_want {
	const struct sockaddr *to; /* with the profile's `port` */
	socklen_t len;
	const struct settings *settings;
};

/* One message of an exchange; borrowed by send() alone. */
struct sender_message {
	const uint8_t *bytes; /* covered */
	size_t len;
	bool first;		      /* M1; a sequence sends it in pieces and all else bare */
	bool is_picture;	      /* bytes are a cover's, not random */
	uint64_t set_id;	      /* M1 over a sequence */
	const struct door_keys *door; /* that it is veiled under */
	uint64_t server_ns;	      /* what time the server probably has, ns since 1970 */
};

/* Each sender's own begins with one. */
struct way {
	const struct sender *sender;
	struct sockaddr_storage local; /* what it sends from; AF_UNSPEC while that is not known */
	socklen_t local_len;
	char note[WAY_NOTE_MAX]; /* worth telling if nothing comes of it; "" for none */
};

struct sender {
	const char *name; /* as the profile has it */
	enum carrier_id id;
	size_t room;	/* longest veil */
	bool has_reply; /* http has none: whether it went well shows at the door */
	/* Gives *out, or returns SENDER_NO_WAY. */
	int (*open)(struct way **out, const struct sender_want *want, struct sender_error *e);
	/*
	 * Send m, in place of what is still under way. Returns SENDER_OK also when the network
	 * lost it: that is what retries are for.
	 */
	int (*send)(struct way *w, const struct sender_message *m, uint64_t mono_ns,
	    struct sender_error *e);
	/* Go on with what send() began; NULL: it never leaves anything to do. */
	int (*step)(struct way *w, uint64_t mono_ns, struct sender_error *e);
	/*
	 * Monotonic: when step() is to be called at the latest; UINT64_MAX when all of the message
	 * is out, its repeats included. Until then no other M1 makes sense. NULL: always UINT64_MAX.
	 */
	uint64_t (*due)(const struct way *w);
	/* Was all of the message out once, so that repeats alone are to come? NULL: there are none. */
	bool (*repeats)(const struct way *w);
	/* Give up what is still under way. NULL with step. */
	void (*stop)(struct way *w);
	/* One message: returns its length, or SENDER_NOTHING. */
	int (*receive)(struct way *w, uint8_t *out, size_t cap);
	/* What to wait for; at most cap are filled in. Returns how many there are (WAY_FDS_MAX). */
	size_t (*fds)(const struct way *w, struct pollfd *out, size_t cap);
	void (*close)(struct way *w);
	/* The longest covered message; NULL: room. */
	size_t (*covered_max)(const struct settings *s);
	/* How long send() goes on before the whole message was out once; NULL: not at all. */
	uint64_t (*lasts_ns)(const struct settings *s);
};

enum { WAY_FDS_MAX = 2 };

extern const struct sender sender_udp, sender_tcp, sender_icmp, sender_http, sender_sequence;

const struct sender *sender_by_name(const char *name); /* NULL when there is none */

/* The same for any sender, those that leave NULL included. */
int way_step(struct way *w, uint64_t mono_ns, struct sender_error *e);
uint64_t way_due(const struct way *w);
bool way_repeats(const struct way *w);
void way_stop(struct way *w);
size_t sender_covered_max(const struct sender *s, const struct settings *settings);
uint64_t sender_lasts_ns(const struct sender *s, const struct settings *settings);

/* Fill in what w sends from, as sock has it. */
void way_local(struct way *w, int sock);
/* Is an error of send() or connect() one of this host: its firewall, or no route any more? */
bool sender_is_local(int error);
/* to, with another port. */
void sender_to_port(const struct sender_want *want, uint16_t port, struct sockaddr_storage *out);
/* Returns SENDER_NO_WAY, with errno in *e and nothing to be done about it. */
int sender_fails(struct sender_error *e);

#endif
