#include "unit.h"

#include "errors.h"
#include "request.h"

#define ATTEMPT "1122334455667788"
#define OPEN "01010001" ATTEMPT
#define CLOSE "01020001" ATTEMPT
#define RUN "01030001" ATTEMPT
#define PING "01040001" ATTEMPT
#define LIST "01050001" ATTEMPT
#define SSH "010003737368"
#define TCP22 "020003060016"
#define SERVICE_32 "0100206161616161616161616161616161616161616161616161616161616161616161"
#define SERVICE_33 "010021616161616161616161616161616161616161616161616161616161616161616161"
#define V4_HOST "030005200a580002"
#define V6_HOST "03001180fd880000000000000000000000000002"
#define KEY_32 "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
#define TIMES8(x) x x x x x x x x

static int decode(const char *hex, struct request *q, uint8_t *unknown)
{
	uint8_t bytes[2048];
	size_t len = unhex(bytes, sizeof(bytes), hex);

	return request_decode(q, bytes, len, unknown);
}

static const struct {
	const char *hex;
	int want; /* 0, an error, or the number of an unknown field */
} rules[] = {
    /* the head */
    {"", -E_SHORT},
    {"0104000111223344556677", -E_SHORT},
    {PING, 0},
    {"00040001" ATTEMPT, -E_VERSION},
    {"02040001" ATTEMPT, -E_VERSION},
    {"01000001" ATTEMPT, -E_FORMAT},
    {"01060001" ATTEMPT, -E_FORMAT},
    {"01ff0001" ATTEMPT, -E_FORMAT},
    {"01040000" ATTEMPT, 0},
    {"01040007" ATTEMPT, 0},
    {"01040008" ATTEMPT, -E_FORMAT},
    {"01048001" ATTEMPT, -E_FORMAT},
    /* what a verb must have and may have */
    {OPEN, -E_FORMAT},
    {OPEN SSH, 0},
    {OPEN TCP22, 0},
    {OPEN SSH TCP22, -E_FORMAT},
    {OPEN V4_HOST, -E_FORMAT},
    {OPEN SSH "0b0001610c000162", -E_FORMAT},
    {OPEN SSH "0d00080000000000000001", -E_FORMAT},
    {CLOSE, -E_FORMAT},
    {CLOSE SSH, 0},
    {CLOSE SSH SSH, 0},
    {CLOSE "0d00080000000000000001", 0},
    {CLOSE SSH "0d00080000000000000001", -E_FORMAT},
    {CLOSE "0d000800000000000000010d00080000000000000002", -E_FORMAT},
    {CLOSE TCP22, -E_FORMAT},
    {CLOSE SSH V4_HOST, -E_FORMAT},
    {RUN, -E_FORMAT},
    {RUN "0b000161", 0},
    {RUN "0b0001610c0000", 0},
    {RUN "0c000161", -E_FORMAT},
    {RUN "0900063132333435360a0004313233340b000161", 0},
    {RUN "0600040000003c0b000161", -E_FORMAT},
    {RUN SSH "0b000161", -E_FORMAT},
    {PING SSH, -E_FORMAT},
    {PING "090006313233343536", -E_FORMAT},
    {LIST, 0},
    {LIST SSH, -E_FORMAT},
    /* services */
    {OPEN "010000", -E_FORMAT},
    {OPEN SERVICE_32, 0},
    {OPEN SERVICE_33, -E_FORMAT},
    {OPEN "010001"
	  "5f",
	0},
    {OPEN "010001"
	  "2d",
	0},
    {OPEN "010001"
	  "39",
	0},
    {OPEN "010001"
	  "41",
	-E_FORMAT}, /* A */
    {OPEN "010001"
	  "20",
	-E_FORMAT},
    {OPEN "010001"
	  "2e",
	-E_FORMAT},
    {OPEN "010001"
	  "00",
	-E_FORMAT},
    {OPEN "010002"
	  "6100",
	-E_FORMAT},
    {OPEN "010003"
	  "61c3a9",
	-E_FORMAT},
    {OPEN TIMES8(SSH), 0},
    {OPEN TIMES8(SSH) SSH, -E_FORMAT},
    /* ports */
    {OPEN "0200020600", -E_FORMAT},
    {OPEN "02000406001600", -E_FORMAT},
    {OPEN "020000", -E_FORMAT},
    {OPEN TIMES8(TCP22), 0},
    {OPEN TIMES8(TCP22) TCP22, -E_FORMAT},
    /* admit */
    {OPEN SSH V4_HOST, 0},
    {OPEN SSH V6_HOST, 0},
    {OPEN SSH V4_HOST V6_HOST, 0},
    {OPEN SSH V6_HOST V4_HOST, 0},
    {OPEN SSH V4_HOST V4_HOST, -E_FORMAT},
    {OPEN SSH V6_HOST V6_HOST, -E_FORMAT},
    {OPEN SSH V4_HOST V6_HOST V4_HOST, -E_FORMAT},
    {OPEN SSH "030005180a580000", 0},
    {OPEN SSH "030005180a580001", -E_FORMAT}, /* a host bit */
    {OPEN SSH "0300050000000000", 0},
    {OPEN SSH "030005210a580002", -E_FORMAT}, /* /33 */
    {OPEN SSH "03001181fd880000000000000000000000000002", -E_FORMAT},
    {OPEN SSH "03001110fd880000000000000000000000000000", 0},
    {OPEN SSH "0300110ffd880000000000000000000000000000", 0},
    {OPEN SSH "0300110cfd880000000000000000000000000000", -E_FORMAT},
    {OPEN SSH "03001100"
	      "00000000000000000000000000000000",
	0},
    {OPEN SSH "0300118000000000000000000000ffff0a580002", 0}, /* v4-mapped */
    {OPEN SSH "0300116000000000000000000000ffff00000000", 0},
    {OPEN SSH "0300115f00000000000000000000ffff00000000", -E_FORMAT},
    {OPEN SSH "0300112000000000000000000000ffff0a580002", -E_FORMAT},
    {OPEN SSH V4_HOST "0300118000000000000000000000ffff0a580003", -E_FORMAT}, /* both IPv4 */
    {OPEN SSH "030000", -E_FORMAT},
    {OPEN SSH "03000120", -E_FORMAT},
    {OPEN SSH "030004200a5800", -E_FORMAT},
    {OPEN SSH "030006200a58000200", -E_FORMAT},
    /* the rest of an open */
    {OPEN SSH "0400040a580002", 0},
    {OPEN SSH "040010fd880000000000000000000000000002", 0},
    {OPEN SSH "0400030a5800", -E_FORMAT},
    {OPEN SSH "0400050a58000200", -E_FORMAT},
    {OPEN SSH "040000", -E_FORMAT},
    {OPEN SSH "0400040a5800020400040a580002", -E_FORMAT},
    {OPEN SSH "050002c000", 0},
    {OPEN SSH "050001c0", -E_FORMAT},
    {OPEN SSH "050003c00000", -E_FORMAT},
    {OPEN SSH "050002c000050002c001", -E_FORMAT},
    {OPEN SSH "0600040000003c", 0},
    {OPEN SSH "06000300003c", -E_FORMAT},
    {OPEN SSH "060005000000003c", -E_FORMAT},
    {OPEN SSH "0600040000003c0600040000003c", -E_FORMAT},
    {OPEN SSH "0700040000003c", 0},
    {OPEN SSH "0700080000003c0000003c", -E_FORMAT},
    {OPEN SSH "080000", 0},
    {OPEN SSH "08000101", -E_FORMAT},
    {OPEN SSH "080000080000", -E_FORMAT},
    {OPEN SSH "0900053132333435", -E_FORMAT},
    {OPEN SSH "090006313233343536", 0},
    {OPEN SSH "09000a30313233343536373839", 0},
    {OPEN SSH "09000b3031323334353637383930", -E_FORMAT},
    {OPEN SSH "090006313233343561", -E_FORMAT},
    {OPEN SSH "090006313233343500", -E_FORMAT},
    {OPEN SSH "09000631323334352f", -E_FORMAT},
    {OPEN SSH "09000631323334353a", -E_FORMAT},
    {OPEN SSH "090006313233343536090006313233343536", -E_FORMAT},
    {OPEN SSH "0a0003313233", -E_FORMAT},
    {OPEN SSH "0a000400000000", 0}, /* a PIN is bytes */
    {OPEN SSH "0a0020" KEY_32, 0},
    {OPEN SSH "0a0021" KEY_32 "20", -E_FORMAT},
    /* commands */
    {RUN "0b0000", -E_FORMAT},
    {RUN "0b00012f", -E_FORMAT},
    {RUN "0b0020"
	 "6161616161616161616161616161616161616161616161616161616161616161",
	0},
    {RUN "0b0021"
	 "616161616161616161616161616161616161616161616161616161616161616161",
	-E_FORMAT},
    {RUN "0b0001610b000161", -E_FORMAT},
    {RUN "0b000161" TIMES8("0c000162"), 0},
    {RUN "0b000161" TIMES8("0c000162") "0c000162", -E_FORMAT},
    {RUN "0b0001610c0080" KEY_32 KEY_32 KEY_32 KEY_32, -E_FORMAT}, /* has a NUL */
    {RUN "0b0001610c000100", -E_FORMAT},
    {RUN "0b0001610c0003fffe01", 0}, /* what bytes are allowed, policy says */
    {CLOSE "0d000700000000000001", -E_FORMAT},
    {CLOSE "0d0009000000000000000001", -E_FORMAT},
    {PING "0f0020" KEY_32, 0},
    {OPEN SSH "0f0020" KEY_32, 0},
    {OPEN SSH "0f001f"
	      "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e",
	-E_FORMAT},
    /* order */
    {OPEN V4_HOST SSH, -E_FORMAT},
    {OPEN SSH V4_HOST SSH, -E_FORMAT},
    {OPEN SSH "0700040000003c0600040000003c", -E_FORMAT},
    {OPEN SSH "80000006000400000001", -E_FORMAT}, /* by the raw byte */
    /* unknown fields */
    {PING "000000", 0x100}, /* 0 is a number like another; see want_unknown() */
    {PING "0e0000", 14},
    {PING "100000", 16},
    {PING "7f000401020304", 127},
    {PING "100000110000", 16}, /* the first is named */
    {OPEN "100000", 16},       /* it may be what makes up for the missing service */
    {PING "800000", 0},
    {PING "800003aabbccff0000", 0},
    {OPEN SSH "c10001aa", 0},
    {PING "800000800000", -E_FORMAT},
    {PING "0e00000e0000", -E_FORMAT},
    {PING "0e0000800000", 14},
    {OPEN SSH "0e000006000400000001", -E_FORMAT}, /* malformed goes before unknown */
    {OPEN SSH "060001010e0000", -E_FORMAT},
    /* ends */
    {PING "80", -E_SHORT},
    {PING "8000", -E_SHORT},
    {PING "800001", -E_SHORT},
    {PING "80ffff00", -E_SHORT},
    {PING "00", -E_SHORT},
    {OPEN SSH "00", -E_SHORT},
    {OPEN "0100047373", -E_SHORT},
};

