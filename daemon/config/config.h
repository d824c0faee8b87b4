/*
 * config - posternd.conf as a struct. Text in, struct out: no file is opened
 * here, so that tests and fuzzers need none.
 *
 * One table (directives.c) gives each directive its name, type, least, most
 * and default; the parser, --check, --print-config and the manual come from it.
 */
#ifndef POSTERN_CONFIG_CONFIG_H
#define POSTERN_CONFIG_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "address.h"
#include "log.h"
#include "report.h"

enum {
	CONFIG_TEXT_MAX = 1 << 20,
	CONFIG_NAME_MAX = 32,
	CONFIG_PATH_MAX = 256,
	CONFIG_SERVICES_MAX = 256,
	CONFIG_SOURCES_MAX = 16,
	CONFIG_WORKERS_MAX = 8,
	CONFIG_CAPTURES_MAX = 24, /* processes of all sources together */
	CONFIG_FILTER_MAX = 512,
	CONFIG_INTERFACE_MAX = 16, /* IFNAMSIZ */
	CONFIG_USER_MAX = 33,
	CONFIG_COOKIE_MAX = 32,
	CONFIG_WEB_PATH_MAX = 64,
	CONFIG_PREFIXES_MAX = 8,
	CONFIG_SEQUENCE_MIN = 5,	  /* ports of a sequence */
	CONFIG_SEQUENCES_MAX = 16,	  /* that have names */
	CONFIG_SEQUENCE_ID_MAX = 63,	  /* so that a set of them fits into 64 bits */
	CONFIG_SEQUENCE_LISTED_MAX = 128, /* ports of all lists together */
	CONFIG_RANGES_MAX = 8,		  /* of a service's ports */
	CONFIG_PORTS_MAX = 1024,	  /* of one service: a door has an element for each */
	CONFIG_RANDOM_MIN = 256, /* ports to draw from: who guesses shall seldom be right */
	CONFIG_FORWARDS_MAX = 2,
	CONFIG_COMMANDS_MAX = 64,
	CONFIG_WORDS_MAX = 16, /* of a command, itself included */
	CONFIG_WORD_MAX = 160,
	CONFIG_ARGUMENTS_MAX = 8,  /* of a command, which the client gives */
	CONFIG_GUARDED_MAX = 4096, /* ports of all services together */
	CONFIG_SEQUENCE_MAX = 32,
	CONFIG_NFLOG_GROUP = 4477, /* where the firewall logs knocks for capture = nflog */
	CONFIG_TRAP_GROUP = 4479,  /* where it logs what comes to a trap */
};

enum silence { SILENCE_DROP, SILENCE_CLOSED };
/* What becomes of a TCP connection to a guarded port without a door. */
enum trap {
	TRAP_NONE,
	TRAP_REPORT, /* completed, told and reset */
	TRAP_TARPIT, /* completed, told and left hanging */
};
enum challenge_policy { CHALLENGE_DOUBT, CHALLENGE_ALWAYS };

struct port_range {
	uint16_t lo, hi; /* both included; lo 0: none */
};

/* No port is in two of them. */
struct port_ranges {
	struct port_range at[CONFIG_RANGES_MAX];
	unsigned len;
	uint8_t random; /* 1: each door is at one of them, which is drawn for it; else at all */
};

/* Where a service's packets go to. */
struct forward {
	struct address to; /* zero: another port of this host */
	uint16_t port;
};

/* One for each family, or one for this host. */
struct forwards {
	struct forward at[CONFIG_FORWARDS_MAX];
	unsigned len;
};

