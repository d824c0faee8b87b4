/*
 * xdp.bpf - runs in the kernel for each frame that an interface receives,
 * before anything else of the host sees it: takes knocks, drops strangers.
 *
 * It acts on plain packets alone: Ethernet with up to two tags in the frame,
 * IPv4 without options or IPv6 without extension headers, whole, to the
 * interface's own hardware address and to an address of this host (a router
 * sees other hosts' packets here, too). Everything else passes to where it
 * would have gone without us: to the firewall's guard, and to the AF_PACKET
 * ring that xdp.c has beside this. So it is never wrong to pass, only slower.
 */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/tcp.h>
#include <linux/udp.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "xdp_shared.h"

enum {
	TAGS_MAX = 2,
	WORDS = 256,
	V4_PLAIN = 0x45,	    /* version 4, no options */
	V4_MORE_OR_OFFSET = 0x3fff, /* of a fragment */
	V4_MAPPED = 0xffff,
	TCP_FLAGS_AT = 13,
	TCP_FLAGS = 0x17, /* ACK, RST, SYN, FIN: what decides whether it is the first one */
	TCP_SYN = 0x02,
	ICMP_HEAD_BYTES = 8,
	ICMP_ECHO = 8,
	ICMP6_ECHO = 128,
	PROTO_ICMPV6 = 58,
	QINQ_OLD = 0x9100,
};

/* The compiler shall not merge the comparisons before and after: the verifier would not follow. */
#define APART(x) __asm__ volatile("" : "+r"(x))

#ifdef __BIG_ENDIAN__
#define le64(x) __builtin_bswap64(x)
#else
#define le64(x) (x)
#endif

struct ethernet {
	__u16 to[3], from[3];
	__be16 type;
};

struct tag {
	__be16 vlan;
	__be16 type;
};

/* A veil's room; that many so that a mask can bound an index. */
struct scratch {
	__u64 word[WORDS + 1];
};

/* Where in a frame a veil may be. */
struct place {
	__u32 at;
	__u32 len; /* bytes; not bounded yet */
	__u32 proto;
	__u64 to[2]; /* the destination, as struct xdp_address */
};

/* Frozen by the kernel when we are loaded: constants to the verifier, and to whoever has the map. */
const volatile struct xdp_fixed fixed SEC(".rodata") = {0};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct xdp_control);
} control SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1); /* xdp_program.c: one for each CPU there may be */
	__type(key, __u32);
	__type(value, struct xdp_counts);
} counts SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct scratch);
} scratches SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4096); /* xdp_program.c says how much */
} ring SEC(".maps");

struct sip {
	__u64 v0, v1, v2, v3;
};

static __always_inline __u64 rotate(__u64 x, int by)
{
	return x << by | x >> (64 - by);
}

static __always_inline void sip_round(struct sip *s)
{
	s->v0 += s->v1;
	s->v2 += s->v3;
	s->v1 = rotate(s->v1, 13) ^ s->v0;
	s->v3 = rotate(s->v3, 16) ^ s->v2;
	s->v0 = rotate(s->v0, 32);
	s->v2 += s->v1;
	s->v0 += s->v3;
	s->v1 = rotate(s->v1, 17) ^ s->v2;
	s->v3 = rotate(s->v3, 21) ^ s->v0;
	s->v2 = rotate(s->v2, 32);
}

/* at: a multiple of 8. */
static __always_inline __u64 word_at(const struct scratch *veil, __u64 at)
{
	return le64(*(const __u64 *)((const __u8 *)veil->word + at % (8 * WORDS)));
}

static __always_inline const struct xdp_setting *in_force(const struct xdp_control *c)
{
	return &c->setting[c->active == 2];
}

/*
 * The functions that follow are functions of their own to the verifier, too: it
 * walks them once for all arguments, and not again for each way that leads here.
 */

