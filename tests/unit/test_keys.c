#include "unit.h"

#include "keys.h"
#include "secret.h"

static void expect_hex(const uint8_t *got, size_t len, const char *hex)
{
	uint8_t want[64];

	assert_int_equal(unhex(want, sizeof(want), hex), len);
	assert_memory_equal(got, want, len);
}

/* RFC 7748, section 6.1. */
static void makes_public_keys(void **state)
{
	(void)state;
	uint8_t secret[KEY_BYTES];
	struct keypair pair;

	unhex(secret, sizeof(secret),
	    "77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a");
	keypair_from_secret(&pair, secret);
	assert_memory_equal(pair.secret, secret, KEY_BYTES);
	expect_hex(pair.public, KEY_BYTES,
	    "8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a");
	memset(pair.public, 0, KEY_BYTES);
	keypair_from_secret(&pair, pair.secret); /* in place */
	expect_hex(pair.public, KEY_BYTES,
	    "8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a");
}

static void generates_pairs_that_fit(void **state)
{
	(void)state;
	struct keypair a;
	struct keypair b;
	struct keypair again;

	keypair_generate(&a);
	keypair_generate(&b);
	assert_memory_not_equal(a.secret, b.secret, KEY_BYTES);
	keypair_from_secret(&again, a.secret);
	assert_memory_equal(a.public, again.public, KEY_BYTES);
}

/*
 * What Python's hashlib says for the key 00 01 ... 1f: BLAKE2b keyed with it, the
 * number as salt (little-endian), the context as personalisation, no message.
 */
static void derives_the_table_of_keys(void **state)
{
	(void)state;
	uint8_t master[KEY_BYTES];
	struct door_keys d;
	struct client_keys c;

	count_up(master, sizeof(master), 0);
	door_keys_derive(&d, master);
	client_keys_derive(&c, master);
	expect_hex(d.to_server.veil, 32,
	    "d74a61c5d1df68fc140b4baa171c9ea9e67fdd0e5fb29315f8dd0ec2f1cde405");
	expect_hex(d.to_client.veil, 32,
	    "c02ff7b73723d882d1fb4dba06883c16aaad82db9f5ff00909a6bde78df8429b");
	expect_hex(d.to_server.gate, 16, "e4306e4bf28307729e516b25f56bf4b4");
	expect_hex(d.to_client.gate, 16, "a182323d2c16b8d9de453bc738cf2cde");
	expect_hex(d.sequence_tag, 16, "6c312c184d4fba7df335dcc8824d3342");
	expect_hex(d.sequence_mask, 16, "0e327aacd551675d8249379f870f516d");
	expect_hex(
	    d.picture, 32, "8d4227265ded5c307f0ee7333f2886eb7b9a9f182c75f9b0ca0d7ee31b6fd2ef");
	expect_hex(d.ports, 32, "19fe023bdbf99493b19187b20a76307d20ba2b837dc7b6a3acf313e46a1e804d");
	expect_hex(c.psk, 32, "ae83dad27ef1d162e6fc9d0d81fea61dc25fd49895f96e8bfc32ea3391869e02");
	expect_hex(c.label, 16, "e5f1f091ab387da15d83b1927418fcd8");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(makes_public_keys),
	    cmocka_unit_test(generates_pairs_that_fit),
	    cmocka_unit_test(derives_the_table_of_keys),
	};

	return secret_init() < 0 ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
