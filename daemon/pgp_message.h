/*
 * pgp_message - what auth and openpgp say to each other, and what auth and the
 * monitor say about openpgp; the rules are those of message.h. Neither trusts
 * the other: openpgp may have been taken by a message of a client, and auth
 * must not be able to make it do more than these two operations.
 */
#ifndef POSTERN_DAEMON_PGP_MESSAGE_H
#define POSTERN_DAEMON_PGP_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "ipc.h"

/* Numbers that no message of message.h has. */
enum pgp_message_type {
	MSG_PGP_WANTED = 64, /* auth to monitor: is a process wanted that runs gpg? */
	MSG_PGP_PROCESS,     /* monitor to auth: there is a new one, its socket comes along */
	/* auth to openpgp */
	MSG_PGP_OPEN, /* decipher, and check who signed */
	MSG_PGP_SEAL, /* sign with our key, encrypt to the client's */
	/* openpgp to auth */
	MSG_PGP_DONE, /* answers each OPEN and SEAL, in any order */
};

enum {
	PGP_DATA_MAX = 2048,
	PGP_FINGERPRINT_BYTES = 72, /* hexadecimal text, then zeros, at least one */
	PGP_WAITING_MAX = 16,	    /* OPEN and SEAL that have no DONE yet */
};

enum pgp_wanted {
	PGP_UNWANTED,
	PGP_WANTED,
	PGP_WANTED_OTHER, /* the one that is there must have been taken: kill it */
};

struct msg_pgp_plain { /* WANTED, PROCESS */
	struct ipc_head head;
	uint32_t wanted; /* enum pgp_wanted */
	uint32_t unused;
};

enum pgp_status {
	PGP_OK,
	PGP_REFUSED, /* OPEN: not one valid signature of that key over a whole message for us */
	PGP_FAILED,  /* gpg did not work, or not in time; logged by openpgp */
	PGP_STATUS_END,
};

struct msg_pgp {
	struct ipc_head head;
	uint64_t id;	 /* chosen by auth; the same in DONE */
	uint32_t status; /* DONE: enum pgp_status; else 0 */
	uint16_t len;
	uint16_t unused;
	char fingerprint[PGP_FINGERPRINT_BYTES]; /* OPEN, SEAL: the client's primary key */
	uint8_t data[PGP_DATA_MAX]; /* len bytes, then zeros; none when it did not go well */
};

static inline bool pgp_is_fingerprint(const char *text)
{
	const size_t len = strnlen(text, PGP_FINGERPRINT_BYTES);

	return (len == 40 || len == 64) && strspn(text, "0123456789ABCDEF") == len;
}

/* Is this what auth, or openpgp (done), may say? m is of sizeof(*m) bytes, its head is right. */
static inline bool pgp_message_ok(const struct msg_pgp *m, bool done)
{
	if (m->len > PGP_DATA_MAX || m->status >= PGP_STATUS_END)
		return false;
	if (done)
		return m->head.type == MSG_PGP_DONE && (m->status == PGP_OK || m->len == 0);
	return (m->head.type == MSG_PGP_OPEN || m->head.type == MSG_PGP_SEAL) &&
	       m->status == PGP_OK && m->len > 0 && pgp_is_fingerprint(m->fingerprint);
}

#endif