/*
 * SipHash-2-4 of the len bytes behind the gate, under one of the keys in force.
 * All that the loop needs fits into registers: it reads each word twice, since
 * keeping it would cost more.
 */
__attribute__((noinline)) __u64 sip_hash(__u32 len, __u32 which)
{
	__u32 zero = 0;
	const struct xdp_control *c = bpf_map_lookup_elem(&control, &zero);
	const struct scratch *veil = bpf_map_lookup_elem(&scratches, &zero);
	__u64 left = len, at = XDP_GATE_BYTES, last = 0;

	if (!c || !veil || which >= XDP_KEYS_MAX || left > XDP_VEIL_MOST - XDP_GATE_BYTES)
		return 0;
	const __u64 *key = in_force(c)->key[which];
	struct sip s = {key[0] ^ 0x736f6d6570736575ULL, key[1] ^ 0x646f72616e646f6dULL,
	    key[0] ^ 0x6c7967656e657261ULL, key[1] ^ 0x7465646279746573ULL};
	for (; left >= 8; left -= 8, at += 8) {
		s.v3 ^= word_at(veil, at);
		sip_round(&s);
		sip_round(&s);
		APART(at);
		s.v0 ^= word_at(veil, at);
		APART(left); /* or it would be reckoned from at, with bounds that nobody knows */
	}
	/* Behind the end stands what an earlier veil left there. */
	if (left != 0)
		last = word_at(veil, at) & ((1ULL << (left * 8)) - 1);
	last |= (__u64)len << 56;
	s.v3 ^= last;
	sip_round(&s);
	sip_round(&s);
	s.v0 ^= last;
	s.v2 ^= 0xff;
	sip_round(&s);
	sip_round(&s);
	sip_round(&s);
	sip_round(&s);
	return s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
}

/*
 * Whether the len bytes at that place of the frame are a veil under one of the
 * keys: 1 or 0; -1 when they are not there.
 */
__attribute__((noinline)) int gate_holds(struct xdp_md *frame, __u32 at, __u32 len)
{
	__u32 zero = 0, i;
	const struct xdp_control *c = bpf_map_lookup_elem(&control, &zero);
	struct scratch *veil = bpf_map_lookup_elem(&scratches, &zero);

	if (!c || !veil || len < XDP_VEIL_LEAST)
		return -1;
	APART(len);
	if (len > XDP_VEIL_MOST || bpf_xdp_load_bytes(frame, at, veil, len) != 0)
		return -1;
	for (i = 0; i < XDP_KEYS_MAX && i < in_force(c)->keys; i++) {
		if (sip_hash(len - XDP_GATE_BYTES, i) == le64(veil->word[0]))
			return 1;
	}
	return 0;
}

/* Whether an address is of this host. */
__attribute__((noinline)) int is_own(__u64 first, __u64 second)
{
	__u32 zero = 0, i, slot = xdp_slot(first, second);
	const struct xdp_control *c = bpf_map_lookup_elem(&control, &zero);

	if (!c)
		return 0;
	for (i = 0; i < XDP_OWN_PROBES; i++) {
		const struct xdp_address *a = &c->own[(slot + i) % XDP_OWN_SLOTS];

		if (a->half[0] == first && a->half[1] == second)
			return 1;
	}
	return 0;
}

static __always_inline void count(enum xdp_counter what)
{
	__u32 cpu = bpf_get_smp_processor_id();
	struct xdp_counts *n = bpf_map_lookup_elem(&counts, &cpu);

	if (n)
		n->of[what]++;
}

/* The frame up to its veil's end, to user space. */
static __always_inline int hand_over(struct xdp_md *frame, __u32 len)
{
	struct xdp_record *r = bpf_ringbuf_reserve(&ring, sizeof(*r), 0);

	if (!r)
		return -1;
	r->mono_ns = bpf_ktime_get_ns();
	r->len = len;
	r->unused = 0;
	if (len == 0)
		goto discard;
	APART(len);
	if (len > XDP_FRAME_MOST || bpf_xdp_load_bytes(frame, 0, r->bytes, len) != 0)
		goto discard;
	bpf_ringbuf_submit(r, 0);
	return 0;
discard:
	bpf_ringbuf_discard(r, 0);
	return -1;
}

