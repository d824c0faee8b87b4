#include "capture_round.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "jail.h"

static const struct round_traits traits[] = {
    {.name = "nflog", .everywhere = true, .logged = true},
    {.name = "savefile", .recorded = true},
    {.name = "udp", .diverted = true, .alone = "its packets are diverted to a port of its own"},
    {.name = "xdp", .alone = "what it takes no other method sees"},
};

const struct round_traits *round_traits_of(const struct capture_method *m)
{
	static const struct round_traits plain = {.name = ""};

	for (size_t i = 0; i < sizeof(traits) / sizeof(traits[0]); i++)
		if (strcmp(traits[i].name, m->name) == 0)
			return &traits[i];
	return &plain;
}

/* tcpdump, writing what it sees to a pipe. Returns its pid, or -1. */
static pid_t start_recorder(const struct round_source *s, int output)
{
	sigset_t none;
	pid_t pid;

	pid = fork();
	if (pid != 0)
		return pid;
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	int nowhere = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (nowhere >= 0 && dup2(nowhere, STDIN_FILENO) >= 0 && dup2(output, STDOUT_FILENO) >= 0 &&
	    dup2(nowhere, STDERR_FILENO) >= 0)
		(void)execlp("tcpdump", "tcpdump", "-i", s->interface, "-Q", "in", "-nn", "-U",
		    "--immediate-mode", "-Z", "root", "-w", "-", s->filter, (char *)NULL);
	_exit(EXIT_FAILURE);
}

static int open_recording(
    struct round_entry *e, const struct round_source *s, char why[static TRIAL_WHY_MAX])
{
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) != 0) {
		(void)snprintf(why, TRIAL_WHY_MAX, "no pipe");
		return -1;
	}
	e->recorder = start_recorder(s, ends[1]);
	(void)close(ends[1]);
	return ends[0];
}

static void end_entry(struct round_entry *e)
{
	trial_end(e->trial);
	if (e->recorder > 0) {
		(void)kill(e->recorder, SIGTERM);
		(void)waitpid(e->recorder, NULL, 0);
	}
}

int round_add(struct round *r, const struct capture_method *m, const struct round_source *s,
    char why[static TRIAL_WHY_MAX])
{
	const struct round_traits *t = round_traits_of(m);
	struct round_entry *e = &r->at[r->methods];
	struct trial_plan plan = {
	    .method = m,
	    .want = {.source = t->everywhere ? "any" : s->interface,
		.file = "-",
		.filter = s->filter,
		.buffer_bytes = JAIL_BUFFER_BYTES,
		.number = RULES_GROUP,
		.udp_port = RULES_UDP_PORT,
		.uid = s->uid,
		.gid = s->gid},
	    .uid = s->uid,
	    .gid = s->gid,
	    .input = -1,
	};

	if (r->methods == ROUND_METHODS_MAX)
		abort();
	*e = (struct round_entry){.method = m};
	if (t->recorded) {
		plan.input = open_recording(e, s, why);
		if (plan.input < 0)
			return -1;
	}
	e->trial = trial_start(&plan, why);
	if (plan.input >= 0)
		(void)close(plan.input);
	if (e->trial == NULL) {
		end_entry(e);
		return -1;
	}
	r->methods++;
	return 0;
}

struct rules_want round_rules(const struct round *r, const struct round_source *s)
{
	struct rules_want w = {.interface = s->interface, .port = s->port};

	for (size_t i = 0; i < r->methods; i++) {
		const struct round_traits *t = round_traits_of(r->at[i].method);

		w.log = w.log || t->logged;
		w.divert = w.divert || t->diverted;
	}
	return w;
}

const struct capture_method *round_begin(struct round *r, uint64_t from_ns, uint64_t until_ns)
{
	for (size_t i = 0; i < r->methods; i++)
		if (trial_begin(r->at[i].trial, from_ns, until_ns) != 0)
			return r->at[i].method;
	return NULL;
}

static struct cost cost_of_entry(const struct round_entry *e)
{
	struct cost c = cost_of(trial_pid(e->trial)), helper = {0};

	if (e->recorder > 0)
		helper = cost_of(e->recorder);
	return (struct cost){.run_ns = c.run_ns + helper.run_ns,
	    .user_ticks = c.user_ticks + helper.user_ticks,
	    .kernel_ticks = c.kernel_ticks + helper.kernel_ticks};
}

void round_cost_from(struct round *r)
{
	for (size_t i = 0; i < r->methods; i++)
		r->at[i].before = cost_of_entry(&r->at[i]);
}

void round_cost_until(struct round *r)
{
	for (size_t i = 0; i < r->methods; i++)
		r->at[i].after = cost_of_entry(&r->at[i]);
}

const struct capture_method *round_report(struct round *r)
{
	for (size_t i = 0; i < r->methods; i++)
		if (trial_report(r->at[i].trial, &r->at[i].report) != 0)
			return r->at[i].method;
	return NULL;
}

uint64_t round_frames(const struct round *r)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < r->methods; i++)
		sum += trial_frames(r->at[i].trial);
	return sum;
}

uint64_t round_memory_kib(const struct round_entry *e)
{
	return cost_memory_kib(trial_pid(e->trial)) +
	       (e->recorder > 0 ? cost_memory_kib(e->recorder) : 0);
}

void round_end(struct round *r)
{
	for (size_t i = 0; i < r->methods; i++)
		end_entry(&r->at[i]);
	r->methods = 0;
}
