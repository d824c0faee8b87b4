#include "unit.h"

#include "errors.h"
#include "request.h"

#define TIME "0102030405060708"
#define ATTEMPT "1122334455667788"
#define HEAD(verdict) "01" verdict "0000" TIME ATTEMPT
#define OK HEAD("00")
#define CHALLENGE HEAD("02")
#define SEEN "0100040a580002"
#define SEEN6 "010010fd880000000000000000000000000002"
#define DOOR "02000f0600160000003ca1a2a3a4a5a6a7a8"
#define ASKED "06000103"
#define WAIT "070002000a"
#define KEY_32 "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
#define DOOR_KEY "880020" KEY_32
#define TIMES8(x) x x x x x x x x

static int decode(const char *hex, struct reply *p)
{
	uint8_t bytes[4096];
	size_t len = unhex(bytes, sizeof(bytes), hex);

	return reply_decode(p, bytes, len);
}

static const struct {
	const char *hex;
	int want;
} rules[] = {
    {"", -E_SHORT},
    {"01000000" TIME "11223344556677", -E_SHORT},
    {OK, 0},
    {"00000000" TIME ATTEMPT, -E_VERSION},
    {"02000000" TIME ATTEMPT, -E_VERSION},
    {"01000001" TIME ATTEMPT, -E_FORMAT},
    {"01008000" TIME ATTEMPT, -E_FORMAT},
    {HEAD("01"), 0},
    {HEAD("0d"), 0},
    {HEAD("0e"), -E_FORMAT},
    {HEAD("ff"), -E_FORMAT},
    {OK SEEN, 0},
    {OK SEEN6, 0},
    {OK "010000", -E_FORMAT},
    {OK "0100030a5800", -E_FORMAT},
    {OK "0100050a58000200", -E_FORMAT},
    {OK SEEN SEEN, -E_FORMAT},
    {OK DOOR, 0},
    {OK DOOR DOOR, 0},
    {OK TIMES8(TIMES8(DOOR)), 0},
    {OK TIMES8(TIMES8(DOOR)) DOOR, -E_FORMAT},
    {OK "02000e0600160000003ca1a2a3a4a5a6a7", -E_FORMAT},
    {OK "0200100600160000003ca1a2a3a4a5a6a7a8a9", -E_FORMAT},
    {OK "03000107", 0},
    {OK "0300020007", -E_FORMAT},
    {OK "030000", -E_FORMAT},
    {OK "040000", 0},
    {OK "040003000102", 0},
    {OK "040001000400"
	"0101",
	-E_FORMAT},
    {OK "050000", 0},
    {OK "050003616263", 0},
    {OK "06000100", 0},
    {OK "06000103", 0},
    {OK "06000104", -E_FORMAT},
    {OK "06000180", -E_FORMAT},
    {OK "0600020000", -E_FORMAT},
    {OK "070002000a", 0},
    {OK "0700010a", -E_FORMAT},
    {OK DOOR_KEY, 0},
    {OK "88001f"
	"000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e",
	-E_FORMAT},
    {OK DOOR_KEY DOOR_KEY, -E_FORMAT},
    {OK "89000400000001", 0},
    {OK "89000400000000", -E_FORMAT},
    {OK "890003000001", -E_FORMAT},
    {OK "89000400000001" DOOR_KEY, -E_FORMAT},
    {OK DOOR SEEN, -E_FORMAT},
    {OK "080000", -E_UNKNOWN},
    {OK "000000", -E_UNKNOWN},
    {OK "7f0000", -E_UNKNOWN},
    {OK "800000", 0},
    {OK "870000" DOOR_KEY "ff000100", 0},
    {OK "870000870000", -E_FORMAT},
    {OK "00", -E_SHORT},
    {OK SEEN "0200", -E_SHORT},
    {OK "0500ff61", -E_SHORT},
    {CHALLENGE SEEN ASKED WAIT, 0},
    {CHALLENGE SEEN6 ASKED WAIT, 0},
    {CHALLENGE SEEN ASKED WAIT "900000", 0},
    {CHALLENGE, -E_FORMAT},
    {CHALLENGE ASKED WAIT, -E_FORMAT},
    {CHALLENGE SEEN WAIT, -E_FORMAT},
    {CHALLENGE SEEN ASKED, -E_FORMAT},
    {CHALLENGE SEEN DOOR ASKED WAIT, -E_FORMAT},
    {CHALLENGE SEEN "03000100" ASKED WAIT, -E_FORMAT},
    {CHALLENGE SEEN "040000" ASKED WAIT, -E_FORMAT},
    {CHALLENGE SEEN "050000" ASKED WAIT, -E_FORMAT},
    {CHALLENGE SEEN ASKED WAIT DOOR_KEY, -E_FORMAT},
    {CHALLENGE SEEN ASKED WAIT "89000400000001", -E_FORMAT},
};