static __always_inline int is_tag(__be16 type)
{
	return type == bpf_htons(ETH_P_8021Q) || type == bpf_htons(ETH_P_8021AD) ||
	       type == bpf_htons(QINQ_OLD);
}

/* The Ethernet header and its tags. Returns where what they bear begins, or 0: not for us. */
static __always_inline __u32 find_ip(
    const struct xdp_md *frame, const struct xdp_control *c, __be16 *type)
{
	const __u8 *data = (const __u8 *)(long)frame->data;
	const __u8 *end = (const __u8 *)(long)frame->data_end;
	const struct ethernet *eth = (const struct ethernet *)data;
	__u32 at = sizeof(*eth), i;

	if (data + sizeof(*eth) > end || eth->to[0] != c->mac[0] || eth->to[1] != c->mac[1] ||
	    eth->to[2] != c->mac[2])
		return 0;
	*type = eth->type;
	for (i = 0; i < TAGS_MAX && is_tag(*type); i++) {
		const struct tag *tag = (const struct tag *)(data + at);

		if (data + at + sizeof(*tag) > end)
			return 0;
		*type = tag->type;
		at += sizeof(*tag);
	}
	return at;
}

/* Plain, whole IPv4; p becomes what is in it. Returns 0, or -1: to the slow path. */
static __always_inline int find_v4(const struct xdp_md *frame, __u32 at, struct place *p)
{
	const __u8 *data = (const __u8 *)(long)frame->data;
	const __u8 *end = (const __u8 *)(long)frame->data_end;
	const struct iphdr *ip = (const struct iphdr *)(data + at);

	if (data + at + sizeof(*ip) > end)
		return -1;
	__u32 total = bpf_ntohs(ip->tot_len);
	if (*(const __u8 *)ip != V4_PLAIN || (ip->frag_off & bpf_htons(V4_MORE_OR_OFFSET)) != 0 ||
	    total < sizeof(*ip))
		return -1;
	struct {
		__be32 zero[2];
		__be32 mapped;
		__be32 v4;
	} to = {{0, 0}, bpf_htonl(V4_MAPPED), ip->daddr};
	__builtin_memcpy(p->to, &to, sizeof(p->to));
	p->proto = ip->protocol;
	p->at = at + sizeof(*ip);
	p->len = total - sizeof(*ip);
	return 0;
}

static __always_inline int find_v6(const struct xdp_md *frame, __u32 at, struct place *p)
{
	const __u8 *data = (const __u8 *)(long)frame->data;
	const __u8 *end = (const __u8 *)(long)frame->data_end;
	const struct ipv6hdr *ip = (const struct ipv6hdr *)(data + at);

	if (data + at + sizeof(*ip) > end || ip->version != 6)
		return -1;
	__builtin_memcpy(p->to, &ip->daddr, sizeof(p->to));
	p->proto = ip->nexthdr; /* of an extension header's it is none that find_veil() knows */
	p->at = at + sizeof(*ip);
	p->len = bpf_ntohs(ip->payload_len);
	return 0;
}

/* Takes the head's bytes off the front of p. */
static __always_inline int step(struct place *p, __u32 head)
{
	if (p->len < head)
		return -1;
	p->at += head;
	p->len -= head;
	return 0;
}

static __always_inline int find_in_udp(const struct xdp_md *frame, struct place *p)
{
	const __u8 *data = (const __u8 *)(long)frame->data;
	const __u8 *end = (const __u8 *)(long)frame->data_end;
	const struct udphdr *udp = (const struct udphdr *)(data + p->at);

	if (data + p->at + sizeof(*udp) > end || udp->dest != fixed.udp_port_be ||
	    fixed.udp_port_be == 0 || bpf_ntohs(udp->len) != p->len)
		return -1;
	return step(p, sizeof(*udp));
}

