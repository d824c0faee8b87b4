/*
 * fuzz_noise - the input as each message of the handshake and after it, and as
 * a change made to a message that is good: whatever is changed, it is refused,
 * and the state stays as it was.
 */
#include <stdlib.h>
#include <string.h>

#include "noise.h"
#include "secret.h"

enum { MESSAGE_MAX = 512, PAYLOAD = 40 };

/* An exchange whose messages are the same in every run. */
struct exchange {
	struct keypair client, server;
	struct noise_static client_knows, server_knows;
	struct noise i, r;
	uint8_t m1[MESSAGE_MAX], m2[MESSAGE_MAX], m3[MESSAGE_MAX];
	size_t m1_len, m2_len, m3_len;
	struct noise before_m1, before_m2, before_m3; /* the states that wait for them */
};

static const uint8_t psk[KEY_BYTES] = {9};
static const uint8_t payload[PAYLOAD] = {7};

static void keypair_of(struct keypair *out, uint8_t n)
{
	const uint8_t secret[KEY_BYTES] = {n};

	keypair_from_secret(out, secret);
}

static size_t must(int len)
{
	if (len < 0)
		abort();
	return (size_t)len;
}

static void run(struct exchange *x)
{
	static const uint8_t e1[KEY_BYTES] = {3};
	static const uint8_t e2[KEY_BYTES] = {4};
	uint8_t got[MESSAGE_MAX];

	keypair_of(&x->client, 1);
	keypair_of(&x->server, 2);
	x->client_knows = (struct noise_static){&x->client, x->server.public, psk, NULL};
	x->server_knows = (struct noise_static){&x->server, x->client.public, psk, NULL};
	noise_start(&x->i, true, true, &x->client_knows, NULL, 0);
	noise_start(&x->r, false, true, &x->server_knows, NULL, 0);
	noise_set_ephemeral(&x->i, e1);
	noise_set_ephemeral(&x->r, e2);
	x->m1_len = must(noise_write_m1(&x->i, &x->client_knows, payload, PAYLOAD, x->m1));
	x->before_m1 = x->r;
	must(noise_read_m1(&x->r, &x->server_knows, x->m1, x->m1_len, got));
	x->m2_len = must(noise_write_m2(&x->r, &x->server_knows, payload, PAYLOAD, x->m2));
	x->before_m2 = x->i;
	must(noise_read_m2(&x->i, &x->client_knows, x->m2, x->m2_len, got));
	x->m3_len = must(noise_encrypt(&x->i, payload, PAYLOAD, x->m3));
	x->before_m3 = x->r;
}

static void expect(bool good, int got, const struct noise *now, const struct noise *before)
{
	if (good != (got >= 0))
		abort();
	if (got < 0 && memcmp(now, before, sizeof(*now)) != 0)
		abort();
}

static void read_all(const struct exchange *x, const uint8_t *msg, size_t len)
{
	uint8_t got[MESSAGE_MAX];
	struct noise n;

	memcpy(&n, &x->before_m1, sizeof(n)); /* to the last byte of padding, for expect() */
	bool good = len == x->m1_len && memcmp(msg, x->m1, len) == 0;
	expect(good, noise_read_m1(&n, &x->server_knows, msg, len, got), &n, &x->before_m1);
	memcpy(&n, &x->before_m2, sizeof(n));
	good = len == x->m2_len && memcmp(msg, x->m2, len) == 0;
	expect(good, noise_read_m2(&n, &x->client_knows, msg, len, got), &n, &x->before_m2);
	memcpy(&n, &x->before_m3, sizeof(n));
	good = len == x->m3_len && memcmp(msg, x->m3, len) == 0;
	expect(good, noise_decrypt(&n, msg, len, got), &n, &x->before_m3);
}

static void changed(
    const struct exchange *x, const uint8_t *good, size_t len, const uint8_t *data, size_t size)
{
	uint8_t msg[MESSAGE_MAX];

	memcpy(msg, good, len);
	for (size_t i = 0; i < size && i < len; i++)
		msg[i] ^= data[i];
	read_all(x, msg, len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct exchange x;

	if (secret_init() < 0)
		abort();
	if (x.m1_len == 0)
		run(&x);
	if (size == 0 || size > MESSAGE_MAX)
		return 0;
	if (data[0] % 4 == 0)
		read_all(&x, data + 1, size - 1);
	else if (data[0] % 4 == 1)
		changed(&x, x.m1, x.m1_len, data + 1, size - 1);
	else if (data[0] % 4 == 2)
		changed(&x, x.m2, x.m2_len, data + 1, size - 1);
	else
		changed(&x, x.m3, x.m3_len, data + 1, size - 1);
	return 0;
}
