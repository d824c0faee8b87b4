/* rights - see rights.h. */
#include "rights.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <sys/capability.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include "log.h"
#include "sandbox.h"

enum { MEMLOCK_BYTES = 256 * 1024 * 1024 }; /* the secrets of a million clients, locked */

/*
 * What is left of root. Files are read as their owner, root, so no right to
 * pass over modes is needed; secrets are locked within RLIMIT_MEMLOCK.
 */
static const int capabilities[] = {
    CAP_BPF,	    /* at its start, capture's program in the kernel, if it is xdp */
    CAP_KILL,	    /* end children that run as other users */
    CAP_NET_ADMIN,  /* the firewall; at their start, filters, marks and buffers of the children */
    CAP_NET_RAW,    /* at their start, capture's packet sockets and auth's raw ones */
    CAP_PERFMON,    /* with CAP_BPF */
    CAP_SETGID,	    /* the children's change of user */
    CAP_SETPCAP,    /* they cut theirs further before they open anything */
    CAP_SETUID,	    /* the children's change of user */
    CAP_SYS_CHROOT, /* the children's empty root */
};

static void allow_locked_memory(void)
{
	struct rlimit limit = {MEMLOCK_BYTES, MEMLOCK_BYTES};

	if (setrlimit(RLIMIT_MEMLOCK, &limit) == 0 || getrlimit(RLIMIT_MEMLOCK, &limit))
		return;
	/* Somebody let us have no more than this, in a container say. */
	limit.rlim_cur = limit.rlim_max;
	if (setrlimit(RLIMIT_MEMLOCK, &limit))
		log_debug("memlock", "error=\"%s\"", strerror(errno));
}

/*
 * What programs run as root shall find the rights of root; they get them from
 * the bounding set, at their start, and so only where there are some.
 */
int rights_give_up(bool programs)
{
	const struct rlimit no_core = {0, 0};
	const size_t len = sizeof(capabilities) / sizeof(capabilities[0]);

	allow_locked_memory();
	if (setrlimit(RLIMIT_CORE, &no_core) ||
	    (!programs && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))) {
		log_error("start_failed", "error=\"%s\"", strerror(errno));
		return -1;
	}
	if (programs && prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1)
		log_info("programs_limited",
		    "commands and scripts gain no rights beyond those of posternd, which the "
		    "service manager has limited: see COMMANDS in posternd.conf(5)");
	return programs ? sandbox_lower_capabilities(capabilities, len)
			: sandbox_limit_capabilities(capabilities, len);
}
