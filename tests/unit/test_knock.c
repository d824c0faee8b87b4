#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "fakenet.h"
#include "postern.h"
#include "secret.h"

#define BOTH "server = 127.0.0.1\nserver = ::1\n"

struct lab {
	struct fakenet net;
	struct postern *lib;
	struct postern_profile *profile;
	struct postern_knock *knock;
};

static int set_up(void **state)
{
	struct lab *l = calloc(1, sizeof(*l));

	*state = l;
	if (!l)
		return -1;
	fakenet_start(&l->net);
	l->lib = postern_new();
	return l->lib ? 0 : -1;
}

static int tear_down(void **state)
{
	struct lab *l = *state;

	postern_knock_free(l->knock);
	postern_profile_free(l->profile);
	postern_free(l->lib);
	fakenet_stop(&l->net);
	free(l);
	return 0;
}

static void good(const struct lab *l, int status)
{
	if (status != POSTERN_OK)
		fail_msg("status %d: %s", status, postern_error(l->lib));
}

static void load(struct lab *l)
{
	postern_profile_free(l->profile);
	good(l, postern_profile_load(l->lib, "alice", &l->profile));
}

static void make(struct lab *l, enum postern_verb verb)
{
	postern_knock_free(l->knock);
	good(l, postern_knock_new(l->lib, l->profile, verb, &l->knock));
}

static void make_open(struct lab *l, const char *servers)
{
	fakenet_profile(&l->net, servers);
	load(l);
	make(l, POSTERN_OPEN);
	good(l, postern_knock_service(l->knock, "ssh"));
}

static void opens_for_both_families(void **state)
{
	struct lab *l = *state;

	make_open(l, BOTH);
	good(l, postern_knock_run(l->knock));
	assert_int_equal(postern_knock_answers(l->knock), 2);
	const struct postern_answer *v4 = postern_knock_answer(l->knock, 0);
	const struct postern_answer *v6 = postern_knock_answer(l->knock, 1);
	assert_null(postern_knock_answer(l->knock, 2));
	assert_int_equal(v4->family, AF_INET);
	assert_int_equal(v6->family, AF_INET6);
	assert_true(v4->answered && v6->answered);
	assert_int_equal(v4->status, POSTERN_OK);
	assert_int_equal(v4->verdict, POSTERN_VERDICT_OK);
	assert_string_equal(v4->server, "127.0.0.1");
	assert_string_equal(v4->local, "127.0.0.1");
	assert_string_equal(v4->seen, "127.0.0.1");
	assert_string_equal(v6->seen, "::1");
	assert_int_equal(v4->doors, 1);
	assert_string_equal(v4->door[0].service, "ssh");
	assert_int_equal(v4->door[0].port, 22);
	assert_int_equal(v4->door[0].seconds, 60);
	assert_true(v4->door[0].session == 0xabcdef12);
	assert_int_equal(l->net.server->acted, 2);
	assert_string_equal(postern_error(l->lib), "");
}

static void says_what_is_asked_for(void **state)
{
	struct lab *l = *state;
	const struct request *q = &l->net.server->last;
	struct address own = address_v4((const uint8_t[]){127, 0, 0, 1});

	make_open(l, "server = 127.0.0.1\n");
	good(l, postern_knock_set(l->knock, POSTERN_HOLD_S, 300));
	good(l, postern_knock_admit(l->knock, "198.51.100.0/24"));
	good(l, postern_knock_admit(l->knock, "2001:db8::5"));
	good(l, postern_knock_set(l->knock, POSTERN_STRICT, 1));
	good(l, postern_knock_run(l->knock));
	assert_int_equal(q->verb, VERB_OPEN);
	assert_int_equal(q->flags, REQUEST_REPLY | REQUEST_STRICT);
	assert_string_equal(q->service[0], "ssh");
	assert_int_equal(q->hold_s, 300);
	assert_int_equal(q->admits, 2);
	assert_int_equal(q->admit[0].len, 24);
	assert_true(q->has_own_address);
	assert_true(address_equal(&q->own_address, &own));
}

