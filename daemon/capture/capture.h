/*
 * capture - the ways by which frames reach us: one file each, one line each in
 * capture.c's table, switchable at will.
 *
 * The capture process opens one source as root, gives everything up, then
 * reads bounded batches of frames. A method copies no frame and parses none
 * (that is layers.h); what it cannot filter in the kernel it may hand over
 * all the same, since every frame is looked at again.
 */
#ifndef POSTERN_CAPTURE_CAPTURE_H
#define POSTERN_CAPTURE_CAPTURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* What a frame begins with. The numbers are libpcap's DLT_ values on Linux. */
enum link_type {
	LINK_NULL = 0, /* BSD loopback, family in the byte order of whoever wrote it */
	LINK_ETHERNET = 1,
	LINK_RAW = 12,	 /* IPv4 or IPv6 at once */
	LINK_LOOP = 108, /* BSD loopback, family in network order */
	LINK_SLL = 113,	 /* Linux cooked, version 1 */
	LINK_IPV4 = 228,
	LINK_IPV6 = 229,
	LINK_SLL2 = 276, /* Linux cooked, version 2: tells the interface of each frame */
};

/* One frame, borrowed until the callback returns. */
struct capture_frame {
	const uint8_t *bytes;
	size_t caplen; /* bytes that are there */
	size_t len;    /* bytes that were on the wire; more than caplen if cut */
	enum link_type link;
	uint32_t ifindex; /* 0: the method does not know; LINK_SLL2 says it in the frame */
	uint64_t seen_ns; /* CLOCK_REALTIME, by the kernel where it says */
};

/*
 * Called for each frame. Returns whether the frame was a knock and is ours
 * alone: a method that gives verdicts then keeps it from going on. The others
 * do not look at it.
 */
typedef bool capture_fn(void *arg, const struct capture_frame *frame);

enum capture_status {
	CAPTURE_UP,
	CAPTURE_DOWN,	 /* the interface is down; the source waits and goes on by itself */
	CAPTURE_ABSENT,	 /* open: it is not there, or down. Later it may be */
	CAPTURE_GONE,	 /* it was there and will not come back to this source */
	CAPTURE_REFUSED, /* open: what was asked for can never work */
	CAPTURE_BROKEN,	 /* the system or a library failed */
};

/* What to open, borrowed. */
struct capture_want {
	const char
	    *source;	  /* an interface or "any"; what else a method takes is said in its file */
	const char *file; /* savefile: its whole path, or "-" */
	const char *filter;  /* pcap-filter(7), VLAN tags left out: see capture_filter() */
	size_t buffer_bytes; /* room for frames that wait for us */
	/* The netfilter group or queue to read; 0: the daemon's own, CONFIG_NFLOG_GROUP and the like. */
	uint16_t number;
	uint16_t udp_port; /* udp and xdp: the knock port */
	/* xdp: those of the other carriers that its program knows; 0, false: not in use. */
	uint16_t tcp_port;
	bool icmp;
	/* tcpdump: whom it runs as, the user that we become ourselves. */
	uid_t uid;
	gid_t gid;
	int verdicts; /* nfqueue: to whoever gives them (verdict.h); 0: nobody does, so do not open */
	/*
	 * How many processes share this source, and a number that is theirs
	 * alone on this host; for methods that can share (afpacket). 0 or 1: nobody.
	 */
	unsigned workers;
	uint16_t group;
	/* xdp: closed ports of this host answer, and so the knock port has to: take nothing away. */
	bool answers;
};

struct capture_stats {
	uint64_t seen; /* passed the kernel's filter, the lost ones among them */
	uint64_t lost; /* by the kernel, because we were too slow */
	/* Of those seen, what a method that checks the gate itself dropped, and why. */
	uint64_t gate;
	uint64_t length;
};

struct carrier_ports;
struct veil_keys;

struct capture_method {
	const char *name;
	bool filters; /* by want->filter, in the kernel; what the others show is sieved (sieve.h) */
	/*
	 * The capabilities that open() needs, and the system calls that all
	 * later operations need, each sorted and beyond what every process of
	 * ours has. After open() no capability is needed.
	 */
	const int *capabilities;
	size_t capabilities_len;
	const int *syscalls;
	size_t syscalls_len;
	/*
	 * Open, filter, lock the filter. Frames that match are kept from then
	 * on, also before the first read(). Returns CAPTURE_UP and gives
	 * *self; else logs what is wrong and what to do.
	 */
	enum capture_status (*open)(void **self, const struct capture_want *want);
	/* The descriptor that is readable when read() has something to do. */
	int (*fd)(const void *self);
	/*
	 * Hand over at most max frames, without blocking. Returns CAPTURE_UP,
	 * or CAPTURE_GONE or CAPTURE_BROKEN, logged: then close.
	 */
	enum capture_status (*read)(void *self, unsigned max, capture_fn *fn, void *arg);
	/*
	 * Called about once a second, for what no descriptor tells: an
	 * interface that went down, came back, or went for good; counters that
	 * the kernel keeps in 32 bits. Returns any status but ABSENT and REFUSED.
	 */
	enum capture_status (*tick)(void *self);
	/*
	 * The door keys in force from now on, the current one first; borrowed.
	 * For a method that checks the gate itself, else NULL. Until they come
	 * it hands over whatever matches.
	 */
	void (*keys)(void *self, const struct veil_keys *key, unsigned keys);
	/*
	 * Take no new frames: read() then yields what has come before. For a
	 * method that keeps frames from the others, else NULL: those hear what
	 * comes from now on as well.
	 */
	void (*stop)(void *self);
	void (*stats)(void *self, struct capture_stats *out); /* since open() */
	void (*close)(void *self);
};

extern const struct capture_method capture_afpacket;
extern const struct capture_method capture_nflog;
extern const struct capture_method capture_nfqueue;
extern const struct capture_method capture_pcap;
extern const struct capture_method capture_savefile;
extern const struct capture_method capture_tcpdump;
extern const struct capture_method capture_udp;
extern const struct capture_method capture_xdp; /* not in every build: see the table */

/* NULL when there is none. */
const struct capture_method *capture_by_name(const char *name);
/* All methods, ended by NULL. */
const struct capture_method *const *capture_table(void);

enum { CAPTURE_FILTER_MAX = 16384 };

/*
 * The whole filter for one link type from the carriers' expression: with it,
 * frames under up to two VLAN tags match as those without.
 * Returns its length or -1 when it does not fit.
 */
int capture_filter(enum link_type link, const char *carriers, char *out, size_t cap);

#endif