/* Type 0 cannot be written as a positive number above; 0x100 stands for it. */
static int want_unknown(int want)
{
	return want & 0xff;
}

static void holds_to_every_rule(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(rules); i++) {
		struct request q;
		uint8_t unknown = 0xee;
		int want = rules[i].want > 0 ? -E_UNKNOWN : rules[i].want;
		int got = decode(rules[i].hex, &q, &unknown);
		if (got != want)
			fail_msg("%s: %d, not %d", rules[i].hex, got, want);
		assert_int_equal(unknown, rules[i].want > 0 ? want_unknown(rules[i].want) : 0);
		/* Whatever else is wrong, a head that is there can be answered. */
		if (strlen(rules[i].hex) >= 24)
			assert_true(q.attempt == UINT64_C(0x1122334455667788));
	}
}

static void fills_flags_even_when_it_fails(void **state)
{
	(void)state;
	struct request q;
	uint8_t unknown;

	assert_int_equal(decode("63ff8005" ATTEMPT, &q, &unknown), -E_VERSION);
	assert_int_equal(q.flags, 0x8005);
	assert_int_equal(decode("01ff0005" ATTEMPT, &q, &unknown), -E_FORMAT);
	assert_int_equal(q.flags, 5);
	assert_int_equal(decode("0104000511223344556677", &q, &unknown), -E_SHORT);
	assert_true(q.attempt == 0);
}