static void refuses_what_cannot_be_asked(void **state)
{
	struct lab *l = *state;
	struct postern_knock *none = NULL;

	make_open(l, BOTH);
	assert_int_equal(postern_knock_service(l->knock, "No Such"), POSTERN_BAD_ARGUMENT);
	assert_int_equal(postern_knock_port(l->knock, 6, 22), POSTERN_BAD_ARGUMENT);
	assert_int_equal(postern_knock_session(l->knock, 1), POSTERN_BAD_ARGUMENT);
	assert_int_equal(postern_knock_admit(l->knock, "127.0.0.1"), POSTERN_BAD_ARGUMENT);
	assert_int_equal(postern_knock_admit(l->knock, "10.0.0.1/8"), POSTERN_BAD_ARGUMENT);
	assert_int_equal(postern_knock_admit(l->knock, "\x1b[2J"), POSTERN_BAD_ARGUMENT);
	assert_non_null(strstr(postern_error(l->lib), "'\\x1b[2J': is not an address"));
	good(l, postern_knock_admit(l->knock, "192.0.2.1"));
	assert_int_equal(postern_knock_admit(l->knock, "192.0.2.2"), POSTERN_BAD_ARGUMENT);
	assert_int_equal(postern_knock_set(l->knock, POSTERN_RETRIES, 16), POSTERN_BAD_ARGUMENT);
	assert_int_equal(postern_knock_set(l->knock, POSTERN_FAMILY, 77), POSTERN_BAD_ARGUMENT);
	assert_int_equal(postern_knock_new(l->lib, l->profile, (enum postern_verb)6, &none),
	    POSTERN_BAD_ARGUMENT);
	for (char name[] = "a"; name[0] < 'h'; name[0]++)
		good(l, postern_knock_service(l->knock, name));
	good(l, postern_knock_service(l->knock, "ssh")); /* once is enough */
	assert_int_equal(postern_knock_service(l->knock, "h"), POSTERN_BAD_ARGUMENT);
	make(l, POSTERN_OPEN);
	assert_int_equal(postern_knock_run(l->knock), POSTERN_BAD_ARGUMENT);
	make(l, POSTERN_PING);
	assert_int_equal(postern_knock_service(l->knock, "ssh"), POSTERN_BAD_ARGUMENT);
	assert_int_equal(postern_knock_set(l->knock, POSTERN_STRICT, 1), POSTERN_BAD_ARGUMENT);
	assert_int_equal(postern_knock_set(l->knock, POSTERN_HOLD_S, 1), POSTERN_BAD_ARGUMENT);
	assert_int_equal(l->net.server->packets, 0);
}

static void one_family_when_told(void **state)
{
	struct lab *l = *state;

	make_open(l, BOTH);
	good(l, postern_knock_set(l->knock, POSTERN_FAMILY, AF_INET6));
	good(l, postern_knock_run(l->knock));
	assert_int_equal(postern_knock_answers(l->knock), 1);
	assert_int_equal(postern_knock_answer(l->knock, 0)->family, AF_INET6);
	make_open(l, "server = 127.0.0.1\n");
	good(l, postern_knock_set(l->knock, POSTERN_FAMILY, AF_INET6));
	assert_int_equal(postern_knock_run(l->knock), POSTERN_SYSTEM);
	assert_non_null(strstr(postern_error(l->lib), "127.0.0.1: has no address of IPv6"));
}

static void a_denial_is_told_with_the_servers_words(void **state)
{
	struct lab *l = *state;

	l->net.server->verdict = VERDICT_DENIED;
	(void)snprintf(l->net.server->reason, sizeof(l->net.server->reason), "ask Bob");
	make_open(l, "server = 127.0.0.1\n");
	assert_int_equal(postern_knock_run(l->knock), POSTERN_DENIED);
	assert_string_equal(postern_knock_answer(l->knock, 0)->reason, "ask Bob");
	assert_string_equal(postern_error(l->lib), "alice: 127.0.0.1 refuses: ask for it as it "
						   "says, or ask its administrator (it says: ask "
						   "Bob)");
}

