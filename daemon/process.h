/*
 * process - the processes of posternd. Read this first.
 *
 *   monitor   root, capabilities cut to what it and the start of its children
 *             need. Holds no secret. Opens files and hands the descriptors
 *             over unread (the configuration alone it parses itself: it is the
 *             law by which it checks what auth asks for). Changes the
 *             firewall, starts and restarts the others, writes the log.
 *             Never sees a packet; the build offers it no header to parse one.
 *   capture   one for each source (interface); own user, empty root, seccomp,
 *             landlock. Opens its source as root, locks the filter, drops.
 *             Holds the client-to-server half of the door keys, which auth
 *             gives it. Parses packets, checks the gate, opens the veil, hands
 *             over what is inside. Talks to auth alone. By tcpdump it has two
 *             processes of its own behind it: capture/keeper.h.
 *   auth      own user, empty root, seccomp, landlock. Holds server key, door
 *             key, clients, store, raw sockets that only send. Checks labels,
 *             opens envelopes, decides, answers; asks the monitor for doors
 *             and bans; serves the control socket.
 *
 *   openpgp   only if a client uses it; own user, no network, seccomp and
 *             landlock that gpg and gpg-agent inherit. Runs gpg in its own
 *             keyring, a process for each request, each killed when it takes
 *             too long. Talks to auth alone (pgp_message.h).
 *
 *             monitor <-> auth      doors, bans, descriptors, reload (message.h)
 *             capture  -> auth      knocks; auth -> capture: keys, ports
 *                                   one for traps: segments, and it has no keys
 *             capture  -> monitor   by nfqueue alone: verdicts (verdict.h)
 *             auth <-> openpgp      messages to open, challenges to seal
 *             children -> monitor   log records
 *             posternctl <-> auth   control.h, root only
 *
 * A child is fork and exec of posternd itself with --role, so that it inherits
 * no heap. (What cuts connections, monitor/cutter.h, is none: it is the monitor
 * a second time, for a moment.) What a child needs is at these descriptor
 * numbers when it starts; all others are closed, 0 to 2 lead nowhere, no signal
 * is blocked, the environment holds a PATH. Its working directory is an empty
 * one of root's: "." is what it hands to sandbox_enter() as its root. A child
 * whose monitor dies is killed by the kernel; a capture whose auth is gone
 * exits, and the monitor starts both again. An auth that cannot start the first
 * time ends the daemon.
 */
#ifndef POSTERN_DAEMON_PROCESS_H
#define POSTERN_DAEMON_PROCESS_H

#include "config.h"

enum child_fd {
	FD_LOG = 3,	   /* log records to the monitor (log.h, LOG_TO_FD) */
	FD_PEER = 4,	   /* auth: to the monitor; capture, openpgp: to auth */
	FD_VERDICT = 5,	   /* capture by nfqueue: to the monitor (verdict.h) */
	FD_CONFIG = 6,	   /* sealed memory file with the text of posternd.conf */
	FD_CLIENTS = 7,	   /* auth: the clients file, read-only */
	FD_SERVER_KEY = 8, /* auth: read-only */
	FD_DOOR_KEY = 9,   /* auth: read-only */
	FD_CONTROL = 10,   /* auth: the listening control socket */
	FD_CHILD_END = 11,
};

/*
 * How a capture ends. The first two are no fault of the process: the monitor
 * starts it again, at once when a link comes up and else with back-off.
 */
enum capture_exit {
	CAPTURE_EXIT_OK = 0,		/* auth is gone, or SIGTERM came */
	CAPTURE_EXIT_NO_INTERFACE = 75, /* not there yet, or down: nothing was opened */
	CAPTURE_EXIT_LOST = 76,		/* it was there and is gone (down alone is waited for) */
	CAPTURE_EXIT_CONFIG = 78,	/* starting again would not help: method, filter, user */
	CAPTURE_EXIT_FAILED = 1,	/* anything else; logged */
};

/* What a child is told on its command line. */
struct child_args {
	const char *config_path; /* for messages only */
	const char *config_dir;
	/* capture: */
	const char *source;  /* name of the source, for messages only */
	unsigned index;	     /* which of the configuration it is */
	const char *capture; /* its method for now; NULL: as the configuration has it */
	unsigned worker,
	    workers;	/* which of how many processes that share the source; 0 workers: 1 */
	unsigned group; /* they know each other by it */
	unsigned turn;	/* 0 or 1: which of the numbers it reads where a number has one reader */
	unsigned
	    generation; /* auth: of the configuration at FD_CONFIG; what its MSG_DOOR_* say until a MSG_COMMIT */
	bool dry_run;
	/* monitor: what it may not know itself of a configuration (check.h); NULL: nothing */
	int (*check)(const struct config *c, const char *path, struct report *r);
};

/* Entry functions: open, jail, drop, loop. Return the process's exit status. */
int monitor_main(const struct child_args *a, bool foreground);
int capture_main(const struct child_args *a);
int auth_main(const struct child_args *a);
int openpgp_main(const struct child_args *a);

#endif