static void bounds_the_whole(void **state)
{
	(void)state;
	uint8_t bytes[REQUEST_MAX + 1] = {1, VERB_PING, 0, 1};
	struct request q;
	uint8_t unknown;
	uint16_t fill = REQUEST_MAX - 12 - 3;

	bytes[12] = 0x80;
	bytes[13] = (uint8_t)(fill >> 8);
	bytes[14] = (uint8_t)(fill & 0xff);
	assert_int_equal(request_decode(&q, bytes, REQUEST_MAX, &unknown), 0);
	fill++;
	bytes[13] = (uint8_t)(fill >> 8);
	bytes[14] = (uint8_t)(fill & 0xff);
	assert_int_equal(request_decode(&q, bytes, REQUEST_MAX + 1, &unknown), -E_FORMAT);
}

/* An open that has all that an open may have. */
static struct request full_open(void)
{
	struct request q = {
	    .verb = VERB_OPEN,
	    .flags = REQUEST_CHALLENGE | REQUEST_STRICT,
	    .attempt = UINT64_C(0x1122334455667788),
	    .services = 2,
	    .service = {"ssh", "web_2-x"},
	    .admits = 2,
	    .has_own_address = true,
	    .has_source_port = true,
	    .source_port = 49152,
	    .has_hold = true,
	    .hold_s = 60,
	    .has_idle = true,
	    .idle_s = 16,
	    .single_use = true,
	    .code = "123456",
	    .pin = {'1', '2', '3', '4', 0},
	    .pin_len = 5,
	    .has_reply_key = true,
	};