static void a_name_that_the_profile_has_not_is_noted_when_it_is_refused(void **state)
{
	struct lab *l = *state;

	l->net.server->verdict = VERDICT_DENIED;
	make_open(l, BOTH);
	assert_int_equal(postern_knock_run(l->knock), POSTERN_DENIED);
	assert_string_equal(postern_note(l->lib), "");
	make_open(l, BOTH);
	good(l, postern_knock_service(l->knock, "shs"));
	assert_int_equal(postern_knock_run(l->knock), POSTERN_DENIED);
	assert_string_equal(postern_note(l->lib),
	    "alice: 'shs' is none of the services that this profile lists: 'postern profiles' "
	    "shows those");
}

static void silence_is_told(void **state)
{
	struct lab *l = *state;

	l->net.server->mute = true;
	make_open(l, "server = 127.0.0.1\n");
	good(l, postern_knock_set(l->knock, POSTERN_RETRIES, 0));
	assert_int_equal(postern_knock_run(l->knock), POSTERN_NO_ANSWER);
	assert_non_null(
	    strstr(postern_error(l->lib), "alice: no answer from 127.0.0.1 (udp port "));
	assert_false(postern_knock_answer(l->knock, 0)->answered);
}

/* Without an answer such doors are tried as may be, and of those alone it is told that they stay closed. */
static void of_several_doors_the_one_is_told_that_was_tried(void **state)
{
	static const struct {
		const char *service[2], *told;
	} asked[] = {
	    {{"web", "ssh"}, "127.0.0.1 port 22 stays closed to this host"},
	    {{"db", "ssh"}, "127.0.0.1 port 22 stays closed to this host"},
	    {{"web", "db"}, "only that tells which port is open"},
	};
	struct lab *l = *state;

	l->net.server->mute = true;
	for (size_t i = 0; i < sizeof(asked) / sizeof(asked[0]); i++) {
		fakenet_profile(&l->net,
		    "server = 127.0.0.1\nservice = web tcp 80 trap\nservice = db tcp random\n");
		load(l);
		good(l, postern_profile_set(l->profile, "confirm", "none"));
		make(l, POSTERN_OPEN);
		good(l, postern_knock_service(l->knock, asked[i].service[0]));
		good(l, postern_knock_service(l->knock, asked[i].service[1]));
		good(l, postern_knock_set(l->knock, POSTERN_RETRIES, 0));
		assert_int_equal(postern_knock_run(l->knock), POSTERN_NO_ANSWER);
		assert_non_null(strstr(postern_error(l->lib), asked[i].told));
	}
}

static void of_a_close_without_an_answer_no_door_is_told(void **state)
{
	struct lab *l = *state;

	l->net.server->mute = true;
	fakenet_profile(&l->net, "server = 127.0.0.1\n");
	load(l);
	good(l, postern_profile_set(l->profile, "confirm", "none"));
	make(l, POSTERN_CLOSE);
	good(l, postern_knock_service(l->knock, "ssh"));
	good(l, postern_knock_set(l->knock, POSTERN_RETRIES, 0));
	assert_int_equal(postern_knock_run(l->knock), POSTERN_NO_ANSWER);
	assert_true(postern_knock_answer(l->knock, 0)->unconfirmed);
	assert_non_null(strstr(postern_error(l->lib), "if you want to know what came of it"));
}