/* service "ssh" { proto = tcp  port = 22  hold = 60  max-hold = 3600 } */
struct service {
	char name[CONFIG_NAME_MAX + 1];
	uint8_t proto; /* IANA: 6 tcp, 17 udp */
	/* The first of its ports, by which sessions and replies know it, unless each knows its own. */
	uint16_t port;
	struct port_ranges ports;
	/* gateway "net" { inside = lan0  outside = eth0 }: no protocol and no port; "" for a service */
	char inside[CONFIG_INTERFACE_MAX], outside[CONFIG_INTERFACE_MAX];
	struct forwards forward;
	uint8_t masquerade; /* 1: what is forwarded to another host seems to come from this one */
	uint32_t hold_s;
	uint32_t max_hold_s;
	uint32_t doors_max; /* of all clients together, at once; 0: as many as there may be */
	char approve[CONFIG_NAME_MAX + 1]; /* command that must say yes to each door; "": none */
	uint8_t cut;			   /* 1: with a door its connections end, too */
	/* All doors of the service to single hosts are at least as narrow as this. */
	uint32_t idle_s;       /* close after so long without traffic; 0: not for that */
	uint8_t trap;	       /* enum trap */
	uint8_t single_use;    /* 1: close behind the first connection */
	uint8_t exact;	       /* 1: are for one source port, which the client names */
	uint8_t min_prefix_v4; /* widest prefix that may be admitted; 32 and 128: hosts alone */
	uint8_t min_prefix_v6;
	unsigned line;
};

struct words {
	char at[CONFIG_WORDS_MAX][CONFIG_WORD_MAX];
	unsigned len;
};

/* The name that asks for a line for a shell; no command of the configuration can have it. */
#define COMMAND_LINE_NAME "command-line"

/* command "restart-web" { run = {"/usr/bin/systemctl", "restart", "nginx"}  user = root  timeout = 30 } */
struct command_config {
	char name[CONFIG_NAME_MAX + 1];
	struct words run; /* argv; the first is a whole path */
	struct words
	    arguments; /* regex(7), extended, for the whole of each argument that a client gives */
	char user[CONFIG_USER_MAX];
	uint32_t timeout_s;
	unsigned line;
};

/* source "uplink" { interface = eth0  capture = afpacket  filter = "not net 10.0.0.0/8"  workers = 2 } */
struct source_config {
	char name[CONFIG_NAME_MAX + 1];	      /* without a section: that of the interface */
	char interface[CONFIG_INTERFACE_MAX]; /* or "any" */
	char capture[CONFIG_NAME_MAX + 1];    /* "pcap" */
	char file[CONFIG_PATH_MAX];	      /* of "savefile"; "-" is standard input */
	char filter
	    [CONFIG_FILTER_MAX]; /* pcap-filter(7), which packets must match, too; "": all do */
	uint8_t workers;	 /* processes that share it */
	bool trap;		 /* none of the file's: what the firewall logs for traps */
	unsigned line;		 /* 0: there is no section */
};

/*
 * interface, capture and capture-file, which stand for one source each
 * interface; for the parser and printer alone. No interfaces: there are sections.
 */
struct plain_sources {
	char interface[CONFIG_SOURCES_MAX][CONFIG_INTERFACE_MAX];
	unsigned interfaces;
	char capture[CONFIG_NAME_MAX + 1];
	char file[CONFIG_PATH_MAX];
};

/*
 * What captures need of the firewall: bits of config.needs. What the kernel
 * lets one process read alone is there twice, so that a new capture can
 * listen before the old one ends: nflog's group is CONFIG_NFLOG_GROUP + turn.
 */
enum capture_need {
	NEED_NFLOG_0 = 1 << 0,	 /* log knocks to the group of turn 0 */
	NEED_NFLOG_1 = 1 << 1,	 /* and, both at once while one replaces the other, of turn 1 */
	NEED_NFQUEUE_0 = 1 << 2, /* queue them for turn 0 */
	NEED_NFQUEUE_1 = 1 << 3, /* or, never both at once, for turn 1 */
	NEED_UDP = 1 << 4,	 /* let them come to a socket */
	NEED_TRAP_0 = 1 << 5, /* log what comes to a trap, likewise to CONFIG_TRAP_GROUP + turn */
	NEED_TRAP_1 = 1 << 6,
};

struct prefixes {
	struct prefix at[CONFIG_PREFIXES_MAX];
	unsigned len;
};

struct port_list {
	uint16_t at[CONFIG_SEQUENCE_MAX];
	unsigned len;
};

/* Bits of sequence_config.pieces. */
enum sequence_piece {
	PIECES_UDP = 1 << 0,   /* datagrams */
	PIECES_TCP = 1 << 1,   /* SYNs */
	PIECES_CLEAN = 1 << 2, /* SYNs whose payload is the slice alone */
};

enum sequence_cover { SEQUENCE_BARE = 1 << 0, SEQUENCE_PNG = 1 << 1 };

