/* The lab's gpg: a seal of wax says from whom and to whom, and hides nothing. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <string.h>
#include <cmocka.h>

#include "auth_lab.h"
#include "auth_lab_inside.h"

enum { WAX_BYTES = 2, FINGERPRINT_DIGITS = 40, WAX_SERVER = 'S' };

void lab_fingerprint(unsigned i, char out[static FINGERPRINT_TEXT])
{
	memset(out, '0', FINGERPRINT_DIGITS);
	out[FINGERPRINT_DIGITS - 1] = (char)('1' + i);
	out[FINGERPRINT_DIGITS] = '\0';
}

static int wax_seal(const uint8_t *plain, size_t len, const char *from_to, uint8_t *out, size_t cap)
{
	if (len + WAX_BYTES > cap)
		return -1;
	memcpy(out, from_to, WAX_BYTES);
	memcpy(out + WAX_BYTES, plain, len);
	return (int)len + WAX_BYTES;
}

static int wax_open(const uint8_t *in, size_t len, const char *from_to, uint8_t *out, size_t cap)
{
	if (len < WAX_BYTES || len - WAX_BYTES > cap || memcmp(in, from_to, WAX_BYTES) != 0)
		return -1;
	memcpy(out, in + WAX_BYTES, len - WAX_BYTES);
	return (int)len - WAX_BYTES;
}

static int client_seals(void *arg, const uint8_t *plain, size_t len, uint8_t *out, size_t cap)
{
	const char from_to[] = {((const struct lab_client *)arg)->wax, WAX_SERVER};

	return wax_seal(plain, len, from_to, out, cap);
}

static int client_opens(void *arg, const uint8_t *in, size_t len, uint8_t *out, size_t cap)
{
	const char from_to[] = {WAX_SERVER, ((const struct lab_client *)arg)->wax};

	return wax_open(in, len, from_to, out, cap);
}

void lab_pgp(struct lab *l, unsigned i, enum pgp_status status)
{
	struct msg_pgp *m = &l->pgp_ask[i];
	struct msg_pgp done = {.head = {MSG_PGP_DONE, sizeof(done)}, .id = m->id};
	const char wax = m->fingerprint[FINGERPRINT_DIGITS - 1];
	const char in[] = {wax, WAX_SERVER}, out[] = {WAX_SERVER, wax};
	int len = m->head.type == MSG_PGP_OPEN
		      ? wax_open(m->data, m->len, in, done.data, sizeof(done.data))
		      : wax_seal(m->data, m->len, out, done.data, sizeof(done.data));

	assert_true(i < l->pgp_asked);
	done.status = status == PGP_OK && len < 0 ? PGP_REFUSED : (uint32_t)status;
	if (done.status == PGP_OK)
		done.len = (uint16_t)len;
	else
		memset(done.data, 0, sizeof(done.data));
	assert_true(pgp_message_ok(&done, true));
	*m = l->pgp_ask[--l->pgp_asked];
	core_pgp_done(l->core, &done);
}

int lab_world_pgp(void *arg, const struct msg_pgp *m)
{
	struct lab *l = arg;

	assert_true(pgp_message_ok(m, false) && m->head.len == sizeof(*m));
	assert_true(l->pgp_asked < PGP_WAITING_MAX); /* the core asks no more at once */
	l->pgp_ask[l->pgp_asked++] = *m;
	return 0;
}

struct pgp_ops lab_wax(struct lab_client *c)
{
	return (struct pgp_ops){client_seals, client_opens, c};
}
