/* opening - see opening.h. */
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "keyfile.h"
#include "log.h"
#include "opening.h"
#include "sandbox.h"

/* Sorted by number where it is handed over; here by what needs them. */
static const int syscalls[] = {
    /* the loop and its clocks */
    SYS_clock_gettime,
    SYS_poll,
    SYS_ppoll,
    SYS_restart_syscall,
    SYS_rt_sigreturn,
    /* captures, monitor, control socket, log, answers */
    SYS_accept4,
    SYS_close,
    SYS_getsockopt,
    SYS_recvmsg,
    SYS_sendmsg,
    SYS_sendto,
    SYS_write,
    /* files that the monitor hands over */
    SYS_lseek,
    SYS_newfstatat,
    SYS_fstat,
    SYS_pread64,
    SYS_read,
    /* the store */
    SYS_fdatasync,
    SYS_pwrite64,
    SYS_pwritev,
    SYS_writev,
    SYS_futex,
    SYS_getpid,
    /* memory, guarded and not */
    SYS_brk,
    SYS_madvise,
    SYS_mlock,
    SYS_mmap,
    SYS_mprotect,
    SYS_mremap,
    SYS_munlock,
    SYS_munmap,
    SYS_sysinfo, /* qsort(3) of more than a kilobyte asks how much there is */
    /* keys and padding */
    SYS_getrandom,
    /* the end */
    SYS_exit_group,
};

/* The configuration alone: it names the user and the folder. Clients and keys are for the jail. */
static struct config *read_config(const char *path, struct report *r)
{
	struct config *c = calloc(1, sizeof(*c));
	char *text = malloc(CONFIG_TEXT_MAX + 1);

	if (!c || !text)
		abort();
	if (keyfile_read(FD_CONFIG, text, CONFIG_TEXT_MAX + 1) < 0 ||
	    config_parse(c, path, text, r) < 0) {
		free(c);
		c = NULL;
	}
	free(text);
	return c;
}

static int prepare_store(
    struct opening *o, const struct child_args *args, const struct config *c, uid_t uid, gid_t gid)
{
	const char *base = c->state_dir[0] == '/' ? "" : args->config_dir;
	char dir[PATH_MAX];
	int len =
	    snprintf(dir, sizeof(dir), "%s%s%s/store", base, base[0] ? "/" : "", c->state_dir);

	if (args->dry_run) {
		o->store = store_memory_new();
		return 0;
	}
	if (len < 0 || (size_t)len >= sizeof(dir)) {
		log_error("store", "path=%s: too long, use a shorter state-dir", c->state_dir);
		return -1;
	}
	if (strcmp(c->store, "lmdb") != 0) {
		log_error("store", "store=%s: there is no such store; lmdb is one", c->store);
		return -1;
	}
	o->folder = store_lmdb_prepare(dir, uid, gid);
	return o->folder < 0 ? -1 : 0;
}

/* In its folder, and no longer root. */
static int open_store(void *arg)
{
	struct opening *o = arg;

	o->store = store_lmdb_open(".");
	return o->store ? 0 : -1;
}

/* Which boot this is: sessions count in a clock that begins with it. */
static int read_boot_id(struct opening *o)
{
	FILE *f = fopen("/proc/sys/kernel/random/boot_id", "re");
	char *line = f ? fgets(o->boot_id, sizeof(o->boot_id), f) : NULL;

	if (f)
		fclose(f);
	if (!line) {
		log_error("boot-id", "path=/proc/sys/kernel/random/boot_id error=\"%s\"",
		    strerror(errno));
		return -1;
	}
	o->boot_id[strcspn(o->boot_id, "\n")] = '\0';
	return 0;
}

static int open_signals(struct opening *o)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
		return -1;
	/* What a terminal sends to its whole group is for the monitor alone. */
	if (signal(SIGINT, SIG_IGN) == SIG_ERR || signal(SIGHUP, SIG_IGN) == SIG_ERR ||
	    signal(SIGPIPE, SIG_IGN) == SIG_ERR)
		return -1;
	o->signals = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
	return o->signals < 0 ? -1 : 0;
}

static int by_number(const void *a, const void *b)
{
	const int *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

static int jail(struct opening *o, uid_t uid, gid_t gid)
{
	int sorted[sizeof(syscalls) / sizeof(syscalls[0])];
	struct sandbox s = {.root = ".",
	    .uid = uid,
	    .gid = gid,
	    .syscalls = sorted,
	    .syscalls_len = sizeof(syscalls) / sizeof(syscalls[0]),
	    .inside = o->store ? NULL : open_store,
	    .arg = o,
	    .folder = o->folder};

	memcpy(sorted, syscalls, sizeof(syscalls));
	qsort(sorted, s.syscalls_len, sizeof(sorted[0]), by_number);
	tzset(); /* the C library reads its file now or, in the jail, never */
	return sandbox_enter(&s);
}

int opening_and_jail(struct opening *o, const struct child_args *args, struct report *r)
{
	struct config *c = read_config(args->config_path, r);
	int status = EXIT_CONFIG;
	uid_t uid;
	gid_t gid;

	if (!c || sandbox_user(c->auth_user, &uid, &gid) < 0)
		goto out;
	log_set_level(c->log_level);
	status = EXIT_FAILURE;
	if (read_boot_id(o) < 0 || open_signals(o) < 0 || prepare_store(o, args, c, uid, gid) < 0 ||
	    raw_open(&o->raw, (c->needs & NEED_UDP) != 0 ? c->udp_port : 0) < 0 ||
	    jail(o, uid, gid) < 0)
		goto out;
	status = EXIT_SUCCESS;
out:
	free(c);
	return status;
}