/* The first segment of a connection. Without a payload it is no knock. */
static __always_inline int find_in_tcp(const struct xdp_md *frame, struct place *p)
{
	const __u8 *data = (const __u8 *)(long)frame->data;
	const __u8 *end = (const __u8 *)(long)frame->data_end;
	const __u8 *head = data + p->at;
	const struct tcphdr *tcp = (const struct tcphdr *)head;

	if (head + sizeof(*tcp) > end || tcp->dest != fixed.tcp_port_be || fixed.tcp_port_be == 0 ||
	    (head[TCP_FLAGS_AT] & TCP_FLAGS) != TCP_SYN || tcp->doff < 5)
		return -1;
	return step(p, tcp->doff * 4U);
}

static __always_inline int find_in_icmp(const struct xdp_md *frame, struct place *p)
{
	const __u8 *data = (const __u8 *)(long)frame->data;
	const __u8 *end = (const __u8 *)(long)frame->data_end;
	const __u8 *type = data + p->at;

	if (!fixed.icmp || type + ICMP_HEAD_BYTES > end ||
	    *type != (p->proto == IPPROTO_ICMP ? ICMP_ECHO : ICMP6_ECHO))
		return -1;
	return step(p, ICMP_HEAD_BYTES);
}

static __always_inline int find_veil(const struct xdp_md *frame, struct place *p)
{
	switch (p->proto) {
	case IPPROTO_UDP:
		return find_in_udp(frame, p);
	case IPPROTO_TCP:
		return find_in_tcp(frame, p);
	case IPPROTO_ICMP:
	case PROTO_ICMPV6:
		return find_in_icmp(frame, p);
	default:
		return -1;
	}
}

/*
 * UDP's knock port is ours alone. A TCP port may have a service behind it, and
 * an echo request is answered by the kernel, knock or not: what is none goes on.
 */
static __always_inline int refuse(const struct place *p, enum xdp_counter why)
{
	if (p->proto != IPPROTO_UDP || fixed.answers)
		return XDP_PASS;
	count(why);
	return XDP_DROP;
}

static __always_inline int judge(struct xdp_md *frame, const struct place *p)
{
	int holds;

	if (p->len < XDP_VEIL_LEAST || p->len > XDP_VEIL_MOST)
		return refuse(p, XDP_COUNT_LENGTH);
	holds = gate_holds(frame, p->at, p->len);
	if (holds < 0) /* lengths that lie */
		return XDP_PASS;
	if (!holds)
		return refuse(p, XDP_COUNT_GATE);
	if (hand_over(frame, p->at + p->len) != 0)
		count(XDP_COUNT_LOST);
	return fixed.answers || (p->proto != IPPROTO_UDP && p->proto != IPPROTO_TCP) ? XDP_PASS
										     : XDP_DROP;
}

SEC("xdp.frags")
int postern_gate(struct xdp_md *frame)
{
	__u32 zero = 0, at;
	const struct xdp_control *c = bpf_map_lookup_elem(&control, &zero);
	struct place p = {0};
	__be16 type = 0;

	if (!c || c->active == 0)
		return XDP_PASS;
	at = find_ip(frame, c, &type);
	if (at == 0 || (type != bpf_htons(ETH_P_IP) && type != bpf_htons(ETH_P_IPV6)))
		return XDP_PASS;
	if (type == bpf_htons(ETH_P_IP) ? find_v4(frame, at, &p) : find_v6(frame, at, &p))
		return XDP_PASS;
	if (find_veil(frame, &p) != 0 || !is_own(p.to[0], p.to[1]))
		return XDP_PASS;
	return judge(frame, &p);
}

const char terms[] SEC("license") = "ISC";
