/* A capture method at work in a process of its own. Needs root, for its namespace. */
#include "unit.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "capture_cost.h"
#include "clock.h"
#include "jail.h"
#include "live.h"
#include "trial.h"

enum { NOBODY = 65534, FRAMES = 20, TURNS = 500, TURN_US = 10000 };

static struct trial_plan plan_for(const char *method, const char *interface)
{
	return (struct trial_plan){.method = capture_by_name(method),
	    .want = {.source = interface,
		.filter = "udp dst port 62201",
		.buffer_bytes = JAIL_BUFFER_BYTES},
	    .uid = NOBODY,
	    .gid = NOBODY,
	    .input = -1};
}

static int make_pair(void **state)
{
	(void)state;
	live_make_pair();
	return 0;
}

static void send_frames(int sender)
{
	for (int i = 0; i < FRAMES; i++)
		live_send(sender,
		    (struct shape){.link = LINK_ETHERNET, .payload = "x", .payload_len = 1});
}

static void wait_for(const struct trial *t, uint64_t frames)
{
	for (int i = 0; i < TURNS && trial_frames(t) < frames; i++)
		(void)usleep(TURN_US);
	assert_int_equal(trial_frames(t), frames);
}

/* What /proc/PID/status says of it. */
static void status_of(pid_t pid, const char *word, char out[static 64])
{
	char path[64], line[256];
	FILE *f;

	(void)snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	f = fopen(path, "r");
	assert_non_null(f);
	out[0] = '\0';
	while (fgets(line, sizeof(line), f) != NULL)
		if (strncmp(line, word, strlen(word)) == 0)
			(void)snprintf(out, 64, "%.60s", line + strlen(word));
	(void)fclose(f);
}

static void counts_within_its_window(void **state)
{
	const struct trial_plan plan = plan_for("pcap", LIVE_NEAR);
	char why[TRIAL_WHY_MAX];
	struct trial *t = trial_start(&plan, why);
	struct trial_report *r = calloc(1, sizeof(*r));
	int sender = live_sender(LIVE_FAR);
	uint64_t from;

	(void)state;
	assert_non_null(t);
	assert_non_null(r);
	from = clock_real_ns();
	assert_int_equal(trial_begin(t, from, UINT64_MAX), 0);
	send_frames(sender);
	wait_for(t, FRAMES);
	assert_int_equal(trial_report(t, r), 0);
	assert_int_equal(r->frames, FRAMES);
	assert_int_equal(r->all, FRAMES);
	assert_int_equal(r->kernel.seen, FRAMES);
	assert_int_equal(r->kernel.lost, 0);
	assert_int_equal(r->latency.count, FRAMES);
	assert_in_range(histogram_quantile(&r->latency, 500), 1, NS_PER_S);
	/* Anew, and of a time that is over: they come, and do not count. */
	assert_int_equal(trial_begin(t, from, clock_real_ns()), 0);
	*r = (struct trial_report){.all = 0};
	send_frames(sender);
	for (int i = 0; i < TURNS && r->all < FRAMES; i++) {
		(void)usleep(TURN_US);
		assert_int_equal(trial_report(t, r), 0);
	}
	assert_int_equal(r->all, FRAMES);
	assert_int_equal(r->frames, 0);
	assert_int_equal(r->latency.count, 0);
	trial_end(t);
	(void)close(sender);
	free(r);
}

static void is_jailed(void **state)
{
	const struct trial_plan plan = plan_for("afpacket", LIVE_NEAR);
	char why[TRIAL_WHY_MAX], text[64], path[64], root[64] = "";
	struct trial *t = trial_start(&plan, why);

	(void)state;
	assert_non_null(t);
	assert_int_equal(trial_begin(t, 0, UINT64_MAX), 0); /* it reads, so it has entered */
	status_of(trial_pid(t), "Seccomp:\t", text);
	assert_string_equal(text, "2\n");
	status_of(trial_pid(t), "CapEff:\t", text);
	assert_string_equal(text, "0000000000000000\n");
	status_of(trial_pid(t), "Uid:\t", text);
	assert_string_equal(text, "65534\t65534\t65534\t65534\n");
	(void)snprintf(path, sizeof(path), "/proc/%d/root", (int)trial_pid(t));
	assert_true(readlink(path, root, sizeof(root) - 1) > 1);
	trial_end(t);
}

static void tells_why_it_cannot(void **state)
{
	struct trial_plan plan = plan_for("pcap", "nowhere0");
	char why[TRIAL_WHY_MAX] = "";

	(void)state;
	assert_null(trial_start(&plan, why));
	assert_string_equal(why, "there is no such interface (yet)");
	plan = plan_for("nflog", LIVE_NEAR);
	assert_null(trial_start(&plan, why));
	assert_non_null(strstr(why, "use interface = any"));
}

static void notices_a_death(void **state)
{
	const struct trial_plan plan = plan_for("pcap", LIVE_NEAR);
	char why[TRIAL_WHY_MAX];
	struct trial *t = trial_start(&plan, why);

	(void)state;
	assert_non_null(t);
	assert_int_equal(kill(trial_pid(t), SIGKILL), 0);
	assert_int_equal(trial_begin(t, 0, UINT64_MAX), -1);
	trial_end(t);
	trial_end(NULL);
}

/* A busy child of a child is found in the sum. */
static void counts_the_cost_of_all(void **state)
{
	struct cost before, after;
	double user = 0, kernel = 0;
	pid_t pid = fork();

	(void)state;
	if (pid == 0) {
		pid_t inner = fork();

		for (volatile int spin = 0; inner == 0;)
			spin++;
		(void)pause();
		_exit(0);
	}
	before = cost_of(pid);
	do {
		(void)usleep(TURN_US);
		after = cost_of(pid);
	} while (after.run_ns - before.run_ns < NS_PER_S / 10);
	cost_between(&before, &after, &user, &kernel);
	assert_true(user > 50000);
	assert_true(user + kernel >= 100000 && user + kernel < 10e6);
	assert_true(cost_memory_kib(pid) > 0);
	/* Its group is ours, so one by one: the inner one first, while it can still be found. */
	char command[128];
	(void)snprintf(command, sizeof(command), "kill -9 $(cat /proc/%d/task/%d/children) %d",
	    (int)pid, (int)pid, (int)pid);
	live_run(command);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup(counts_within_its_window, make_pair),
	    cmocka_unit_test_setup(is_jailed, make_pair),
	    cmocka_unit_test_setup(tells_why_it_cannot, make_pair),
	    cmocka_unit_test_setup(notices_a_death, make_pair),
	    cmocka_unit_test(counts_the_cost_of_all),
	};

	if (!live_possible())
		return 77; /* skipped */
	return cmocka_run_group_tests(tests, NULL, NULL);
}
