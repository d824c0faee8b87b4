#include "counter_xdp.h"

#include <err.h>
#include <linux/bpf.h>
#include <net/if.h>
#include <stdlib.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

static int count_map = -1; /* the program is one counter */

/* count[0] += 1; return XDP_DROP */
static int load_program(int map)
{
	const struct bpf_insn code[] = {
	    {.code = BPF_ST | BPF_MEM | BPF_W, .dst_reg = BPF_REG_10, .off = -4, .imm = 0},
	    {.code = BPF_ALU64 | BPF_MOV | BPF_X, .dst_reg = BPF_REG_2, .src_reg = BPF_REG_10},
	    {.code = BPF_ALU64 | BPF_ADD | BPF_K, .dst_reg = BPF_REG_2, .imm = -4},
	    {.code = BPF_LD | BPF_IMM | BPF_DW,
		.dst_reg = BPF_REG_1,
		.src_reg = BPF_PSEUDO_MAP_FD,
		.imm = map},
	    {.code = 0},
	    {.code = BPF_JMP | BPF_CALL, .imm = BPF_FUNC_map_lookup_elem},
	    {.code = BPF_JMP | BPF_JEQ | BPF_K, .dst_reg = BPF_REG_0, .off = 3, .imm = 0},
	    {.code = BPF_LDX | BPF_MEM | BPF_DW, .dst_reg = BPF_REG_1, .src_reg = BPF_REG_0},
	    {.code = BPF_ALU64 | BPF_ADD | BPF_K, .dst_reg = BPF_REG_1, .imm = 1},
	    {.code = BPF_STX | BPF_MEM | BPF_DW, .dst_reg = BPF_REG_0, .src_reg = BPF_REG_1},
	    {.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = XDP_DROP},
	    {.code = BPF_JMP | BPF_EXIT},
	};

	return bpf_prog_load(
	    BPF_PROG_TYPE_XDP, "count", "ISC", code, sizeof(code) / sizeof(code[0]), NULL);
}

void counter_xdp_open(const char *interface)
{
	int program;

	count_map = bpf_map_create(
	    BPF_MAP_TYPE_PERCPU_ARRAY, "count", sizeof(uint32_t), sizeof(uint64_t), 1, NULL);
	program = load_program(count_map);
	if (count_map < 0 || program < 0 ||
	    bpf_link_create(program, (int)if_nametoindex(interface), BPF_XDP, NULL) < 0)
		err(1, "%s: xdp", interface);
}

uint64_t counter_xdp_seen(void)
{
	uint64_t seen = 0;
	const uint32_t key = 0;
	int cpus = libbpf_num_possible_cpus();
	uint64_t *each = calloc(cpus > 0 ? (size_t)cpus : 1, sizeof(*each));

	if (each != NULL && bpf_map_lookup_elem(count_map, &key, each) == 0)
		for (int i = 0; i < cpus; i++)
			seen += each[i];
	free(each);
	return seen;
}
