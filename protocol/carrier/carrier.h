/*
 * carrier - how covered bytes travel: bytes to packets, packets to bytes.
 *
 * The server's half is here, pure: recognise a captured packet, craft the one
 * that answers it. The client's sending half, which has sockets, is in
 * libpostern/.
 */
#ifndef POSTERN_CARRIER_CARRIER_H
#define POSTERN_CARRIER_CARRIER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "packet.h"
#include "veil.h"

enum {
	CRAFT_MAX = 40 + 60 + VEIL_ROOM, /* an IPv6 header, the longest L4 header, the veil */
	CARRIER_FILTER_MAX = 3072,
};

/*
 * Where an answer goes and what it answers: enough of the packet to craft the reply. No
 * pointers.
 */
struct route {
	enum carrier_id carrier;
	struct address client, server;
	uint16_t client_port, server_port; /* ICMP: identifier, sequence */
	bool is_tcp;			   /* sequence: its pieces are SYNs */
	uint32_t tcp_seq;     /* of what is answered; sequence: what is to be acknowledged */
	uint32_t tcp_tsval;   /* its clock; 0: its options are not those that a SYN has */
	uint16_t request_len; /* covered bytes of what is answered: no answer is longer */
	uint32_t ifindex;     /* where it came in; link-local answers need it */
	uint64_t along;	      /* sequence: bit i: its ports are those of the one with id i */
};

enum { HTTP_COOKIE_MAX = 32, HTTP_PATH_MAX = 64, HTTP_PROXIES_MAX = 8 };

/* Both ways to carry may be in use at a time. */
struct carrier_http {
	uint16_t port;			  /* 0: carrier not in use */
	char cookie[HTTP_COOKIE_MAX + 1]; /* its name; "": in no cookie */
	char path[HTTP_PATH_MAX + 1];	  /* what the token follows; "": in no path */
	unsigned proxies;
	struct prefix proxy[HTTP_PROXIES_MAX]; /* whose X-Forwarded-For is believed */
};

enum {
	SEQUENCE_PORTS_MIN = 5,
	SEQUENCE_PORTS_MAX = 32,
	SEQUENCES_MAX = 17,	    /* with the one that has no name */
	SEQUENCE_ID_MAX = 63,	    /* so that a set of them fits into 64 bits */
	SEQUENCES_LISTED_MAX = 128, /* ports of all lists together: a packet filter has them all */
};

/* What pieces are, as bits: see sequence.h. */
enum sequence_pieces {
	SEQUENCE_UDP = 1 << 0,	 /* plain ones in datagrams */
	SEQUENCE_TCP = 1 << 1,	 /* plain ones in SYNs */
	SEQUENCE_CLEAN = 1 << 2, /* slices that are a SYN's whole payload */
};

/* What they may be pieces of, as bits. */
enum sequence_covers { SEQUENCE_COVER_NONE = 1 << 0, SEQUENCE_COVER_PNG = 1 << 1 };

struct carrier_sequence {
	uint8_t id;	 /* 0: the one that has no name */
	uint8_t pieces;	 /* those in use */
	uint8_t covers;	 /* the same */
	uint8_t ports;	 /* how many; 0: none are known */
	uint16_t lo, hi; /* they roll within these; lo 0: they are listed */
	uint16_t port[SEQUENCE_PORTS_MAX];
};

/* What the server listens for. */
struct carrier_ports {
	uint16_t udp; /* 0: carrier not in use */
	uint16_t tcp; /* the same */
	bool icmp;
	struct carrier_http http;
	unsigned sequences; /* 0: carrier not in use */
	struct carrier_sequence sequence[SEQUENCES_MAX];
};

struct carrier {
	const char *name;
	enum carrier_id id;
	size_t room;	/* longest veil, cover none */
	bool has_reply; /* http has none */
	/* Is p one of ours? Fills r and what it bears (borrowed from p): the covered bytes, or
	 * what undress() makes them from. */
	bool (*recognise)(const struct carrier_ports *ports, const struct packet *p,
	    struct route *r, const uint8_t **bytes, size_t *len);
	/*
	 * Decode what recognise() found. Returns the length, or -E_FORMAT (also when out has no
	 * room). NULL: these are the covered bytes.
	 */
	int (*undress)(const uint8_t *found, size_t len, uint8_t *out, size_t cap);
	/*
	 * The IP packet that answers r with these bytes, headers and checksums
	 * complete but for IPv4's own, which the kernel fills.
	 * Returns its length or -E_SHORT.
	 */
	int (*craft)(
	    const struct route *r, const uint8_t *bytes, size_t len, uint8_t out[static CRAFT_MAX]);
	/*
	 * A pcap-filter(7) expression for what recognise() may accept, VLANs and IPv6 extension
	 * headers left out; returns its length or -E_SHORT.
	 */
	int (*filter)(const struct carrier_ports *ports, char *out, size_t cap);
};

extern const struct carrier carrier_udp, carrier_tcp, carrier_icmp, carrier_http, carrier_sequence;

const struct carrier *carrier_by_name(const char *name);
const struct carrier *carrier_by_id(enum carrier_id id);
/* All carriers, ended by NULL. */
const struct carrier *const *carrier_table(void);

#endif
