#include "fanout.h"

#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <stddef.h>
#include <sys/socket.h>

enum {
	TAGS_MAX = 2, /* besides the one that the kernel takes off */
	TAG_BYTES = 4,
	V4_SOURCE_AT = 12,
	V6_SOURCE_AT = 8,
	V6_WORDS = 4,
	CODE_MAX = 96,
};

struct code {
	struct sock_filter at[CODE_MAX];
	unsigned short len;
};

static void emit(struct code *c, struct sock_filter instruction)
{
	c->at[c->len++] = instruction;
}

#define DO(op, k) emit(c, (struct sock_filter)BPF_STMT(op, k))
#define IF_EQUAL(k, skip) \
	emit(c, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, k, 0, skip))

/* The kernel takes the result modulo the number of sockets, so the low bits must hang on all. */
static void emit_choice(struct code *c)
{
	DO(BPF_ALU | BPF_MUL | BPF_K, 0x9e3779b1);
	DO(BPF_MISC | BPF_TAX, 0);
	DO(BPF_ALU | BPF_RSH | BPF_K, 16);
	DO(BPF_ALU | BPF_XOR | BPF_X, 0);
	DO(BPF_RET | BPF_A, 0);
}

/* What stands at that place is IPv4 or IPv6, as the type in the accumulator says; else go on. */
static void emit_ip(struct code *c, unsigned at)
{
	unsigned short test = c->len;

	IF_EQUAL(ETH_P_IP, 0);
	DO(BPF_LD | BPF_W | BPF_ABS, at + V4_SOURCE_AT);
	emit_choice(c);
	c->at[test].jf = (uint8_t)(c->len - test - 1);
	test = c->len;
	IF_EQUAL(ETH_P_IPV6, 0);
	DO(BPF_LD | BPF_W | BPF_ABS, at + V6_SOURCE_AT);
	for (unsigned i = 1; i < V6_WORDS; i++) {
		DO(BPF_MISC | BPF_TAX, 0);
		DO(BPF_LD | BPF_W | BPF_ABS, at + V6_SOURCE_AT + 4 * i);
		DO(BPF_ALU | BPF_XOR | BPF_X, 0);
	}
	emit_choice(c);
	c->at[test].jf = (uint8_t)(c->len - test - 1);
}

/*
 * It runs where the kernel would read IP: behind the link's header, and behind
 * the first tag. What is no IP in the end goes to the first socket, whose
 * filter throws it away.
 */
static void make_code(struct code *c)
{
	*c = (struct code){.len = 0};
	DO(BPF_LD | BPF_W | BPF_ABS, (uint32_t)(SKF_AD_OFF + SKF_AD_PROTOCOL));
	for (unsigned tags = 0; tags <= TAGS_MAX; tags++) {
		emit_ip(c, tags * TAG_BYTES);
		DO(BPF_LD | BPF_H | BPF_ABS, tags * TAG_BYTES + 2);
	}
	DO(BPF_RET | BPF_K, 0);
}

int fanout_join(int fd, uint16_t group)
{
	const uint32_t how = PACKET_FANOUT_CBPF | PACKET_FANOUT_FLAG_ROLLOVER;
	uint32_t join = group | how << 16;
	struct code code;
	struct sock_fprog program;

	make_code(&code);
	program = (struct sock_fprog){.len = code.len, .filter = code.at};
	if (setsockopt(fd, SOL_PACKET, PACKET_FANOUT, &join, sizeof(join)) != 0)
		return -1;
	return setsockopt(fd, SOL_PACKET, PACKET_FANOUT_DATA, &program, sizeof(program));
}