/* sequence "alpha" { id = 1  ports = {7001, 7312, 4099, 31000, 1234}  pieces = udp } */
struct sequence_config {
	char name[CONFIG_NAME_MAX + 1]; /* "": the one of the directives outside of sections */
	uint8_t id;			/* 0: that one */
	struct port_list ports;		/* in their order; */
	struct port_range range;	/* or where they roll; neither: it is not in use */
	uint8_t count;			/* how many roll */
	uint8_t pieces;			/* bits of enum sequence_piece */
	uint8_t cover;			/* bits of enum sequence_cover */
	unsigned line;
};

struct config {
	struct source_config source[CONFIG_SOURCES_MAX];
	unsigned sources;
	struct plain_sources plain;
	unsigned needs; /* from the sources, all in turn 0; the monitor's own copy changes */
	char firewall[CONFIG_NAME_MAX + 1]; /* "nftables" */
	char firewall_script[CONFIG_PATH_MAX];
	char store[CONFIG_NAME_MAX + 1]; /* "lmdb" */
	/* What knocks travel by; a port of 0: by that not. */
	uint16_t udp_port;
	uint16_t tcp_port;
	uint8_t icmp; /* 0, 1 */
	uint16_t http_port;
	char http_cookie[CONFIG_COOKIE_MAX + 1]; /* "": in no cookie */
	char http_path[CONFIG_WEB_PATH_MAX + 1]; /* "": in no path */
	struct prefixes http_proxy;
	struct sequence_config sequence[CONFIG_SEQUENCES_MAX + 1]; /* the first has no name */
	unsigned sequences;					   /* that have one */
	enum silence silence;
	enum challenge_policy challenge;
	uint32_t window_s; /* W of the freshness rules */
	/* Authentic messages a second that one client may cost us work with. */
	uint32_t client_rate;
	uint32_t client_burst;
	uint32_t sessions_max;
	uint32_t suspend_after; /* strikes of one client; 0: never */
	uint32_t suspend_for_s;
	uint32_t ban_after; /* strikes of one address that is proven; 0: never */
	uint32_t ban_for_s;
	struct prefixes ban_except;
	char event_script[CONFIG_PATH_MAX]; /* is told what happens; "": nobody is */
	char event_user[CONFIG_USER_MAX];
	enum log_target log_target;
	enum log_level log_level;
	/* Files: absolute, or relative to the configuration's folder. */
	char server_key[CONFIG_PATH_MAX];
	char door_key[CONFIG_PATH_MAX];
	char clients[CONFIG_PATH_MAX];
	char state_dir[CONFIG_PATH_MAX]; /* /var/lib/postern */
	char run_dir[CONFIG_PATH_MAX];	 /* /run/postern */
	char capture_user[CONFIG_USER_MAX];
	char auth_user[CONFIG_USER_MAX];
	char openpgp_user[CONFIG_USER_MAX];
	char command_line_user
	    [CONFIG_USER_MAX]; /* runs what clients with that permission say; "": nobody */
	unsigned services;
	struct service service[CONFIG_SERVICES_MAX];
	unsigned commands;
	struct command_config command[CONFIG_COMMANDS_MAX];
};

/*
 * Parse and check the whole text (borrowed, NUL-terminated); name stands in messages.
 * In a sandbox it needs ioctl (the lexer of libConfuse asks isatty(-1)), or a filter that lets it fail.
 * Returns 0, or -1 when r->errors is not 0: then out is not to be used.
 */
int config_parse(struct config *out, const char *name, const char *text, struct report *r)
    __attribute__((warn_unused_result));
/* As a file that config_parse() reads back to the same struct. */
void config_print(const struct config *c, FILE *out);
/* [a-z0-9_-]{1,32}: services and clients. */
bool config_is_name(const char *name);
/*
 * The idle times of all services, each once, ascending; returns how many. The firewall
 * has sets for these alone: a door's idle time must be one of them.
 */
unsigned config_idle_times(const struct config *c, uint32_t out[static CONFIG_SERVICES_MAX]);
/* Index of a service by name, or -1. */
int config_service(const struct config *c, const char *name);
/* Index of a source by name, or -1. */
int config_source(const struct config *c, const char *name);
/*
 * What the sources together cannot be, as a sentence in why; to be asked again
 * after a change to one. *source: the one to blame. Returns 0, or -1 and a fault.
 */
