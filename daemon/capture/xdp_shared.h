/*
 * xdp_shared - what the program in the kernel and xdp.c both know: the maps'
 * contents. Integers are the host's but where a name says otherwise.
 */
#ifndef POSTERN_CAPTURE_XDP_SHARED_H
#define POSTERN_CAPTURE_XDP_SHARED_H

#include <linux/types.h>

enum {
	XDP_KEYS_MAX = 2,
	XDP_GATE_BYTES = 8,
	XDP_VEIL_LEAST = 75, /* VEIL_OVERHEAD_CLIENT */
	XDP_VEIL_MOST = 1200,
	XDP_OWN_BITS = 10,
	XDP_OWN_SLOTS = 1 << XDP_OWN_BITS,
	XDP_OWN_PROBES = 8,
	XDP_HEADS_MOST = 14 + 2 * 4 + 40 + 60, /* Ethernet, two tags, IPv6, the longest TCP */
	XDP_FRAME_MOST = XDP_HEADS_MOST + XDP_VEIL_MOST + 6, /* a multiple of 8 */
};

/* Given when the program is loaded, and nobody's to change from then on. */
struct xdp_fixed {
	__u16 udp_port_be; /* 0: not in use */
	__u16 tcp_port_be;
	__u16 icmp;
	__u16
	    answers; /* not 0: hand knocks over and let all pass, since closed ports answer here */
};

struct xdp_setting {
	__u64 key[XDP_KEYS_MAX][2]; /* SipHash's k0 and k1 */
	__u64 keys;
};

/* IPv4 as ::ffff:a.b.c.d, bytes as on the wire. All zeros: the slot is free. */
struct xdp_address {
	__u64 half[2];
};

/*
 * Written by us through memory, read by the program. In the jail, too: keys are
 * rotated, and addresses come and go. So it decides only what becomes of frames
 * that struct xdp_fixed lets the program look at.
 */
struct xdp_control {
	__u32 active; /* 0: no keys yet, everything passes; else setting[active - 1] is in force */
	__u16 mac[3]; /* of the interface, its bytes as on the wire */
	__u16 unused;
	struct xdp_setting setting[2];
	/* This host's own: each stands within XDP_OWN_PROBES slots from xdp_slot() on. */
	struct xdp_address own[XDP_OWN_SLOTS];
};

enum xdp_counter {
	XDP_COUNT_LOST,	  /* the gate held, and the ring was full */
	XDP_COUNT_GATE,	  /* dropped: it did not hold */
	XDP_COUNT_LENGTH, /* dropped: not the length of a veil */
	XDP_COUNTERS = 8, /* a cache line */
};

/* One for each CPU, a cache line of its own. Written by the program. */
struct xdp_counts {
	__u64 of[XDP_COUNTERS];
};

/* What comes through the ring: a frame up to the veil's end. */
struct xdp_record {
	__u64 mono_ns; /* CLOCK_MONOTONIC */
	__u32 len;
	__u32 unused;
	__u8 bytes[XDP_FRAME_MOST];
};

/* Where an address is looked for first. */
static inline __u32 xdp_slot(__u64 first, __u64 second)
{
	__u64 mixed = (first ^ second) * 0x9e3779b97f4a7c15ULL;

	return (__u32)(mixed >> (64 - XDP_OWN_BITS));
}

#endif