static void holds_to_every_rule(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(rules); i++) {
		struct reply p;
		int got = decode(rules[i].hex, &p);
		if (got != rules[i].want)
			fail_msg("%s: %d, not %d", rules[i].hex, got, rules[i].want);
	}
}

static struct reply full_reply(void)
{
	struct reply p = {
	    .verdict = VERDICT_REFRESHED,
	    .server_time = UINT64_C(0x0102030405060708),
	    .attempt = UINT64_C(0x1122334455667788),
	    .has_address_seen = true,
	    .doors = 2,
	    .door = {{{6, 22}, 60, UINT64_C(0xa1a2a3a4a5a6a7a8)}, {{17, 53}, UINT32_MAX, 1}},
	    .has_exit_status = true,
	    .exit_status = 7,
	    .output_len = 5,
	    .output = {0, 1, 0xff, '\n', 'x'},
	    .reason = "because",
	    .has_asked = true,
	    .asked = 3,
	    .has_wait = true,
	    .wait_s = 10,
	    .has_door_key = true,
	    .idle_s = 120,
	};

	assert_int_equal(address_parse("10.88.0.2", &p.address_seen), 0);
	count_up(p.door_key, KEY_BYTES, 0);
	return p;
}

static const char full_reply_hex[] =
    HEAD("01") SEEN DOOR "02000f110035ffffffff0000000000000001"
			 "03000107"
			 "0400050001ff0a78"
			 "05000762656361757365" ASKED WAIT DOOR_KEY "89000400000078";

static void goes_and_comes(void **state)
{
	(void)state;
	struct reply p = full_reply();
	struct reply again;
	uint8_t want[512];
	uint8_t got[512];
	size_t len = unhex(want, sizeof(want), full_reply_hex);

	assert_int_equal(reply_encode(&p, got, sizeof(got)), len);
	assert_memory_equal(got, want, len);
	assert_int_equal(reply_decode(&again, got, len), 0);
	/* What was read says the same again: nothing was lost. */
	assert_int_equal(reply_encode(&again, got, len), len);
	assert_memory_equal(got, want, len);
}

/*
 * For each room from none to enough: the longest that fits, cut in the order
 * output, reason, doors from the end.
 */
static void cuts_in_order(void **state)
{
	(void)state;
	struct reply p = full_reply();
	uint8_t out[512];
	const size_t fixed = 20 + 7 + 4 + 4 + 5 + 35 + 7;
	const size_t door = 18;
	const size_t whole = fixed + 2 * door + 3 + 5 + 3 + 7;

	for (size_t cap = 0; cap <= whole + 1; cap++) {
		struct reply got;
		int len = reply_encode(&p, out, cap);
		if (cap < fixed) {
			assert_int_equal(len, -E_SHORT);
			continue;
		}
		assert_true(len >= (int)fixed && (size_t)len <= cap);
		assert_int_equal(reply_decode(&got, out, (size_t)len), 0);
		size_t room = cap - fixed;
		size_t doors = room / door < 2 ? room / door : 2;
		room = doors < 2 ? 0 : room - 2 * door;
		size_t reason = room >= 10 ? 7 : room > 3 ? room - 3 : 0;
		room = reason > 0 ? room - 3 - reason : 0;
		size_t output = room >= 8 ? 5 : room > 3 ? room - 3 : 0;
		assert_int_equal(got.doors, doors);
		for (size_t i = 0; i < doors; i++)
			assert_true(got.door[i].session == p.door[i].session);
		assert_int_equal(strlen(got.reason), reason);
		assert_memory_equal(got.reason, p.reason, reason);
		assert_int_equal(got.output_len, output);
		assert_memory_equal(got.output, p.output, output);
		assert_true(
		    got.has_door_key && got.has_wait && got.has_address_seen && got.idle_s == 120);
	}
}