enum { CONFIG_WHY_MAX = 400 };
int config_sources_fault(const struct source_config *s, unsigned sources, unsigned *source,
    char why[static CONFIG_WHY_MAX]);
/* Capture by another method; from has what the file says of this source. */
void config_change_capture(
    struct source_config *s, const struct source_config *from, const char *capture);
/* Can captures of the two not run at the same time? */
bool config_excludes(const struct source_config *a, const struct source_config *b);
/* Is the carrier sequence in use? */
bool config_has_sequence(const struct config *c);
/* Has it ports? Of those with a name each has. */
bool sequence_in_use(const struct sequence_config *s);
/* Names of those whose ids are these bits, with commas between; "-" is the one that has none. Returns out. */
enum { SEQUENCE_NAMES_BYTES = (CONFIG_SEQUENCES_MAX + 1) * (CONFIG_NAME_MAX + 1) };
const char *sequence_names(
    const struct config *c, uint64_t ids, char out[static SEQUENCE_NAMES_BYTES]);
/* Index of a sequence by name, or -1. */
int config_sequence(const struct config *c, const char *name);
/* The bits of enum capture_need that a method needs in that turn (0 or 1). */
unsigned config_needs(const char *capture, unsigned turn);
/* The same of a source. */
unsigned source_needs(const struct source_config *s, unsigned turn);
/* Does a service ask for a trap? */
bool config_has_trap(const struct config *c);
/* Methods by number: its name or NULL; the number of a name or -1. */
const char *config_capture_name(unsigned number);
int config_capture(const char *name);
/* Of a name that was right once: which kernel dropped it, and what to use. NULL: it never was. */
const char *config_capture_past(const char *name);
/* What a firewall has beside doors that time alone closes: bits. */
enum firewall_has {
	FIREWALL_HAS_IDLE = 1 << 0,	/* doors that close when they are idle */
	FIREWALL_HAS_NARROW = 1 << 1,	/* doors for a single use, and for one source port */
	FIREWALL_HAS_FORWARDS = 1 << 2, /* forwards and gateways */
	FIREWALL_HAS_RULES = 1 << 3,	/* of its own, for what captures need (config.needs) */
	FIREWALL_HAS_BANS = 1 << 7,	/* and traps */
};
unsigned config_firewall_has(const struct config *c);
/* Of the carriers in use, which does this method hear? SOME: udp alone. */
enum hearing { HEARS_ALL, HEARS_SOME, HEARS_NONE };
enum hearing config_hearing(const struct config *c, const char *capture);
/* Is the address in one of them? */
bool prefixes_contain(const struct prefixes *p, const struct address *a);
/* Do knocks travel alike by both? */
bool config_same_carriers(const struct config *a, const struct config *b);
/* Is there anything that the monitor may have to run? */
bool config_runs_programs(const struct config *c);
/* Index of a command by name, or -1. */
int config_command(const struct config *c, const char *name);
/*
 * Does the argument match a pattern of a command's configuration, from its
 * beginning to its end? False also for a pattern that is none.
 */
bool config_argument_fits(const char *pattern, const char *argument);
/* Does it let inner hosts out, in place of outer ones in? */
static inline bool service_is_gateway(const struct service *s)
{
	return s->inside[0] != '\0';
}
/*
 * A gateway's number, 1 to MARK_GATES_MAX; 0 for a service. It is made of the
 * name; two names may have the same, of which --check warns.
 */
unsigned service_gate(const struct service *s);
/* How many ports a service has, and the i-th. */
unsigned service_ports(const struct service *s);
uint16_t service_port(const struct service *s, unsigned i);
/* Is each session's port drawn for it? */
static inline bool service_is_random(const struct service *s)
{
	return s->ports.random != 0;
}
/* May this be the port that a session of it is known by? */
bool service_is_known_by(const struct service *s, uint16_t port);
/* The service as one of its sessions sees it whose port was drawn: with that one alone. */
struct service service_at(const struct service *s, uint16_t port);
/* Where packets of a family go; NULL: nowhere else, or not for this family. */
const struct forward *service_forward(const struct service *s, bool v4);
/* Index of a service by what it guards, or -1. */
int config_service_by_port(const struct config *c, uint8_t proto, uint16_t port);

#endif
