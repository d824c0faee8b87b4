/*
 * counter_xdp - a program in the kernel that counts and drops every frame of
 * an interface; by itself, since libbpf and libpcap do not go together.
 */
#ifndef POSTERN_BENCH_COUNTER_XDP_H
#define POSTERN_BENCH_COUNTER_XDP_H

#include <stdint.h>

/* Ends the program with a message when it cannot. */
void counter_xdp_open(const char *interface);
uint64_t counter_xdp_seen(void);

#endif
