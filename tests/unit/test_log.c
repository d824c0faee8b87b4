#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "log.h"
#include "report.h"

enum { ROOM = 4096 };

/* What was said on stderr while do_it ran. */
static const char *said(void (*do_it)(void))
{
	static char text[ROOM];
	int p[2];
	int saved;
	ssize_t n;

	assert_int_equal(pipe2(p, O_NONBLOCK), 0);
	saved = dup(STDERR_FILENO);
	assert_true(dup2(p[1], STDERR_FILENO) >= 0);
	do_it();
	assert_true(dup2(saved, STDERR_FILENO) >= 0);
	n = read(p[0], text, sizeof(text) - 1);
	text[n > 0 ? n : 0] = '\0';
	(void)close(p[0]);
	(void)close(p[1]);
	(void)close(saved);
	return text;
}

static void say_three(void)
{
	log_start(LOG_TO_STDERR, LOG_LEVEL_INFO, "auth", -1);
	log_info("granted", "client=%s hold_s=%u", "alice", 60U);
	log_debug("detail", "not=shown");
	log_error("store", "%s", "disk=full");
	log_set_level(LOG_LEVEL_ERROR);
	log_warning("quiet", "not=shown");
}

static void test_line_is_tag_event_values(void **state)
{
	(void)state;
	assert_string_equal(said(say_three), "auth: granted client=alice hold_s=60\n"
					     "auth: error: store disk=full\n");
}

static void say_reports(void)
{
	log_start(LOG_TO_STDERR, LOG_LEVEL_INFO, "monitor", -1);
	report_log("clients:3: warning: expired");
	report_log("posternd.conf:14: hold: 0 is below the minimum 1");
}

static void test_report_is_marked_once(void **state)
{
	(void)state;
	assert_string_equal(said(say_reports),
	    "monitor: warning: config clients:3: expired\n"
	    "monitor: error: config posternd.conf:14: hold: 0 is below the minimum 1\n");
}

static void say_long(void)
{
	char longer[2 * LOG_LINE_MAX];

	memset(longer, 'x', sizeof(longer));
	longer[sizeof(longer) - 1] = '\0';
	log_start(LOG_TO_STDERR, LOG_LEVEL_INFO, "", -1);
	log_info("long", "%s", longer);
}

static void test_long_line_is_cut_and_marked(void **state)
{
	const char *text = said(say_long);

	(void)state;
	assert_int_equal(strlen(text), LOG_LINE_MAX);
	assert_string_equal(text + strlen(text) - 4, "...\n");
	assert_memory_equal(text, "long xxx", 8);
}

static void test_quote_escapes_all_but_plain(void **state)
{
	char out[LOG_QUOTE_MAX];

	(void)state;
	assert_string_equal(log_quote(out, "plain text~", 11), "\"plain text~\"");
	assert_string_equal(
	    log_quote(out, "a\nb\x1b[0m\"\\\xff\0", 11), "\"a\\x0ab\\x1b[0m\\x22\\x5c\\xff\\x00\"");
	assert_string_equal(log_quote(out, "", 0), "\"\"");
}

static void test_quote_fits_whatever_comes(void **state)
{
	uint8_t in[2 * LOG_QUOTE_MAX];
	char out[LOG_QUOTE_MAX];
	size_t plain, len;

	(void)state;
	for (plain = 0; plain < 8; plain++) {
		memset(in, 1, sizeof(in));
		memset(in, 'x', plain);
		for (len = 0; len < sizeof(in); len++) {
			size_t n = strlen(log_quote(out, in, len));
			size_t whole = 2 + (len < plain ? len : plain + 4 * (len - plain));

			assert_true(n < sizeof(out));
			if (n == whole)
				assert_string_equal(out + n - 1, "\"");
			else
				assert_string_equal(out + n - 4, "\"...");
		}
	}
}

static void test_record_for_the_monitor(void **state)
{
	uint8_t record[LOG_LINE_MAX + 1];
	static const char want[] = "\002granted client=bob";
	int p[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, p), 0);
	log_start(LOG_TO_FD, LOG_LEVEL_INFO, "auth", p[0]);
	log_info("granted", "client=%s", "bob");
	assert_int_equal(recv(p[1], record, sizeof(record), 0), sizeof(want) - 1);
	assert_memory_equal(record, want, sizeof(want) - 1);
	(void)close(p[0]);
	(void)close(p[1]);
}

