/* auth's end of the socket to openpgp, whatever is at the other one. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>

#include "auth_lab.h"
#include "gpg_link.h"

enum { TOLD_MAX = 8 };

struct scene {
	struct lab l;
	struct loop *loop;
	struct gpg_link link;
	int far; /* openpgp's end */
	unsigned told;
	uint32_t wanted[TOLD_MAX];
};

static void tell(void *arg, const struct msg_pgp_plain *m)
{
	struct scene *s = arg;

	assert_true(m->head.type == MSG_PGP_WANTED && m->head.len == sizeof(*m));
	assert_true(s->told < TOLD_MAX);
	s->wanted[s->told++] = m->wanted;
}

static void stop(void *arg)
{
	loop_stop(arg);
}

/* What is there is served; then it ends. */
static void run(struct scene *s)
{
	assert_int_equal(loop_timer(s->loop, 30, stop, s->loop), 0);
	assert_int_equal(loop_run(s->loop), 0);
}

static void connect_again(struct scene *s)
{
	int pair[2];

	assert_int_equal(ipc_pair(pair, 64 * 1024), 0);
	if (s->far >= 0)
		close(s->far);
	s->far = pair[1];
	gpg_link_take(&s->link, pair[0]);
}

static int setup(void **state)
{
	struct scene *s = calloc(1, sizeof(*s));

	if (!s)
		return -1;
	lab_start(&s->l, NULL, NULL, 2);
	lab_use_pgp(&s->l);
	s->l.pgp_held = true;
	s->loop = loop_new();
	s->far = -1;
	s->link = (struct gpg_link){
	    .loop = s->loop, .core = s->l.core, .sock = -1, .tell = tell, .arg = s};
	connect_again(s);
	*state = s;
	return 0;
}

static int teardown(void **state)
{
	struct scene *s = *state;

	gpg_link_close(&s->link);
	close(s->far);
	loop_free(s->loop);
	lab_stop(&s->l);
	free(s);
	return 0;
}

static void knock(struct scene *s)
{
	struct request q = lab_request(VERB_PING);
	struct lab_message m = lab_m1(&s->l, &s->l.client[0], &q, 0);

	assert_int_equal(lab_deliver(&s->l, &m), 0);
	assert_int_equal(s->l.pgp_asked, 1);
}

static struct msg_pgp refusal(const struct scene *s)
{
	return (struct msg_pgp){.head = {MSG_PGP_DONE, sizeof(struct msg_pgp)},
	    .id = s->l.pgp_ask[0].id,
	    .status = PGP_REFUSED};
}

static void test_hands_both_ways(void **state)
{
	struct scene *s = *state;
	struct msg_pgp m, got;

	knock(s);
	assert_int_equal(gpg_link_send(&s->link, &s->l.pgp_ask[0]), 0);
	assert_int_equal(ipc_recv(s->far, &got, sizeof(got), NULL, 0, NULL), sizeof(got));
	assert_memory_equal(&got, &s->l.pgp_ask[0], sizeof(got));
	m = refusal(s);
	assert_int_equal(ipc_send(s->far, &m, NULL, 0), 0);
	run(s);
	assert_int_equal(lab_count(&s->l, COUNT_FORGED), 1);
	assert_int_equal(s->told, 0);
	assert_true(s->link.sock >= 0);
}

/* Each is said by one that was taken: it is cut off, and to be killed. */
static void test_lies(void **state)
{
	struct scene *s = *state;
	struct msg_pgp lie[7];

	knock(s);
	for (unsigned i = 0; i < 7; i++)
		lie[i] = refusal(s);
	lie[0].status = PGP_STATUS_END;
	lie[1].len = 1; /* refused, and yet something in it */
	lie[2].len = PGP_DATA_MAX + 1;
	lie[3].head.type = MSG_PGP_OPEN;
	lie[4].head.type = MSG_DOOR_OPEN;
	lie[5].head.len = 8;
	lie[6].head.len = sizeof(lie[6]) - 8;
	for (unsigned i = 0; i < 7; i++) {
		s->told = 0;
		connect_again(s);
		assert_true(send(s->far, &lie[i], i == 6 ? sizeof(lie[i]) - 8 : sizeof(lie[i]),
				MSG_NOSIGNAL) > 0);
		run(s);
		assert_int_equal(s->told, 1);
		assert_int_equal(s->wanted[0], PGP_WANTED_OTHER);
		assert_int_equal(s->link.sock, -1);
	}
	assert_int_equal(gpg_link_send(&s->link, &s->l.pgp_ask[0]), -1);
}

static void test_it_ends(void **state)
{
	struct scene *s = *state;

	knock(s);
	close(s->far);
	s->far = -1;
	run(s);
	assert_int_equal(s->link.sock, -1);
	assert_int_equal(lab_count(&s->l, COUNT_PGP_FAILED), 1);
	assert_int_equal(s->told, 0);
	connect_again(s);
	assert_int_equal(gpg_link_send(&s->link, &s->l.pgp_ask[0]), 0);
}

static void test_is_wanted_by_the_realm(void **state)
{
	struct scene *s = *state;

	gpg_link_want(&s->link);
	s->l.pgp = false;
	core_swap(s->l.core, lab_realm(&s->l));
	gpg_link_want(&s->link);
	assert_int_equal(s->told, 2);
	assert_int_equal(s->wanted[0], PGP_WANTED);
	assert_int_equal(s->wanted[1], PGP_UNWANTED);
}

int main(void)
{
#define IN_SCENE(t) cmocka_unit_test_setup_teardown(t, setup, teardown)
	const struct CMUnitTest tests[] = {
	    IN_SCENE(test_hands_both_ways),
	    IN_SCENE(test_lies),
	    IN_SCENE(test_it_ends),
	    IN_SCENE(test_is_wanted_by_the_realm),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
