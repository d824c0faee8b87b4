/* sandbox - see sandbox.h. */
#include "sandbox.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/capability.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <seccomp.h>

#include "landlock.h"
#include "log.h"

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SANDBOX_UNDER_ASAN 1
#endif
#endif
#ifdef __SANITIZE_ADDRESS__
#define SANDBOX_UNDER_ASAN 1
#endif

static int failed(const char *step)
{
	log_error("sandbox_failed", "step=%s error=\"%s\": not going on without it", step,
	    strerror(errno));
	return -1;
}

/* A process that was left in the real root by mistake would look jailed and be free. */
static int change_root(const char *root)
{
	struct stat real, jail;

	if (stat("/", &real) || stat(root, &jail))
		return failed("stat");
	if (real.st_dev == jail.st_dev && real.st_ino == jail.st_ino) {
		errno = EINVAL;
		return failed("chroot");
	}
	if (chroot(root) || chdir("/"))
		return failed("chroot");
	return 0;
}

/* Dropping the user drops the capabilities, unless somebody set the bits that keep them: so say it
 * again. */
static int drop_all_capabilities(void)
{
	cap_t none = cap_init();
	int status = none && !cap_set_proc(none) ? 0 : failed("capabilities");

	if (none)
		cap_free(none);
	if (!status && cap_reset_ambient())
		status = failed("ambient capabilities");
	return status;
}

static int change_user(uid_t uid, gid_t gid)
{
	if (uid == 0 || gid == 0) {
		errno = EINVAL;
		return failed("user 0");
	}
	if (setgroups(0, NULL))
		return failed("setgroups");
	if (setresgid(gid, gid, gid) || setresuid(uid, uid, uid))
		return failed("setresuid");
	if (drop_all_capabilities())
		return -1;
	if (setresuid(0, 0, 0) != -1) {
		errno = EPERM;
		return failed("staying unprivileged");
	}
	return 0;
}

/* Between the change of user, which forgets it, and this call the monitor may have died: then die
 * as well. */
static int die_with(pid_t parent)
{
	if (prctl(PR_SET_PDEATHSIG, SIGKILL))
		return failed("PR_SET_PDEATHSIG");
	if (getppid() != parent)
		raise(SIGKILL);
	return 0;
}

static int forbid_dumps(void)
{
	const struct rlimit none = {0, 0};

	if (setrlimit(RLIMIT_CORE, &none))
		return failed("RLIMIT_CORE");
	if (prctl(PR_SET_DUMPABLE, 0))
		return failed("PR_SET_DUMPABLE");
	return 0;
}

#ifdef SANDBOX_UNDER_ASAN
/* What the address sanitizer does by itself: its own memory, locks, and the report. */
static const int sanitizer_syscalls[] = {
    SCMP_SYS(dup),
    SCMP_SYS(futex),
    SCMP_SYS(getpid),
    SCMP_SYS(getrlimit),
    SCMP_SYS(gettid),
    SCMP_SYS(madvise),
    SCMP_SYS(mmap),
    SCMP_SYS(mprotect),
    SCMP_SYS(munmap),
    SCMP_SYS(newfstatat),
    SCMP_SYS(openat),
    SCMP_SYS(prctl),
    SCMP_SYS(prlimit64),
    SCMP_SYS(read),
    SCMP_SYS(readlink),
    SCMP_SYS(rt_sigaction),
    SCMP_SYS(rt_sigprocmask),
    SCMP_SYS(sched_getaffinity),
    SCMP_SYS(sched_yield),
    SCMP_SYS(sigaltstack),
    SCMP_SYS(write),
};
#endif

static bool is_out(int nr)
{
	return nr == SCMP_SYS(write) || nr == SCMP_SYS(sendto) || nr == SCMP_SYS(sendmsg);
}

/* What programs need that a process of ours does not, and that would let it do more than they need. */
static bool is_for_programs(int nr)
{
	return nr == SCMP_SYS(mmap) || nr == SCMP_SYS(mprotect) || nr == SCMP_SYS(socket) ||
	       nr == SCMP_SYS(clone);
}