/* 127.0.0.2 has no socket: the kernel answers with ICMP, at once, each time. */
static void a_closed_port_is_silence_and_the_next_address_is_tried(void **state)
{
	struct lab *l = *state;

	make_open(l, "server = 127.0.0.2\nserver = 127.0.0.1\n");
	good(l, postern_knock_run(l->knock));
	const struct postern_answer *a = postern_knock_answer(l->knock, 0);
	assert_string_equal(a->server, "127.0.0.1");
	assert_int_equal(a->sent, 3);
	assert_int_equal(postern_knock_answers(l->knock), 1);
}

/* No route: not even the wait of a retry is spent on it. */
static void an_address_out_of_reach_is_left_at_once(void **state)
{
	struct lab *l = *state;

	make_open(l, "server = 192.0.2.1\nserver = 127.0.0.1\n");
	good(l, postern_knock_run(l->knock));
	assert_string_equal(postern_knock_answer(l->knock, 0)->server, "127.0.0.1");
	assert_int_equal(postern_knock_answer(l->knock, 0)->sent, 1);
	make_open(l, "server = 192.0.2.1\n");
	assert_int_equal(postern_knock_run(l->knock), POSTERN_SYSTEM);
	assert_non_null(strstr(postern_error(l->lib), "alice: cannot knock at 192.0.2.1 by udp: "));
}

static void noise_is_passed_over(void **state)
{
	struct lab *l = *state;

	l->net.server->junk = true;
	make_open(l, BOTH);
	good(l, postern_knock_run(l->knock));
	assert_int_equal(postern_knock_answer(l->knock, 0)->sent, 1);
}

static void a_challenge_is_met(void **state)
{
	struct lab *l = *state;

	make_open(l, BOTH);
	good(l, postern_knock_set(l->knock, POSTERN_CHALLENGE, 1));
	good(l, postern_knock_run(l->knock));
	for (size_t i = 0; i < 2; i++) {
		assert_true(postern_knock_answer(l->knock, i)->challenged);
		assert_int_equal(postern_knock_answer(l->knock, i)->status, POSTERN_OK);
	}
	assert_int_equal(l->net.server->challenged, 2);
}

static void a_wrong_clock_is_learnt_once_for_all(void **state)
{
	struct lab *l = *state;
	const int64_t hour = 3600000000000;

	l->net.server->ahead_ns = hour;
	make_open(l, "server = 127.0.0.1\n");
	good(l, postern_knock_run(l->knock));
	assert_true(postern_knock_answer(l->knock, 0)->challenged);
	assert_in_range(
	    postern_knock_answer(l->knock, 0)->clock_ahead_ns - hour + 1000000000, 0, 2000000000);
	load(l); /* as the next program would */
	make(l, POSTERN_PING);
	good(l, postern_knock_run(l->knock));
	assert_false(postern_knock_answer(l->knock, 0)->challenged);
	assert_int_equal(l->net.server->challenged, 1);
}

static void strict_stops_at_a_stranger(void **state)
{
	struct lab *l = *state;

	l->net.server->wrong_address = true;
	make_open(l, "server = 127.0.0.1\n");
	good(l, postern_knock_set(l->knock, POSTERN_STRICT, 1));
	good(l, postern_knock_set(l->knock, POSTERN_CHALLENGE, 1));
	assert_int_equal(postern_knock_run(l->knock), POSTERN_DENIED);
	assert_non_null(
	    strstr(postern_error(l->lib), "sees 203.0.113.9, but this is sent from 127.0.0.1"));
	assert_int_equal(l->net.server->acted, 0);
}

static void read_profile(const struct lab *l, char out[static FAKE_PROFILE_MAX])
{
	char path[128];

	(void)snprintf(path, sizeof(path), "%s/alice", l->net.profiles);
	int fd = open(path, O_RDONLY);
	assert_true(fd >= 0);
	ssize_t len = read(fd, out, FAKE_PROFILE_MAX - 1);
	assert_true(len > 0);
	out[len] = '\0';
	(void)close(fd);
}