static void test_full_socket_counts_and_tells(void **state)
{
	char record[LOG_LINE_MAX + 1];
	int p[2];
	unsigned sent = 400000; /* far more than fit */
	unsigned got = 0;
	unsigned lost = 0;
	unsigned i;
	ssize_t n;

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, p), 0);
	log_start(LOG_TO_FD, LOG_LEVEL_INFO, "auth", p[0]);
	for (i = 0; i < sent && got == 0; i++)
		log_info("many", "i=%u", i);
	while (recv(p[1], record, sizeof(record), 0) > 0)
		got++;
	assert_true(got < sent);
	log_info("after", "x=1");
	n = recv(p[1], record, sizeof(record) - 1, 0);
	assert_true(n > 0);
	record[n] = '\0';
	assert_int_equal(sscanf(record + 1, "log_lost lines=%u", &lost), 1);
	assert_int_equal(lost + got, sent);
	n = recv(p[1], record, sizeof(record) - 1, 0);
	assert_true(n > 0);
	record[n] = '\0';
	assert_string_equal(record + 1, "after x=1");
	(void)close(p[0]);
	(void)close(p[1]);
}

static void relay_hostile(void)
{
	log_start(LOG_TO_STDERR, LOG_LEVEL_INFO, "monitor", -1);
	log_relay((const uint8_t *)"\002granted a=\"b\"", 14, "auth");
	log_relay((const uint8_t *)"\002x\nmonitor: forged\x1b", 19, "capture eth0");
	log_relay((const uint8_t *)"\377what", 5, "auth");
	log_relay((const uint8_t *)"\003debug", 6, "auth");
	log_relay((const uint8_t *)"", 0, "auth");
}

static void test_relay_escapes(void **state)
{
	(void)state;
	assert_string_equal(said(relay_hostile), "auth: granted a=\"b\"\n"
						 "capture eth0: x\\x0amonitor: forged\\x1b\n"
						 "auth: warning: what\n");
}

static void relay_long(void)
{
	uint8_t record[4 * LOG_LINE_MAX];

	memset(record, 1, sizeof(record));
	log_start(LOG_TO_STDERR, LOG_LEVEL_INFO, "monitor", -1);
	log_relay(record, sizeof(record), "t");
}

static void test_relay_is_bounded(void **state)
{
	const char *text = said(relay_long);

	(void)state;
	assert_memory_equal(text, "t: warning: \\x01\\x01", 20);
	assert_true(strlen(text) < LOG_LINE_MAX + 16);
}

static void test_errno_is_kept(void **state)
{
	(void)state;
	log_start(LOG_TO_FD, LOG_LEVEL_INFO, "x", -1); /* the write fails */
	errno = ENOENT;
	log_info("event", "a=1");
	assert_int_equal(errno, ENOENT);
}

static void test_limit(void **state)
{
	struct log_limit l = {.burst = 2, .period_ms = 1000};
	uint64_t missed = 99;

	(void)state;
	assert_true(log_allowed(&l, 5000, &missed));
	assert_int_equal(missed, 0);
	assert_true(log_allowed(&l, 5001, &missed));
	assert_false(log_allowed(&l, 5002, &missed));
	assert_false(log_allowed(&l, 5999, &missed));
	assert_int_equal(missed, 0);
	assert_true(log_allowed(&l, 6000, &missed));
	assert_int_equal(missed, 2);
	assert_true(log_allowed(&l, 6001, &missed));
	assert_int_equal(missed, 0);
	assert_false(log_allowed(&l, 6002, &missed));
	assert_true(log_allowed(&l, 99000, &missed));
	assert_int_equal(missed, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_line_is_tag_event_values),
	    cmocka_unit_test(test_report_is_marked_once),
	    cmocka_unit_test(test_long_line_is_cut_and_marked),
	    cmocka_unit_test(test_quote_escapes_all_but_plain),
	    cmocka_unit_test(test_quote_fits_whatever_comes),
	    cmocka_unit_test(test_record_for_the_monitor),
	    cmocka_unit_test(test_full_socket_counts_and_tells),
	    cmocka_unit_test(test_relay_escapes),
	    cmocka_unit_test(test_relay_is_bounded),
	    cmocka_unit_test(test_errno_is_kept),
	    cmocka_unit_test(test_limit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