	assert_int_equal(prefix_parse("10.88.0.0/24", &q.admit[0]), 0);
	assert_int_equal(prefix_parse("fd88::2", &q.admit[1]), 0);
	assert_int_equal(address_parse("10.88.0.2", &q.own_address), 0);
	count_up(q.reply_key, KEY_BYTES, 0);
	return q;
}

static const char full_open_hex[] = "01010006" ATTEMPT "010003737368"
				    "0100077765625f322d78"
				    "030005180a580000"
				    "03001180fd880000000000000000000000000002"
				    "0400040a580002"
				    "050002c000"
				    "0600040000003c"
				    "07000400000010"
				    "080000"
				    "090006313233343536"
				    "0a00053132333400"
				    "0f0020" KEY_32;

static void expect_encoding(const struct request *q, const char *hex)
{
	uint8_t want[REQUEST_MAX];
	uint8_t got[REQUEST_MAX];
	struct request again;
	uint8_t unknown;
	size_t len = unhex(want, sizeof(want), hex);

	assert_int_equal(request_encode(q, got, sizeof(got)), len);
	assert_memory_equal(got, want, len);
	assert_int_equal(request_decode(&again, got, len, &unknown), 0);
	/* What was read says the same again: nothing was lost. */
	assert_int_equal(request_encode(&again, got, sizeof(got)), len);
	assert_memory_equal(got, want, len);
	for (size_t cap = 0; cap < len; cap++)
		assert_int_equal(request_encode(q, got, cap), -E_SHORT);
}

static void goes_and_comes(void **state)
{
	(void)state;
	struct request q = full_open();

	expect_encoding(&q, full_open_hex);
	q = (struct request){.verb = VERB_PING, .flags = REQUEST_REPLY};
	expect_encoding(&q, "010400010000000000000000");
	q = (struct request){.verb = VERB_LIST};
	expect_encoding(&q, "010500000000000000000000");
	q = (struct request){.verb = VERB_CLOSE, .has_session = true, .session = UINT64_MAX};
	expect_encoding(&q, "010200000000000000000000"
			    "0d0008ffffffffffffffff");
	q = (struct request){
	    .verb = VERB_RUN, .command = "reboot", .arguments = 2, .argument = {"now", ""}};
	expect_encoding(&q, "010300000000000000000000"
			    "0b00067265626f6f74"
			    "0c00036e6f77"
			    "0c0000");
	q = (struct request){.verb = VERB_OPEN, .ports = 2, .port = {{6, 22}, {17, 65535}}};
	expect_encoding(&q, "010100000000000000000000"
			    "020003060016"
			    "02000311ffff");
}