static int allow_for_programs(scmp_filter_ctx ctx, int nr)
{
	const scmp_datum_t both = PROT_WRITE | PROT_EXEC;
	const scmp_datum_t namespaces = CLONE_NEWCGROUP | CLONE_NEWIPC | CLONE_NEWNET |
					CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWUSER | CLONE_NEWUTS;
	int err;

	if (nr == SCMP_SYS(socket))
		return seccomp_rule_add(
		    ctx, SCMP_ACT_ALLOW, nr, 1, SCMP_A0(SCMP_CMP_EQ, AF_UNIX, 0));
	if (nr == SCMP_SYS(clone))
		return seccomp_rule_add(
		    ctx, SCMP_ACT_ALLOW, nr, 1, SCMP_A0(SCMP_CMP_MASKED_EQ, namespaces, 0));
	/* Libraries are code that can be executed, or data that can be written. */
	err = seccomp_rule_add(
	    ctx, SCMP_ACT_ALLOW, nr, 1, SCMP_A2(SCMP_CMP_MASKED_EQ, both, PROT_EXEC));
	return err ? err
		   : seccomp_rule_add(
			 ctx, SCMP_ACT_ALLOW, nr, 1, SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
}

/*
 * Memory that can be executed is never to be had, whoever lists mmap or
 * mprotect. And who reads packets from a socket could send some with it.
 */
static int allow(scmp_filter_ctx ctx, int nr, const struct sandbox *s)
{
	const int out_most = s->out_most;

	if (s->programs && is_for_programs(nr))
		return allow_for_programs(ctx, nr);
	if (nr == SCMP_SYS(mmap) || nr == SCMP_SYS(mprotect))
		return seccomp_rule_add(
		    ctx, SCMP_ACT_ALLOW, nr, 1, SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
	if (is_out(nr) && out_most > 0)
		return seccomp_rule_add(
		    ctx, SCMP_ACT_ALLOW, nr, 1, SCMP_A0(SCMP_CMP_LE, (scmp_datum_t)out_most, 0));
	return seccomp_rule_add(ctx, SCMP_ACT_ALLOW, nr, 0);
}

static int allow_all(scmp_filter_ctx ctx, const int *nrs, size_t len, const struct sandbox *s)
{
	for (size_t i = 0; i < len; i++) {
		const int err = allow(ctx, nrs[i], s);

		if (err && err != -EEXIST)
			return err;
	}
	return 0;
}

static bool listed(const int *list, size_t len, int what)
{
	for (size_t i = 0; i < len; i++)
		if (list[i] == what)
			return true;
	return false;
}

/* Lexers ask whether their input is a terminal: they hear that it is none, and need no ioctl(2). */
static int deny_terminals(scmp_filter_ctx ctx, const int *nrs, size_t len)
{
	if (listed(nrs, len, SCMP_SYS(ioctl)))
		return 0;
	return seccomp_rule_add(
	    ctx, SCMP_ACT_ERRNO(ENOTTY), SCMP_SYS(ioctl), 1, SCMP_A1(SCMP_CMP_EQ, TCGETS, 0));
}

static int filter_syscalls(const struct sandbox *s)
{
	/* A program that asks for more goes on without, as on a kernel that has not got it. */
	scmp_filter_ctx ctx =
	    seccomp_init(s->programs ? SCMP_ACT_ERRNO(ENOSYS) : SCMP_ACT_KILL_PROCESS);
	int err = ctx ? 0 : -ENOMEM;

	if (!err)
		err = seccomp_attr_set(ctx, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
	if (!err)
		err = allow_all(ctx, s->syscalls, s->syscalls_len, s);
	if (!err)
		err = deny_terminals(ctx, s->syscalls, s->syscalls_len);
#ifdef SANDBOX_UNDER_ASAN
	if (!err)
		err = allow_all(ctx, sanitizer_syscalls,
		    sizeof(sanitizer_syscalls) / sizeof(sanitizer_syscalls[0]), s);
#endif
	if (!err)
		err = seccomp_load(ctx);
	if (ctx)
		seccomp_release(ctx);
	if (err) {
		errno = -err;
		return failed("seccomp");
	}
	return 0;
}

/* The folder is outside of the new root: who stands in it still gets at it. */
static int work_inside(const struct sandbox *s)
{
	int status;

	if (!s->inside)
		return 0;
	if (fchdir(s->folder))
		return failed("folder");
	close(s->folder);
	status = s->inside(s->arg);
	if (chdir("/"))
		return failed("leaving the folder");
	return status;
}

int sandbox_enter(const struct sandbox *s)
{
	const pid_t parent = getppid();

	if ((s->root && change_root(s->root)) || change_user(s->uid, s->gid) || die_with(parent) ||
	    forbid_dumps())
		return -1;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		return failed("PR_SET_NO_NEW_PRIVS");
	if (work_inside(s) || landlock_enter(s->paths, s->paths_len))
		return -1;
	return filter_syscalls(s);
}

int sandbox_user(const char *name, uid_t *uid, gid_t *gid)
{
	errno = 0;
	const struct passwd *pw = getpwnam(name);

	if (!pw) {
		log_error("user_missing",
		    "user=%s: make it with systemd-sysusers or adduser --system --group, or name "
		    "another in posternd.conf%s%s",
		    name, errno ? ": " : "", errno ? strerror(errno) : "");
		return -1;
	}
	if (pw->pw_uid == 0 || pw->pw_gid == 0) {
		log_error(
		    "user_is_root", "user=%s: name an unprivileged user in posternd.conf", name);
		return -1;
	}
	*uid = pw->pw_uid;
	*gid = pw->pw_gid;
	return 0;
}

/* First the bounding set, because that needs a capability which may go with the rest. */
static int limit_bounding(const int *caps, size_t len)
{
	for (int cap = 0; cap_get_bound(cap) >= 0; cap++)
		if (!listed(caps, len, cap) && cap_get_bound(cap) == 1 && cap_drop_bound(cap))
			return -1;
	return 0;
}

/* In a container some may be missing from the start: what is not ours cannot be kept. */
static int keep_held(cap_t set, cap_t held, int cap)
{
	cap_flag_value_t have = CAP_CLEAR;

	if (cap_get_flag(held, cap, CAP_PERMITTED, &have))
		return -1;
	if (have == CAP_CLEAR)
		return 0;
	return cap_set_flag(set, CAP_PERMITTED, 1, &cap, CAP_SET) ||
	       cap_set_flag(set, CAP_EFFECTIVE, 1, &cap, CAP_SET);
}

int sandbox_limit_capabilities(const int *caps, size_t len)
{
	if (limit_bounding(caps, len) == 0)
		return sandbox_lower_capabilities(caps, len);
	failed("capabilities");
	return -1;
}

int sandbox_lower_capabilities(const int *caps, size_t len)
{
	int status = -1;
	cap_t set = cap_init(), held = cap_get_proc();

	if (!set || !held)
		goto out;
	for (size_t i = 0; i < len; i++)
		if (keep_held(set, held, caps[i]))
			goto out;
	if (cap_set_proc(set) || cap_reset_ambient())
		goto out;
	status = 0;
out:
	if (status)
		failed("capabilities");
	if (held)
		cap_free(held);
	if (set)
		cap_free(set);
	return status;
}
