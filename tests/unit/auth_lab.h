/*
 * auth_lab - the auth core with a world of the test's own around it: clocks
 * that step, a monitor and kernel in memory, a network that is a list of
 * packets, and clients that speak the protocol for real.
 */
#ifndef POSTERN_TEST_AUTH_LAB_H
#define POSTERN_TEST_AUTH_LAB_H

#include <stdbool.h>
#include <stdint.h>

#include "core.h"
#include "envelope.h"
#include "request.h"
#include "veil.h"

enum {
	LAB_CLIENTS = 8,
	LAB_SENT_MAX = 512,
	LAB_ASKED_MAX = 1024,
	LAB_DOORS_MAX = 1024,
	LAB_BANS_MAX = 8192,
	LAB_PORT = 62201,
};

struct lab_client {
	char name[CONFIG_NAME_MAX + 1];
	uint8_t cid[CID_BYTES];
	struct keypair keys;
	uint8_t secret[KEY_BYTES];
	struct client_keys derived;
	struct address address;
	uint16_t port;
	uint64_t last_t;
	char wax; /* its seal */
	struct pgp_ops pgp;
};

/* A packet of the server's. */
struct lab_packet {
	struct address from, to;
	uint16_t from_port, to_port;
	uint16_t len;
	uint8_t veil[VEIL_ROOM];
};

/* A packet of a client's, with what only its sender knows. */
struct lab_message {
	const struct lab_client *client;
	struct address from;
	uint16_t port;
	unsigned door_key; /* the one that it was veiled under */
	uint16_t len;
	uint8_t veil[VEIL_ROOM];
	/* M1 */
	uint64_t t, attempt;
	struct envelope_state state;
	/* M3 */
	uint16_t body_len;
	uint8_t body[BODY_MAX];
};

/* A door as the kernel has it. */
struct lab_door {
	struct msg_door m; /* that opened it */
	uint64_t end_ms;
	unsigned opened; /* how often it was asked for */
};

struct lab_ban {
	struct address from;
	uint64_t end_ms;
};

struct lab {
	struct core *core;
	struct store *store;
	const char *boot_id;
	uint64_t real_ns, boot_ms;
	struct keypair server;
	uint8_t door_key[DOOR_KEYS_MAX][KEY_BYTES];
	unsigned door_keys;
	uint32_t generation;
	uint32_t capture; /* that what is delivered comes from; 0: unknown */
	const char *config_text, *options;
	uint64_t along; /* what is delivered comes along these sequences; 0: by udp */
	unsigned clients;
	struct lab_client client[LAB_CLIENTS];
	/* the monitor */
	bool deaf;		      /* takes no more questions */
	enum door_status next_status; /* of the next OPEN; then DOOR_OK again */
	unsigned fail_after;	      /* OPENs that go well before it */
	unsigned runs;		      /* commands that were handed over; the last of them: */
	struct msg_command run;
	unsigned events[EVENTS]; /* that a script was to be told of, by their kind */
	unsigned cuts;		 /* closes that were to end connections, too */
	unsigned asked;
	struct msg_door ask[LAB_ASKED_MAX];
	unsigned doors;
	struct lab_door door[LAB_DOORS_MAX];
	enum door_status ban_status; /* of each BAN */
	unsigned bans, unbans;	     /* that were asked for; those in force: */
	struct lab_ban ban[LAB_BANS_MAX];
	/* gpg, where the clients use it: what it was asked and has not answered */
	bool pgp, pgp_held; /* held: lab_settle() does not have it answered */
	unsigned pgp_asked;
	struct msg_pgp pgp_ask[PGP_WAITING_MAX];
	/* the network */
	unsigned sent;
	struct lab_packet packet[LAB_SENT_MAX];
	int send_error;
	unsigned
	    segments; /* of TCP without a payload, which are no packets above; the last of them: */
	uint8_t segment[64];
	size_t segment_len;
	bool dry_run;
	void (*acted)(void *arg, const struct msg_door *m); /* may be NULL */
	void *acted_arg;
};

