/*
 * session - which doors are open for whom. In memory; the store keeps each for
 * a restart, and the kernel times the door itself.
 *
 * A session is one service for one prefix, opened by one client. Sessions of
 * several clients may rest on the same door: then the door stays for the
 * longest of them.
 */
#ifndef POSTERN_AUTH_SESSION_H
#define POSTERN_AUTH_SESSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uthash.h>

#include "clients.h"
#include "record.h"

enum {
	SESSIONS_PER_CLIENT = CLIENT_DOORS_MAX
}; /* DOORS_MAX: so that one reply can list them all */

/* What a door is in the kernel, wherever it was asked for; no padding, for it is a hash key. */
struct door_key_bytes {
	uint8_t address[ADDRESS_BYTES];
	uint8_t prefix_len;
	uint8_t proto;
	uint8_t port[2];
	uint8_t source_port[2];
	uint8_t once;
	uint8_t idle_s[4];
	char gateway[CONFIG_NAME_MAX + 1]; /* its name, then zeros: it has no port to be told by */
};

struct session {
	uint64_t id;
	struct session_record r;
	int service; /* index in the configuration in force; -1: it has none any more. See sessions_move() */
	char
	    client[CONFIG_NAME_MAX + 1]; /* its name when it was last known; see session_client() */
	uint64_t opened_by; /* job that made it, as long as no other rests on it; else 0 */
	bool closing;	    /* a close is under way, and nobody asked for it again since */
	bool unasked;	    /* its door was not asked for yet: nothing in the kernel is for it */
	uint32_t renewed;   /* how often it was asked for anew */
	struct door_key_bytes door;
	UT_hash_handle hh;
	struct session *owner_prev, *owner_next;
	struct session *door_prev, *door_next;
};

struct sessions;

/* Aborts when there is no memory. */
struct sessions *sessions_new(void);
void sessions_free(struct sessions *ss);

/* Adds a copy and returns it; the id must be new (abort otherwise). */
struct session *sessions_add(
    struct sessions *ss, uint64_t id, const struct session_record *r, int service);
void sessions_remove(struct sessions *ss, struct session *s);
/* It is of this service now (-1: of none). */
void sessions_move(struct sessions *ss, struct session *s, int service);

size_t sessions_count(const struct sessions *ss);
/* How many are of a service, by its index. */
size_t sessions_of_service(const struct sessions *ss, unsigned service);
struct session *sessions_find(struct sessions *ss, uint64_t id);
/* A client's sessions, along owner_next; NULL when it has none. *n (may be NULL) tells how many. */
struct session *sessions_of(struct sessions *ss, const uint8_t cid[static CID_BYTES], size_t *n);
/* That of a client for this service and prefix, or NULL. */
struct session *sessions_match(struct sessions *ss, const struct session_record *r);
/* The same whatever its port is, for a service that draws it. */
struct session *sessions_match_drawn(
    struct sessions *ss, const struct session_record *r, int service);
/* Has any session this port? */
bool sessions_at_port(const struct sessions *ss, uint8_t proto, uint16_t port);
/* The latest end of all sessions that rest on the same door, but s itself; 0 when there is no other. */
uint64_t sessions_door_end(struct sessions *ss, const struct session *s);
/* All of them, in no order that matters: first NULL, then the one before. Nothing may be removed meanwhile but it. */
struct session *sessions_first(struct sessions *ss);
struct session *sessions_next(struct session *s);

#endif
