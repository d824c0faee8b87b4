/* connect - is a guarded TCP port open for us by now? Source address given, so that each sample can
 * have its own. */
#ifndef POSTERN_BENCH_CONNECT_H
#define POSTERN_BENCH_CONNECT_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

/* One fresh non-blocking connection, given up after wait_us. */
bool connect_once(const struct in_addr *from, const struct sockaddr_in *to, uint32_t wait_us);
/* Fresh ones until one succeeds or give_up_ns (CLOCK_MONOTONIC) is reached. Returns the time of
 * success, or 0. */
uint64_t connect_poll(
    const struct in_addr *from, const struct sockaddr_in *to, uint64_t give_up_ns);

#endif