/*
 * A server with this posternd.conf (NULL: services ssh and web) and these
 * client options (NULL: both services); clients c0 to c7, of which the first
 * n are known to it. The store is the lab's.
 */
void lab_start(struct lab *l, const char *config, const char *options, unsigned n);
void lab_stop(struct lab *l);
/* The process dies and comes back; the store stays. */
void lab_restart(struct lab *l);
/* From now on all clients use openpgp; its seals are of wax (auth_lab.c). */
void lab_use_pgp(struct lab *l);
/* gpg answers the i-th that it was asked; PGP_OK: as is right. */
void lab_pgp(struct lab *l, unsigned i, enum pgp_status status);
/* A realm of what the lab's fields say now. */
struct realm *lab_realm(struct lab *l);
/* Time passes on all clocks. */
void lab_pass(struct lab *l, uint64_t ms);

/* M1 of client c at time t (0: the server's time or later than its last). */
struct lab_message lab_m1(struct lab *l, struct lab_client *c, const struct request *q, uint64_t t);
/* M3 to the challenge p that answered m; t of its label 0: as above. a: NULL, or what to say instead of the truth. */
struct lab_message lab_m3(struct lab *l, struct lab_client *c, struct lab_message *m1,
    const struct reply *p, uint64_t t, const struct answer *a);
/* Both with any plaintext, as a client gone mad sends it. */
struct lab_message lab_m1_plain(
    struct lab *l, struct lab_client *c, const uint8_t *plain, size_t len);
struct lab_message lab_m3_plain(
    struct lab *l, struct lab_client *c, struct lab_message *m1, const uint8_t *plain, size_t len);
/* The same M3 in a new veil with a new t. */
struct lab_message lab_m3_again(struct lab *l, struct lab_client *c, const struct lab_message *m3);
/* What capture makes of a message and hands over. Returns core_receive()'s result. */
int lab_deliver(struct lab *l, const struct lab_message *m);
/* Turns, with the monitor answering, until nothing is left to do. */
void lab_settle(struct lab *l);
/* Turns alone. */
void lab_turn(struct lab *l);
/* The monitor answers what it was asked. */
void lab_monitor(struct lab *l);
/* The same when auth is gone: nobody hears the answers. */
void lab_orphans(struct lab *l);
/* Deliver and settle. */
void lab_knock(struct lab *l, const struct lab_message *m);

/* Takes the oldest packet that was sent; false when there is none. */
bool lab_take(struct lab *l, struct lab_packet *out);
/* Reads the answer to m in p. False when it is not one. */
bool lab_read(struct lab *l, struct lab_message *m, const struct lab_packet *p, struct reply *out);
/* lab_take() and lab_read(). */
bool lab_reply(struct lab *l, struct lab_message *m, struct reply *out);
/* The M1, challenge, M3 and reply of a client that has never knocked; true when verdict is ok. */
bool lab_prove(struct lab *l, struct lab_client *c);

struct request lab_open(const char *service);
struct request lab_request(enum verb v);
/* The kernel's door for this client's address and a service's index, or NULL when it is not open now. */
struct lab_door *lab_door(struct lab *l, const struct address *a, unsigned service);
/* Is it banned now? */
bool lab_banned(const struct lab *l, const struct address *a);
uint64_t lab_count(const struct lab *l, enum auth_counter c);

/* For cmocka: a lab of four clients as the test's state. */
int lab_setup(void **state);
int lab_teardown(void **state);
/* One knock of a proven client; returns the verdict, or -1 for silence. p may be NULL. */
int lab_ask(struct lab *l, struct lab_client *c, const struct request *q, struct reply *p);
int lab_open_service(struct lab *l, struct lab_client *c, const char *service, struct reply *p);

#endif