/* The client hears of it by its next knock, and forgets the old one after the one after. */
static void a_new_door_key_is_handed_over(void **state)
{
	struct lab *l = *state;
	struct fake_server *f = l->net.server;
	char text[FAKE_PROFILE_MAX], key[BASE64_32], line[80];
	struct stat st;
	char path[128];

	make_open(l, BOTH);
	memcpy(f->door_key[1], f->door_key[0], KEY_BYTES);
	secret_random(f->door_key[0], KEY_BYTES);
	f->has_previous = true;
	base64_encode(key, sizeof(key), f->door_key[0], KEY_BYTES);
	(void)snprintf(line, sizeof(line), "\ndoor-key = %s\nformer-door-key = ", key);
	good(l, postern_knock_run(l->knock));
	assert_string_equal(
	    postern_note(l->lib), "alice: the server has a new door key; it is in the profile now");
	read_profile(l, text);
	assert_non_null(strstr(text, line));
	assert_non_null(strstr(text, "# made by a test"));
	(void)snprintf(path, sizeof(path), "%s/alice", l->net.profiles);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);

	f->has_previous = false; /* from now on only the new one will do */
	load(l);
	make(l, POSTERN_PING);
	good(l, postern_knock_run(l->knock));
	assert_int_equal(f->opened_with[1], 2);
	read_profile(l, text);
	assert_null(strstr(text, "former-door-key"));
	assert_non_null(strstr(text, key));
	load(l);
}

static void the_former_door_key_saves_a_client(void **state)
{
	struct lab *l = *state;
	struct fake_server *f = l->net.server;
	char text[FAKE_PROFILE_MAX], key[BASE64_32];
	uint8_t old[KEY_BYTES];

	make_open(l, "server = 127.0.0.1\n");
	memcpy(old, f->door_key[0], KEY_BYTES);
	memcpy(f->door_key[1], old, KEY_BYTES);
	secret_random(f->door_key[0], KEY_BYTES);
	f->has_previous = true;
	good(l, postern_knock_run(l->knock));
	/* The server was put back from its backup: the new key never was. */
	memcpy(f->door_key[0], old, KEY_BYTES);
	f->has_previous = false;
	load(l);
	make(l, POSTERN_PING);
	good(l, postern_knock_run(l->knock));
	assert_int_equal(postern_knock_answer(l->knock, 0)->sent, 3);
	base64_encode(key, sizeof(key), old, KEY_BYTES);
	read_profile(l, text);
	assert_null(strstr(text, "former-door-key"));
	assert_non_null(strstr(text, key));
}

static void runs_in_steps(void **state)
{
	struct lab *l = *state;
	struct pollfd fds[POSTERN_POLL_MAX];
	int timeout_ms = -1, status;

	make_open(l, BOTH);
	good(l, postern_knock_start(l->knock));
	assert_int_equal(postern_knock_answers(l->knock), 0);
	assert_int_equal(postern_knock_poll(l->knock, fds, POSTERN_POLL_MAX, &timeout_ms), 2);
	assert_int_equal(timeout_ms, 0);
	while ((status = postern_knock_step(l->knock)) == POSTERN_AGAIN) {
		size_t n = postern_knock_poll(l->knock, fds, POSTERN_POLL_MAX, &timeout_ms);
		assert_in_range(n, 1, 2);
		assert_in_range(timeout_ms, 0, 450);
		assert_true(poll(fds, n, timeout_ms) >= 0);
	}
	good(l, status);
	assert_int_equal(postern_knock_step(l->knock), POSTERN_OK);
	assert_int_equal(postern_knock_answers(l->knock), 2);
	assert_int_equal(postern_knock_poll(l->knock, fds, POSTERN_POLL_MAX, &timeout_ms), 0);
}

