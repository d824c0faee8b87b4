/*
 * sandbox - what a process gives up, in the order that works: everything is
 * opened before; then root directory, groups, user, no_new_privs, landlock,
 * seccomp. Needs no helper.
 */
#ifndef POSTERN_COMMON_SANDBOX_H
#define POSTERN_COMMON_SANDBOX_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "landlock.h"

struct sandbox {
	/*
	 * An empty directory to chroot into, never "/"; "." when the monitor started us (process.h).
	 * NULL: the real one stays, and landlock alone says what can be reached in it.
	 */
	const char *root;
	uid_t uid;
	gid_t gid;
	const int *syscalls; /* sorted, those that the process may make; anything else kills it */
	size_t syscalls_len;
	/* write, sendto and sendmsg, where listed, go to descriptors up to this one alone; 0: to all. */
	int out_most;
	/*
	 * NULL, or what opens that which another process of this user may have
	 * written, and which root must therefore not read: called as the user, with
	 * no way back, before landlock and seccomp, in folder (a descriptor,
	 * which is closed then). Returns 0, or -1 and logged.
	 */
	int (*inside)(void *arg);
	void *arg;
	int folder;
	/* What can still be reached; none when there are none. */
	const struct sandbox_path *paths;
	size_t paths_len;
	/*
	 * It runs other programs, which inherit all this. What is not listed is
	 * then refused as unknown to the kernel instead of being deadly; memory
	 * may be executed as long as it cannot be written, too; sockets, where
	 * listed, are local ones; clone, where listed, makes no namespaces.
	 */
	bool programs;
};

/*
 * Give up all that s does not name. Also: core dumps off, PR_SET_DUMPABLE 0,
 * SIGKILL when the monitor dies (set after the change of user, which clears
 * it). mmap and mprotect, where listed, never make memory executable. Under
 * the address sanitizer its own calls are added.
 * Returns 0; -1 and logged: then the process must end.
 */
int sandbox_enter(const struct sandbox *s) __attribute__((warn_unused_result));

/* Looks a user up by name. Returns 0, or -1 and logged with what to do. */
int sandbox_user(const char *name, uid_t *uid, gid_t *gid) __attribute__((warn_unused_result));

/*
 * Drop all capabilities but these from the effective, permitted and bounding
 * sets. Returns 0 or -1 and logged.
 */
int sandbox_limit_capabilities(const int *caps, size_t len) __attribute__((warn_unused_result));
/* The same without the bounding set: a program that is then executed as root has them all. */
int sandbox_lower_capabilities(const int *caps, size_t len) __attribute__((warn_unused_result));

#endif
