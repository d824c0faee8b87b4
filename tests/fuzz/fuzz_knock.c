/*
 * fuzz_knock - a whole life of the auth core: a taken capture's messages, mad
 * clients' requests and answers in good envelopes, a slow monitor, time and
 * death, in the order that the input says.
 *
 * The input is steps: what u8, length u16, so many bytes. However it goes,
 * nothing may crash, no kernel door may be wider or longer than the
 * configuration allows, and no message may draw two packets.
 */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "auth_lab.h"
#include "cursor.h"
#include "log.h"
#include "secret.h"

enum { STEPS_MAX = 40, MAX_HOLD_S = 300, LEAST_PREFIX_V4 = 24 };

enum step_kind {
	STEP_MESSAGE, /* of a capture, as it is */
	STEP_REQUEST, /* M1 with this plaintext */
	STEP_ANSWER,  /* M3 with this plaintext; nothing: the truth */
	STEP_REPEAT,  /* the last message again */
	STEP_PASS,    /* milliseconds, u32 */
	STEP_MONITOR, /* answers what it was asked */
	STEP_DIE,
	STEP_DISK_FULL,
	STEP_KINDS,
};

static const char config[] =
    "udp-port = 62201\nclient-rate = 1000\nclient-burst = 1000\nmax-sessions = 20\n"
    "service \"ssh\" { proto = tcp port = 22 hold = 60 max-hold = 300 min-prefix-v4 = 24 }\n"
    "service \"dns\" { proto = udp port = 53 hold = 5 max-hold = 300 }\n";

struct life {
	struct lab l;
	struct lab_message m1, last;
	bool has_m1, has_last, last_drew;
	struct reply challenge;
};

static void check_door(void *arg, const struct msg_door *m)
{
	struct address a;

	(void)arg;
	memcpy(a.b, m->address, sizeof(a.b));
	if (m->seconds == 0 || m->seconds > MAX_HOLD_S || !address_is_admissible(&a))
		abort();
	if (m->prefix_len < (address_is_v4(&a) ? LEAST_PREFIX_V4 : 128))
		abort();
}

/* At most one packet for a message; what was a challenge is kept, to be answered. */
static void deliver(struct life *x, struct lab_message *m)
{
	struct reply p;

	x->last = *m;
	x->has_last = true;
	x->l.sent = 0;
	if (lab_deliver(&x->l, m) != 0)
		abort();
	lab_turn(&x->l);
	if (x->l.sent > 1)
		abort();
	x->last_drew = x->l.sent > 0;
	if (m == &x->m1 && lab_reply(&x->l, m, &p) && p.verdict == VERDICT_CHALLENGE)
		x->challenge = p;
}

static void step_message(struct life *x, const uint8_t *data, size_t len)
{
	struct msg_knock m = {.head = {.type = MSG_KNOCK, .len = sizeof(m)}};

	if (len > sizeof(m) - sizeof(m.head))
		len = sizeof(m) - sizeof(m.head);
	memcpy((uint8_t *)&m + sizeof(m.head), data, len);
	(void)!core_receive(x->l.core, &m, 1);
	lab_turn(&x->l);
}

static void step_request(struct life *x, const uint8_t *data, size_t len)
{
	if (len > REQUEST_MAX)
		return;
	x->m1 = lab_m1_plain(&x->l, &x->l.client[0], data, len);
	x->has_m1 = true;
	x->challenge.verdict = VERDICT_OK; /* of an older one, if any */
	deliver(x, &x->m1);
}

static void step_answer(struct life *x, const uint8_t *data, size_t len)
{
	struct lab_message m3;

	if (!x->has_m1 || x->challenge.verdict != VERDICT_CHALLENGE || len > REQUEST_MAX)
		return;
	m3 = len == 0 ? lab_m3(&x->l, &x->l.client[0], &x->m1, &x->challenge, 0, NULL)
		      : lab_m3_plain(&x->l, &x->l.client[0], &x->m1, data, len);
	deliver(x, &m3);
}

/* It may have been silent the first time because it could not be recorded; after a packet it stays so. */
static void step_repeat(struct life *x)
{
	if (!x->has_last)
		return;
	x->l.sent = 0;
	if (lab_deliver(&x->l, &x->last) != 0)
		abort();
	lab_turn(&x->l);
	if (x->l.sent > 1 || (x->l.sent > 0 && x->last_drew))
		abort();
	x->last_drew = x->last_drew || x->l.sent > 0;
}

static void step(struct life *x, enum step_kind kind, const uint8_t *data, size_t len)
{
	struct reader r = reader_of(data, len);

	switch (kind) {
	case STEP_MESSAGE:
		step_message(x, data, len);
		break;
	case STEP_REQUEST:
		step_request(x, data, len);
		break;
	case STEP_ANSWER:
		step_answer(x, data, len);
		break;
	case STEP_REPEAT:
		step_repeat(x);
		break;
	case STEP_PASS:
		lab_pass(&x->l, read_u32(&r) % 1000000);
		core_tick(x->l.core);
		break;
	case STEP_MONITOR:
		x->l.next_status =
		    len > 0 ? (enum door_status)(data[0] % (DOOR_FAILED + 1)) : DOOR_OK;
		lab_settle(&x->l);
		x->l.next_status = DOOR_OK;
		break;
	case STEP_DIE:
		store_memory_fail(x->l.store, 0);
		lab_restart(&x->l);
		break;
	case STEP_DISK_FULL:
		store_memory_fail(x->l.store, 1);
		break;
	case STEP_KINDS:
		break;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct life x;
	struct reader r = reader_of(data, size);

	log_start(LOG_TO_FD, LOG_LEVEL_ERROR, "fuzz", -1);
	memset(&x, 0, sizeof(x));
	lab_start(&x.l, config, "service=ssh", 1);
	x.l.acted = check_door;
	for (unsigned i = 0; i < STEPS_MAX && r.left > 2; i++) {
		enum step_kind kind = (enum step_kind)(read_u8(&r) % STEP_KINDS);
		size_t len = read_u16(&r);
		const uint8_t *bytes = read_view(&r, len < r.left ? len : r.left);

		if (!bytes)
			break;
		step(&x, kind, bytes,
		    len < (size_t)(data + size - bytes) ? len : (size_t)(data + size - bytes));
	}
	lab_stop(&x.l);
	return 0;
}
