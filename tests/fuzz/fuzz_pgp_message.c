/*
 * fuzz_pgp_message - what an openpgp process that was taken says to auth, and
 * what an auth that was taken says to it: nothing crashes, and what is taken
 * for a message keeps to its bounds.
 */
#include <stdlib.h>
#include <string.h>

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "auth_lab.h"
#include "log.h"

enum { CLIENTS = 2 };

/* To the other side: what it would work on. */
static void check_request(const struct msg_pgp *m)
{
	if (!pgp_message_ok(m, false))
		return;
	if (m->len == 0 || m->len > PGP_DATA_MAX || strlen(m->fingerprint) > 64)
		abort();
}

/* One message waits to be opened, another's challenge to be sealed; the answer is for any of them, or for none. */
static void answer(struct lab *l, struct msg_pgp *m)
{
	if (!pgp_message_ok(m, true))
		return;
	if (m->status != PGP_OK && m->len != 0)
		abort();
	m->id %= 4;
	core_pgp_done(l->core, m);
	lab_turn(l);
	if (l->sent > 1)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct lab l;
	struct request q;
	struct msg_pgp m = {.id = 0};

	log_start(LOG_TO_FD, LOG_LEVEL_ERROR, "fuzz", -1);
	memcpy((uint8_t *)&m, data, size < sizeof(m) ? size : sizeof(m));
	check_request(&m);
	lab_start(&l, NULL, NULL, CLIENTS);
	lab_use_pgp(&l);
	l.pgp_held = true;
	for (unsigned i = 0; i < CLIENTS; i++) {
		q = lab_request(VERB_PING);
		struct lab_message first = lab_m1(&l, &l.client[i], &q, 0);
		if (lab_deliver(&l, &first) != 0)
			abort();
		if (i == 0)
			lab_pgp(&l, 0, PGP_OK);
		lab_turn(&l);
	}
	m.head = (struct ipc_head){.type = MSG_PGP_DONE, .len = sizeof(m)};
	answer(&l, &m);
	lab_stop(&l);
	return 0;
}
