#include "jail.h"

#include <linux/capability.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>

#include "sandbox.h"

enum {
	SYSCALLS_MAX = 64,
	CAPABILITIES_MAX = 16,
};

/* What sandbox_enter() itself needs, on top of the method's. */
static const int own_capabilities[] = {CAP_SETGID, CAP_SETPCAP, CAP_SETUID, CAP_SYS_CHROOT};

static const int own_syscalls[] = {
    /* the loop and its clock */
    SYS_clock_gettime,
#ifdef SYS_poll /* newer machines have ppoll alone */
    SYS_poll,
#endif
    SYS_ppoll,
    SYS_restart_syscall,
    SYS_rt_sigreturn,
    /* auth and the log */
    SYS_recvmsg,
    SYS_sendmsg,
    SYS_sendto,
    SYS_write,
    /* memory, for libraries that make an error text */
    SYS_brk,
    SYS_mmap,
    SYS_munmap,
    /* the end */
    SYS_close,
    SYS_exit_group,
#ifdef POSTERN_FAULT_HOOKS /* to die by its own hand when a test wants it */
    SYS_getpid,
    SYS_kill,
#endif
};

static int by_number(const void *a, const void *b)
{
	const int *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

struct numbers {
	const int *at;
	size_t len;
};

/* Two lists as one that is sorted; aborts when a method asks for absurdly many. */
static size_t join(int *out, size_t cap, struct numbers a, struct numbers b)
{
	if (a.len + b.len > cap)
		abort();
	memcpy(out, a.at, a.len * sizeof(*out));
	memcpy(out + a.len, b.at, b.len * sizeof(*out));
	qsort(out, a.len + b.len, sizeof(*out), by_number);
	return a.len + b.len;
}

static int limit_capabilities(const struct capture_method *m)
{
	const struct numbers own = {
	    own_capabilities, sizeof(own_capabilities) / sizeof(own_capabilities[0])};
	const struct numbers its = {m->capabilities, m->capabilities_len};
	int all[CAPABILITIES_MAX];

	return sandbox_limit_capabilities(all, join(all, CAPABILITIES_MAX, own, its));
}

enum capture_status jail_open(
    const struct capture_method *m, const struct capture_want *want, void **source)
{
	return limit_capabilities(m) == 0 ? m->open(source, want) : CAPTURE_BROKEN;
}

int jail_enter(const struct capture_method *m, uid_t uid, gid_t gid, int out_most)
{
	const struct numbers own = {own_syscalls, sizeof(own_syscalls) / sizeof(own_syscalls[0])};
	const struct numbers its = {m->syscalls, m->syscalls_len};
	int all[SYSCALLS_MAX];
	struct sandbox s = {
	    .root = ".", .uid = uid, .gid = gid, .syscalls = all, .out_most = out_most};

	s.syscalls_len = join(all, SYSCALLS_MAX, own, its);
	return sandbox_enter(&s);
}