static void a_damaged_state_is_told(void **state)
{
	struct lab *l = *state;
	char path[128];

	make_open(l, "server = 127.0.0.1\n");
	good(l, postern_knock_run(l->knock));
	fakenet_write(&l->net, "state/postern/alice.state", "rubbish", 0600, path);
	make(l, POSTERN_PING);
	good(l, postern_knock_run(l->knock));
	assert_non_null(strstr(postern_note(l->lib), "alice.state was damaged and is begun anew"));
}

static void without_state_nothing_is_sent(void **state)
{
	struct lab *l = *state;
	char path[128];

	fakenet_write(&l->net, "state", "a file where a folder should be", 0600, path);
	make_open(l, BOTH);
	assert_int_equal(postern_knock_run(l->knock), POSTERN_SYSTEM);
	assert_non_null(strstr(postern_error(l->lib), "without it no knock may be sent"));
	assert_int_equal(l->net.server->packets, 0);
}

static void profiles_are_found_by_host(void **state)
{
	struct lab *l = *state;
	char path[128], text[FAKE_PROFILE_MAX];

	fakenet_profile(&l->net, "server = Host.Example\nserver = ::1\n");
	good(l, postern_profile_find(l->lib, "hOST.eXAMPLE", 22, &l->profile));
	assert_string_equal(postern_profile_name(l->profile), "alice");
	assert_int_equal(postern_profile_port(l->profile), l->net.port);
	assert_string_equal(postern_profile_server(l->profile, 1), "::1");
	assert_null(postern_profile_server(l->profile, 2));
	postern_profile_free(l->profile);
	assert_int_equal(
	    postern_profile_find(l->lib, "other.example", 22, &l->profile), POSTERN_BAD_PROFILE);
	assert_non_null(strstr(postern_error(l->lib), "no profile in "));
	fake_server_profile(l->net.server, "server = host.example\n", 5, text);
	fakenet_write(&l->net, "config/postern/profiles/bob", text, 0600, path);
	assert_int_equal(
	    postern_profile_find(l->lib, "host.example", 22, &l->profile), POSTERN_BAD_PROFILE);
	assert_non_null(strstr(postern_error(l->lib), "2 profiles are for host.example"));
	/* Of the two, the one that has the service; or the one that can be read at all. */
	memcpy(strstr(text, "ssh tcp 22"), "ssh tcp 23", 10);
	fakenet_write(&l->net, "config/postern/profiles/bob", text, 0600, path);
	good(l, postern_profile_find(l->lib, "host.example", 23, &l->profile));
	assert_string_equal(postern_profile_name(l->profile), "bob");
	postern_profile_free(l->profile);
	fakenet_write(&l->net, "config/postern/profiles/bob", "broken", 0600, path);
	good(l, postern_profile_find(l->lib, "host.example", 22, &l->profile));
	assert_string_equal(postern_profile_name(l->profile), "alice");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
	    TEST(opens_for_both_families),
	    TEST(says_what_is_asked_for),
	    TEST(refuses_what_cannot_be_asked),
	    TEST(one_family_when_told),
	    TEST(a_denial_is_told_with_the_servers_words),
	    TEST(a_name_that_the_profile_has_not_is_noted_when_it_is_refused),
	    TEST(silence_is_told),
	    TEST(of_several_doors_the_one_is_told_that_was_tried),
	    TEST(of_a_close_without_an_answer_no_door_is_told),
	    TEST(a_closed_port_is_silence_and_the_next_address_is_tried),
	    TEST(an_address_out_of_reach_is_left_at_once),
	    TEST(noise_is_passed_over),
	    TEST(a_challenge_is_met),
	    TEST(a_wrong_clock_is_learnt_once_for_all),
	    TEST(strict_stops_at_a_stranger),
	    TEST(a_new_door_key_is_handed_over),
	    TEST(the_former_door_key_saves_a_client),
	    TEST(runs_in_steps),
	    TEST(a_damaged_state_is_told),
	    TEST(without_state_nothing_is_sent),
	    TEST(profiles_are_found_by_host),
	};

	if (secret_init() < 0)
		return 1;
	fakenet_isolate();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