/* Every beginning of a full request is refused, and none reads beyond it (the sanitizer looks on). */
static void refuses_every_truncation(void **state)
{
	(void)state;
	uint8_t bytes[REQUEST_MAX];
	size_t len = unhex(bytes, sizeof(bytes), full_open_hex);

	for (size_t cut = 0; cut < len; cut++) {
		struct request q;
		uint8_t unknown;
		uint8_t exact[REQUEST_MAX];
		memcpy(exact, bytes, cut);
		int got = request_decode(&q, exact, cut, &unknown);
		/* Cut between two fields, the rest may be a whole request. */
		if (got == 0) {
			uint8_t again[REQUEST_MAX];
			assert_int_equal(request_encode(&q, again, sizeof(again)), cut);
			assert_memory_equal(again, exact, cut);
		} else {
			assert_true(got == -E_SHORT || got == -E_FORMAT);
		}
	}
}

static void expect_unsendable(struct request q)
{
	uint8_t out[REQUEST_MAX * 2];

	assert_int_equal(request_encode(&q, out, sizeof(out)), -E_FORMAT);
}

static void sends_nothing_that_would_be_refused(void **state)
{
	(void)state;
	struct request q = {.verb = VERB_OPEN};

	expect_unsendable(q);
	expect_unsendable((struct request){.verb = (enum verb)0});
	expect_unsendable((struct request){.verb = (enum verb)6});
	expect_unsendable((struct request){.verb = VERB_PING, .flags = 8});
	expect_unsendable((struct request){.verb = VERB_PING, .services = 1, .service = {"ssh"}});
	expect_unsendable((struct request){.verb = VERB_OPEN, .services = 1, .service = {"SSH"}});
	expect_unsendable((struct request){.verb = VERB_OPEN, .services = SERVICES_MAX + 1});
	expect_unsendable((struct request){.verb = VERB_OPEN, .ports = 255});
	q = full_open();
	q.admits = ADMITS_MAX + 1;
	expect_unsendable(q);
	q = full_open();
	q.admit[1] = q.admit[0];
	expect_unsendable(q);
	q = full_open();
	q.admit[0].len = 8; /* host bits */
	expect_unsendable(q);
	q = full_open();
	memset(q.service[0], 'a', sizeof(q.service[0])); /* no end */
	expect_unsendable(q);
	q = full_open();
	memset(q.code, '1', sizeof(q.code));
	expect_unsendable(q);
	q = full_open();
	q.pin_len = 3;
	expect_unsendable(q);
	q = full_open();
	q.has_session = true;
	expect_unsendable(q);
	q = (struct request){.verb = VERB_RUN, .command = "x", .arguments = ARGUMENTS_MAX + 1};
	expect_unsendable(q);
}

/* 8 arguments of 128 bytes and the rest are more than a request may have. */
static void sends_nothing_too_long(void **state)
{
	(void)state;
	struct request q = {.verb = VERB_RUN, .command = "x", .arguments = ARGUMENTS_MAX};

	for (size_t i = 0; i < ARGUMENTS_MAX; i++)
		memset(q.argument[i], 'a', ARGUMENT_MAX);
	expect_unsendable(q);
	q.arguments = 7;
	uint8_t out[REQUEST_MAX];
	assert_int_equal(request_encode(&q, out, sizeof(out)), 12 + 4 + 7 * 131);
}

static void keeps_code_and_pin_for_the_answer(void **state)
{
	(void)state;
	uint8_t out[REQUEST_MAX];
	struct request q = {.verb = VERB_OPEN, .services = 1, .service = {"ssh"}, .code = "123456"};

	assert_true(request_encode(&q, out, sizeof(out)) > 0);
	q.flags = REQUEST_REPLY | REQUEST_CHALLENGE;
	expect_unsendable(q);
	q.code[0] = '\0';
	assert_true(request_encode(&q, out, sizeof(out)) > 0);
	q.pin_len = PIN_MIN;
	expect_unsendable(q);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(holds_to_every_rule),
	    cmocka_unit_test(fills_flags_even_when_it_fails),
	    cmocka_unit_test(bounds_the_whole),
	    cmocka_unit_test(goes_and_comes),
	    cmocka_unit_test(refuses_every_truncation),
	    cmocka_unit_test(sends_nothing_that_would_be_refused),
	    cmocka_unit_test(sends_nothing_too_long),
	    cmocka_unit_test(keeps_code_and_pin_for_the_answer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
