#include "capture_cost.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PATH_TEXT = 64, TEXT_MAX = 4096, TREE_MAX = 16, USER_FIELD = 14, NS_A_US = 1000 };

/* A small file of /proc; "" when the process is gone. */
static void read_proc(pid_t pid, const char *name, char text[static TEXT_MAX])
{
	char path[PATH_TEXT];
	size_t n = 0;
	FILE *f;

	(void)snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, name);
	f = fopen(path, "r");
	if (f != NULL) {
		n = fread(text, 1, TEXT_MAX - 1, f);
		(void)fclose(f);
	}
	text[n] = '\0';
}

/* A process, its children and theirs; those that there is no room for are left out. */
static size_t tree_of(pid_t pid, pid_t out[static TREE_MAX])
{
	char name[PATH_TEXT], text[TEXT_MAX];
	size_t n = 1;

	out[0] = pid;
	for (size_t i = 0; i < n; i++) {
		char *at = text, *end;

		(void)snprintf(name, sizeof(name), "task/%d/children", (int)out[i]);
		read_proc(out[i], name, text);
		while (n < TREE_MAX) {
			long child = strtol(at, &end, 10);

			if (end == at)
				break;
			out[n++] = (pid_t)child;
			at = end;
		}
	}
	return n;
}

/* The fields behind the name, which may itself have spaces and parentheses. */
static void add_ticks(struct cost *c, const char *stat)
{
	const char *at = strrchr(stat, ')');
	char *end;

	for (int field = 2; at != NULL && field < USER_FIELD; field++) {
		at = strchr(at, ' ');
		at = at != NULL ? at + 1 : NULL;
	}
	if (at == NULL)
		return;
	c->user_ticks += strtoull(at, &end, 10);
	c->kernel_ticks += strtoull(end, NULL, 10);
}

struct cost cost_of(pid_t pid)
{
	struct cost c = {0};
	pid_t tree[TREE_MAX];
	char text[TEXT_MAX];
	size_t n = tree_of(pid, tree);

	for (size_t i = 0; i < n; i++) {
		read_proc(tree[i], "stat", text);
		add_ticks(&c, text);
		read_proc(tree[i], "schedstat", text);
		c.run_ns += strtoull(text, NULL, 10);
	}
	return c;
}

void cost_between(
    const struct cost *before, const struct cost *after, double *user_us, double *kernel_us)
{
	uint64_t user = after->user_ticks - before->user_ticks;
	uint64_t kernel = after->kernel_ticks - before->kernel_ticks;
	double all_us = (double)(after->run_ns - before->run_ns) / NS_A_US;

	if (user + kernel == 0) { /* too short for a tick: divide as in all its life */
		user = after->user_ticks;
		kernel = after->kernel_ticks;
	}
	*user_us = user + kernel > 0 ? all_us * (double)user / (double)(user + kernel) : 0;
	*kernel_us = all_us - *user_us;
}

static uint64_t memory_of(pid_t pid)
{
	static const char *const sources[][2] = {
	    {"smaps_rollup", "\nPss:"}, {"status", "\nVmRSS:"}};
	char text[TEXT_MAX];
	const char *at = NULL;

	for (size_t i = 0; at == NULL && i < sizeof(sources) / sizeof(sources[0]); i++) {
		read_proc(pid, sources[i][0], text);
		at = strstr(text, sources[i][1]);
		if (at != NULL)
			at += strlen(sources[i][1]);
	}
	return at != NULL ? strtoull(at, NULL, 10) : 0;
}

uint64_t cost_memory_kib(pid_t pid)
{
	pid_t tree[TREE_MAX];
	size_t n = tree_of(pid, tree);
	uint64_t sum = 0;

	for (size_t i = 0; i < n; i++)
		sum += memory_of(tree[i]);
	return sum;
}

void cost_pin(pid_t pid, const cpu_set_t *set)
{
	pid_t tree[TREE_MAX];
	size_t n = tree_of(pid, tree);

	for (size_t i = 0; i < n; i++)
		(void)sched_setaffinity(tree[i], sizeof(*set), set);
}
