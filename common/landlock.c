/* landlock - see landlock.h. */
#include "landlock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "log.h"

static int failed(const char *step)
{
	log_error("sandbox_failed", "step=%s error=\"%s\": not going on without it", step,
	    strerror(errno));
	return -1;
}

/*
 * Landlock as the kernel has it, through its system calls: libc offers none,
 * and the build's headers may be older than the kernel that runs.
 */
struct landlock_attr {
	uint64_t fs;
	uint64_t net;
	uint64_t scoped;
};

struct landlock_path {
	uint64_t access;
	int32_t parent;
} __attribute__((packed));

enum { LANDLOCK_QUERY_VERSION = 1, LANDLOCK_PATH_BENEATH = 1 };

/* Rights, by the kernel's numbers. */
enum {
	FS_EXECUTE = 1 << 0,
	FS_WRITE_FILE = 1 << 1,
	FS_READ_FILE = 1 << 2,
	FS_READ_DIR = 1 << 3,
	FS_REMOVE_FILE = 1 << 5,
	FS_MAKE_REG = 1 << 8,
	FS_MAKE_SOCK = 1 << 9,
	FS_TRUNCATE = 1 << 14,
	FS_OF_FILES = FS_EXECUTE | FS_WRITE_FILE | FS_READ_FILE | FS_TRUNCATE,
	FS_READING = FS_READ_FILE | FS_READ_DIR,
	FS_WRITING = FS_WRITE_FILE | FS_REMOVE_FILE | FS_MAKE_REG | FS_MAKE_SOCK | FS_TRUNCATE,
};

struct landlock_abi {
	int since;
	uint64_t fs, net, scoped; /* all that can be handled, and is thereby forbidden */
	size_t size;		  /* of the attribute as that version knows it */
};

static const struct landlock_abi landlock_abis[] = {
    {6, 0xffff, 0x3, 0x3, 24}, /* abstract sockets, signals */
    {5, 0xffff, 0x3, 0, 16},   /* ioctl on devices */
    {4, 0x7fff, 0x3, 0, 16},   /* TCP bind and connect */
    {3, 0x7fff, 0, 0, 8},      /* truncate */
    {2, 0x3fff, 0, 0, 8},      /* link and rename across folders */
    {1, 0x1fff, 0, 0, 8},
};

static const struct landlock_abi *landlock_known(long version)
{
	for (size_t i = 0; i < sizeof(landlock_abis) / sizeof(landlock_abis[0]); i++)
		if (version >= landlock_abis[i].since)
			return &landlock_abis[i];
	return NULL;
}

static int allow(int ruleset, const struct sandbox_path *p, uint64_t known)
{
	const int fd = open(p->path, O_PATH | O_CLOEXEC);
	struct landlock_path rule = {FS_READING, fd};
	struct stat st;
	int status = 0;

	if (fd < 0)
		return errno == ENOENT ? 0 : failed(p->path);
	rule.access |= (p->write ? FS_WRITING : 0) | (p->execute ? FS_EXECUTE : 0);
	if (fstat(fd, &st) || !S_ISDIR(st.st_mode))
		rule.access &= FS_OF_FILES;
	rule.access &= known;
	if (syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_PATH_BENEATH, &rule, 0))
		status = failed(p->path);
	close(fd);
	return status;
}

int landlock_enter(const struct sandbox_path *paths, size_t len)
{
	const struct landlock_abi *abi =
	    landlock_known(syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_QUERY_VERSION));
	int status = 0;

	if (!abi) {
		log_warning("landlock_missing",
		    "this kernel offers none: the other walls alone hold the process");
		return 0;
	}
	const struct landlock_attr attr = {abi->fs, abi->net, abi->scoped};
	const int ruleset = (int)syscall(SYS_landlock_create_ruleset, &attr, abi->size, 0);
	if (ruleset < 0)
		return failed("landlock_create_ruleset");
	for (size_t i = 0; i < len && status == 0; i++)
		status = allow(ruleset, &paths[i], abi->fs);
	if (status == 0 && syscall(SYS_landlock_restrict_self, ruleset, 0))
		status = failed("landlock_restrict_self");
	close(ruleset);
	return status;
}
