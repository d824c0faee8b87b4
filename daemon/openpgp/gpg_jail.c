/* gpg_jail - see gpg_jail.h. */
#include "gpg_jail.h"

#include <elf.h>
#include <errno.h>
#include <link.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include "log.h"
#include "sandbox.h"

enum {
	MIB = 1 << 20,
	MEMORY_BYTES = 512 * MIB, /* of each process; gpg takes some 20 */
	FILE_BYTES = 32 * MIB,
	FILES = 256,
	PROCESSES =
	    128,  /* PGP_WAITING_MAX workers with gpg and what it starts, and the agent's threads */
	NICE = 5, /* a knock without gpg goes first */
};

/* What this process, the C library's start of a program, gpg, gpgconf and gpg-agent were seen to call, and their next of kin. */
static const int syscalls[] = {
    /* programs */
    SYS_execve,
    SYS_clone,
    SYS_fork,
    SYS_vfork,
    SYS_wait4,
    SYS_waitid,
    SYS_exit,
    SYS_exit_group,
    SYS_arch_prctl,
    SYS_set_tid_address,
    SYS_set_robust_list,
    SYS_rseq,
    SYS_prctl,
    SYS_prlimit64,
    SYS_getrlimit,
    SYS_setrlimit,
    SYS_getpid,
    SYS_getppid,
    SYS_gettid,
    SYS_getpgrp,
    SYS_getpgid,
    SYS_setpgid,
    SYS_setsid,
    SYS_getuid,
    SYS_geteuid,
    SYS_getgid,
    SYS_getegid,
    SYS_getresuid,
    SYS_getresgid,
    SYS_getgroups,
    SYS_umask,
    SYS_uname,
    SYS_sysinfo,
    SYS_times,
    SYS_getrusage,
    /* memory */
    SYS_brk,
    SYS_mmap,
    SYS_mprotect,
    SYS_mremap,
    SYS_munmap,
    SYS_madvise,
    SYS_mlock,
    SYS_munlock,
    /* files */
    SYS_open,
    SYS_openat,
    SYS_close,
    SYS_close_range,
    SYS_read,
    SYS_readv,
    SYS_pread64,
    SYS_write,
    SYS_writev,
    SYS_pwrite64,
    SYS_lseek,
    SYS_stat,
    SYS_lstat,
    SYS_fstat,
    SYS_newfstatat,
    SYS_statx,
    SYS_access,
    SYS_faccessat,
    SYS_faccessat2,
    SYS_getcwd,
    SYS_getdents64,
    SYS_readlink,
    SYS_readlinkat,
    SYS_link,
    SYS_linkat,
    SYS_unlink,
    SYS_unlinkat,
    SYS_rename,
    SYS_renameat2,
    SYS_chmod,
    SYS_fchmod,
    SYS_ftruncate,
    SYS_fsync,
    SYS_fdatasync,
    SYS_fcntl,
    SYS_flock,
    SYS_dup,
    SYS_dup2,
    SYS_dup3,
    SYS_pipe,
    SYS_pipe2,
    SYS_inotify_init,
    SYS_inotify_init1,
    SYS_inotify_add_watch,
    SYS_inotify_rm_watch,
    /* waiting, and the clocks */
    SYS_poll,
    SYS_ppoll,
    SYS_select,
    SYS_pselect6,
    SYS_futex,
    SYS_sched_yield,
    SYS_sched_getaffinity,
    SYS_nanosleep,
    SYS_clock_nanosleep,
    SYS_clock_gettime,
    SYS_gettimeofday,
    SYS_time,
    SYS_restart_syscall,
    /* signals */
    SYS_rt_sigaction,
    SYS_rt_sigprocmask,
    SYS_rt_sigreturn,
    SYS_sigaltstack,
    SYS_signalfd4,
    SYS_kill,
    SYS_tgkill,
    /* local sockets: gpg to its agent, we to auth and the log */
    SYS_socket,
    SYS_socketpair,
    SYS_connect,
    SYS_bind,
    SYS_listen,
    SYS_accept,
    SYS_accept4,
    SYS_getsockname,
    SYS_getpeername,
    SYS_getsockopt,
    SYS_setsockopt,
    SYS_recvfrom,
    SYS_recvmsg,
    SYS_sendmsg,
    SYS_sendto,
    SYS_shutdown,
    /* chance */
    SYS_getrandom,
};

static int by_number(const void *a, const void *b)
{
	const int *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

/* The first object is the program itself: it names the loader that starts all others, too. */
static int find_loader(struct dl_phdr_info *info, size_t size, void *out)
{
	(void)size;
	for (unsigned i = 0; i < info->dlpi_phnum; i++)
		if (info->dlpi_phdr[i].p_type == PT_INTERP)
			*(const char **)out =
			    (const char *)(uintptr_t)(info->dlpi_addr + info->dlpi_phdr[i].p_vaddr);
	return 1;
}

static int limit(int what, rlim_t most)
{
	const struct rlimit r = {most, most};

	if (setrlimit((__rlimit_resource_t)what, &r) == 0)
		return 0;
	log_error("sandbox_failed", "step=setrlimit error=\"%s\"", strerror(errno));
	return -1;
}

static int set_limits(void)
{
#ifndef __SANITIZE_ADDRESS__
	if (limit(RLIMIT_AS, MEMORY_BYTES))
		return -1;
#endif
	(void)setpriority(PRIO_PROCESS, 0, NICE);
	return limit(RLIMIT_FSIZE, FILE_BYTES) || limit(RLIMIT_NOFILE, FILES) ||
		       limit(RLIMIT_NPROC, PROCESSES)
		   ? -1
		   : 0;
}

int gpg_jail_enter(const char *home, uid_t uid, gid_t gid)
{
	const char *loader = "/lib64/ld-linux-x86-64.so.2";
	int sorted[sizeof(syscalls) / sizeof(syscalls[0])];
	(void)dl_iterate_phdr(find_loader, &loader);
	const struct sandbox_path paths[] = {
	    {home, true, false},
	    {"/usr/bin/gpg", false, true},
	    {"/usr/bin/gpg-agent", false, true},
	    {"/usr/bin/gpgconf", false, true},
	    {loader, false, true},
	    {"/usr/lib", false, false},
	    {"/lib", false, false},
	    {"/lib64", false, false},
	    {"/usr/lib64", false, false},
	    {"/usr/share/gnupg", false, false},
	    {"/etc/ld.so.cache", false, false},
	    {"/etc/gnupg", false, false},
	    {"/etc/passwd", false, false},
	    {"/etc/nsswitch.conf", false, false},
	    {"/etc/localtime", false, false},
	    {"/dev/null", true, false},
	    {"/dev/urandom", false, false},
	    {"/dev/random", false, false},
	};
	const struct sandbox s = {.uid = uid,
	    .gid = gid,
	    .syscalls = sorted,
	    .syscalls_len = sizeof(sorted) / sizeof(sorted[0]),
	    .paths = paths,
	    .paths_len = sizeof(paths) / sizeof(paths[0]),
	    .programs = true};

	memcpy(sorted, syscalls, sizeof(sorted));
	qsort(sorted, s.syscalls_len, sizeof(sorted[0]), by_number);
	return set_limits() ? -1 : sandbox_enter(&s);
}
