#include "fault.h"

#ifdef POSTERN_FAULT_HOOKS

#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { STEP_MAX = 64 };

#define FORBIDDEN ".forbidden"

/* Test builds only: which step, and how many passes are left before it strikes. */
static struct {
	char step[STEP_MAX];
	unsigned long left;
} fault;

void fault_start(void)
{
	const char *want = getenv("POSTERN_FAULT");
	const char *colon;
	size_t len;

	fault.left = 0;
	if (want == NULL)
		return;
	colon = strchr(want, ':');
	len = colon != NULL ? (size_t)(colon - want) : strlen(want);
	if (len >= sizeof(fault.step)) {
		(void)fprintf(stderr, "POSTERN_FAULT: the name of the step is too long\n");
		abort();
	}
	memcpy(fault.step, want, len);
	fault.step[len] = '\0';
	fault.left = colon != NULL ? strtoul(colon + 1, NULL, 10) : 1;
}

static int is_forbidden_step(const char *step)
{
	size_t len = strlen(step);
	size_t end = sizeof(FORBIDDEN) - 1;

	return len >= end && strcmp(step + len - end, FORBIDDEN) == 0;
}

void fault_at(const char *step)
{
	int fd;

	if (fault.left == 0 || strcmp(step, fault.step) != 0 || --fault.left != 0)
		return;
	if (!is_forbidden_step(step)) {
		(void)kill(getpid(), SIGKILL);
		abort();
	}
	fd = socket(AF_INET, SOCK_DGRAM, 0);
	if (fd >= 0) /* the sandbox let it through: the test sees that we live */
		(void)close(fd);
}

#endif
