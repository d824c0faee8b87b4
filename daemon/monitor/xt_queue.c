/* xt_queue - see xt_queue.h. */
#include "xt_queue.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "log.h"

#define CHAIN "postern-knocks"

enum {
	PATIENCE_MS = 5000,
	TEXT_MAX = 640,
	COMMAND_MAX = 64,
	SAID_MAX = 160,
	TOOL_MISSING = 127,
	FIRST_FD = 3,
};

static const struct family {
	const char *table; /* as nft has it */
	const char *tool, *restore;
} families[] = {
    {"ip", "/usr/sbin/iptables-nft", "/usr/sbin/iptables-nft-restore"},
    {"ip6", "/usr/sbin/ip6tables-nft", "/usr/sbin/ip6tables-nft-restore"},
};

enum { FAMILIES = sizeof(families) / sizeof(families[0]) };

static _Noreturn void become_tool(const char *const argv[], int input, int said)
{
	static const char *const environment[] = {"PATH=/usr/sbin:/usr/bin:/sbin:/bin", NULL};
	sigset_t none;

	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	if (dup2(input, STDIN_FILENO) >= 0 && dup2(said, STDOUT_FILENO) >= 0 &&
	    dup2(said, STDERR_FILENO) >= 0 && close_range(FIRST_FD, ~0U, 0) == 0)
		execve(
		    argv[0], (char *const *)(uintptr_t)argv, (char *const *)(uintptr_t)environment);
	_exit(TOOL_MISSING);
}

/* Its exit status; -1 when it did not end in time, and was killed. */
static int wait_for(pid_t pid)
{
	struct pollfd end = {.fd = pidfd_open(pid, 0), .events = POLLIN};
	int status = -1;

	if (end.fd < 0 || poll(&end, 1, PATIENCE_MS) != 1)
		(void)kill(pid, SIGKILL);
	if (end.fd >= 0)
		(void)close(end.fd);
	if (waitpid(pid, &status, 0) != pid || !WIFEXITED(status))
		return -1;
	return WEXITSTATUS(status);
}

/* What it reads and what it says: memory that nobody else waits at. */
static int scratch_file(const char *text)
{
	int fd = memfd_create("iptables", MFD_CLOEXEC);
	size_t len = strlen(text);

	if (fd >= 0 && (write(fd, text, len) != (ssize_t)len || lseek(fd, 0, SEEK_SET) != 0)) {
		(void)close(fd);
		fd = -1;
	}
	return fd;
}

/* Runs a tool. Returns its exit status, or -1; the beginning of what it said in said. */
static int run_tool(const char *const argv[], const char *input, char said[static SAID_MAX])
{
	int in = scratch_file(input), out = scratch_file(""), status = -1;
	ssize_t n = 0;
	pid_t pid;

	if (in < 0 || out < 0)
		goto out;
	pid = fork();
	if (pid == 0)
		become_tool(argv, in, out);
	if (pid > 0)
		status = wait_for(pid);
	n = pread(out, said, SAID_MAX - 1, 0);
out:
	said[n > 0 ? n : 0] = '\0';
	said[strcspn(said, "\n")] = '\0';
	if (in >= 0)
		(void)close(in);
	if (out >= 0)
		(void)close(out);
	return status;
}

static int must(const char *const argv[], const char *input)
{
	char said[SAID_MAX], quoted[LOG_QUOTE_MAX];
	int status = run_tool(argv, input, said);

	if (status == 0)
		return 0;
	if (status == TOOL_MISSING)
		log_error("firewall",
		    "tool=%s: this kernel lacks the queue of nftables, so nfqueue needs iptables; "
		    "install it, or use capture = nflog",
		    argv[0]);
	else
		log_error("firewall", "tool=%s status=%d said=%s", argv[0], status,
		    log_quote(quoted, said, strlen(said)));
	return -1;
}

/*
 * All of the chain at once. By both tables of addresses, as the guard does:
 * inside a VRF an address is in the interface's alone.
 */
static int fill(const struct family *f, uint16_t port, uint16_t queue)
{
	const char *const argv[] = {f->restore, "--noflush", NULL};
	char text[TEXT_MAX];

	(void)snprintf(text, sizeof(text),
	    "*raw\n:" CHAIN " - [0:0]\n"
	    "-A " CHAIN " -p udp --dport %" PRIu16
	    " -m addrtype --dst-type LOCAL -j NFQUEUE --queue-num %" PRIu16 " --queue-bypass\n"
	    "-A " CHAIN " -p udp --dport %" PRIu16
	    " -m addrtype --dst-type LOCAL --limit-iface-in -j NFQUEUE --queue-num %" PRIu16
	    " --queue-bypass\nCOMMIT\n",
	    port, queue, port, queue);
	return must(argv, text);
}

static bool is_asked(const struct family *f)
{
	const char *const argv[] = {
	    f->tool, "-w", "-t", "raw", "-C", "PREROUTING", "-j", CHAIN, NULL};
	char said[SAID_MAX];

	return run_tool(argv, "", said) == 0;
}

/* First of all, so that no rule of somebody else's lets knocks by. */
static int ask(const struct family *f)
{
	const char *const argv[] = {
	    f->tool, "-w", "-t", "raw", "-I", "PREROUTING", "-j", CHAIN, NULL};

	return is_asked(f) ? 0 : must(argv, "");
}

int xt_queue_put(uint16_t port, uint16_t queue)
{
	for (size_t i = 0; i < FAMILIES; i++)
		if (fill(&families[i], port, queue) != 0 || ask(&families[i]) != 0)
			return -1;
	return 0;
}

/* NULL when it is not there. */
static char *chain_text(struct nft_run *r, const struct family *f)
{
	char command[COMMAND_MAX];

	(void)snprintf(command, sizeof(command), "list chain %s raw " CHAIN, f->table);
	return nft_run_output(r, command, NFT_FORMAT_TEXT);
}

static bool is_there(struct nft_run *r, const struct family *f)
{
	char *text = chain_text(r, f);
	const bool there = text != NULL;

	free(text);
	return there;
}

static int remove_one(const struct family *f)
{
	const char *const flush[] = {f->tool, "-w", "-t", "raw", "-F", CHAIN, NULL};
	const char *const delete[] = {f->tool, "-w", "-t", "raw", "-X", CHAIN, NULL};
	const char *const forget[] = {
	    f->tool, "-w", "-t", "raw", "-D", "PREROUTING", "-j", CHAIN, NULL};

	if (is_asked(f) && must(forget, "") != 0)
		return -1;
	return must(flush, "") != 0 || must(delete, "") != 0 ? -1 : 0;
}

int xt_queue_remove(struct nft_run *r)
{
	int status = 0;

	for (size_t i = 0; i < FAMILIES; i++)
		if (is_there(r, &families[i]) && remove_one(&families[i]) != 0)
			status = -1;
	return status;
}

bool xt_queue_stands(struct nft_run *r)
{
	for (size_t i = 0; i < FAMILIES; i++)
		if (!is_there(r, &families[i]) || !is_asked(&families[i]))
			return false;
	return true;
}

void xt_queue_show(struct nft_run *r, FILE *out)
{
	for (size_t i = 0; i < FAMILIES; i++) {
		char *text = chain_text(r, &families[i]);

		if (text != NULL)
			fputs(text, out);
		free(text);
	}
}