static void sends_nothing_that_would_be_dropped(void **state)
{
	(void)state;
	uint8_t out[2048];
	struct reply p = full_reply();

	p.verdict = (enum verdict)14;
	assert_int_equal(reply_encode(&p, out, sizeof(out)), -E_FORMAT);
	p = full_reply();
	p.doors = DOORS_MAX + 1;
	assert_int_equal(reply_encode(&p, out, sizeof(out)), -E_FORMAT);
	p = full_reply();
	p.output_len = OUTPUT_MAX + 1;
	assert_int_equal(reply_encode(&p, out, sizeof(out)), -E_FORMAT);
	p = full_reply();
	p.asked = 4;
	assert_int_equal(reply_encode(&p, out, sizeof(out)), -E_FORMAT);
	p = full_reply();
	p.verdict = VERDICT_CHALLENGE;
	assert_int_equal(reply_encode(&p, out, sizeof(out)), -E_FORMAT);
}

static void sends_a_challenge_alone(void **state)
{
	(void)state;
	uint8_t out[64];
	uint8_t want[64];
	struct reply p = {.verdict = VERDICT_CHALLENGE,
	    .server_time = UINT64_C(0x0102030405060708),
	    .attempt = UINT64_C(0x1122334455667788),
	    .has_address_seen = true,
	    .has_asked = true,
	    .asked = 3,
	    .has_wait = true,
	    .wait_s = 10};

	assert_int_equal(address_parse("10.88.0.2", &p.address_seen), 0);
	size_t len = unhex(want, sizeof(want), CHALLENGE SEEN ASKED WAIT);
	assert_int_equal(reply_encode(&p, out, sizeof(out)), len);
	assert_memory_equal(out, want, len);
	p.has_wait = false;
	assert_int_equal(reply_encode(&p, out, sizeof(out)), -E_FORMAT);
}

/* What a server writes must not drive the user's terminal. */
static void makes_reasons_printable(void **state)
{
	(void)state;
	static const struct {
		const char *hex, *want;
	} table[] = {
	    {OK "0500057e20216162", "~ !ab"},
	    {OK "0500041b5b326d", "?[2m"},
	    {OK "0500060a0d00097f61", "?????a"},
	    {OK "050004c3a99b61", "???a"},
	};

	for (size_t i = 0; i < COUNT_OF(table); i++) {
		struct reply p;
		assert_int_equal(decode(table[i].hex, &p), 0);
		assert_string_equal(p.reason, table[i].want);
	}
}

static void bounds_texts(void **state)
{
	(void)state;
	static const struct {
		uint8_t type;
		uint16_t most;
	} table[] = {{4, OUTPUT_MAX}, {5, REASON_MAX}};

	for (size_t i = 0; i < COUNT_OF(table); i++) {
		for (uint16_t len = table[i].most; len <= table[i].most + 1; len++) {
			uint8_t bytes[20 + 3 + OUTPUT_MAX + 1] = {1};
			struct reply p;
			bytes[20] = table[i].type;
			bytes[21] = (uint8_t)(len >> 8);
			bytes[22] = (uint8_t)(len & 0xff);
			memset(bytes + 23, 'a', len);
			int want = len > table[i].most ? -E_FORMAT : 0;
			assert_int_equal(reply_decode(&p, bytes, 23 + (size_t)len), want);
		}
	}
}

static void refuses_every_truncation(void **state)
{
	(void)state;
	uint8_t bytes[512];
	size_t len = unhex(bytes, sizeof(bytes), full_reply_hex);
	size_t whole = 0;

	for (size_t cut = 0; cut < len; cut++) {
		struct reply p;
		int got = reply_decode(&p, bytes, cut);
		assert_true(got == 0 || got == -E_SHORT);
		whole += got == 0;
	}
	assert_int_equal(whole, 10); /* between the fields alone */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(holds_to_every_rule),
	    cmocka_unit_test(goes_and_comes),
	    cmocka_unit_test(cuts_in_order),
	    cmocka_unit_test(sends_nothing_that_would_be_dropped),
	    cmocka_unit_test(sends_a_challenge_alone),
	    cmocka_unit_test(makes_reasons_printable),
	    cmocka_unit_test(bounds_texts),
	    cmocka_unit_test(refuses_every_truncation),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
