/*
 * clockshift - LD_PRELOADed, it shifts CLOCK_REALTIME of one process, and can
 * make it step while the process runs.
 *
 * CLOCKSHIFT names a file that holds a signed 64-bit count of nanoseconds in
 * the machine's byte order. It is mapped once, at the start, so that a process
 * in a sandbox sees changes, too.
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

enum { NS_PER_S = 1000000000, NS_PER_US = 1000 };

static const volatile int64_t *shift;
static int (*real_gettime)(clockid_t, struct timespec *);

__attribute__((constructor)) static void start(void)
{
	const char *path = getenv("CLOCKSHIFT");
	int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
	void *symbol = dlsym(RTLD_NEXT, "clock_gettime");

	/* ISO C knows no cast from an object's pointer to a function's. */
	*(void **)&real_gettime = symbol;
	if (fd < 0)
		return;
	void *map = mmap(NULL, sizeof(*shift), PROT_READ, MAP_SHARED, fd, 0);
	close(fd);
	if (map != MAP_FAILED)
		shift = map;
}

int clock_gettime(clockid_t clock, struct timespec *t)
{
	int result = real_gettime(clock, t);

	if (result == 0 && clock == CLOCK_REALTIME && shift) {
		int64_t ns = (int64_t)t->tv_sec * NS_PER_S + t->tv_nsec + *shift;
		t->tv_sec = ns / NS_PER_S;
		t->tv_nsec = ns % NS_PER_S;
	}
	return result;
}

time_t time(time_t *out)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	if (out)
		*out = t.tv_sec;
	return t.tv_sec;
}

int gettimeofday(struct timeval *restrict out, void *restrict zone)
{
	struct timespec t;

	(void)zone;
	clock_gettime(CLOCK_REALTIME, &t);
	out->tv_sec = t.tv_sec;
	out->tv_usec = t.tv_nsec / NS_PER_US;
	return 0;
}
