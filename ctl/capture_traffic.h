/*
 * capture_traffic - packets for comparing capture methods, in a network
 * namespace of this process's own: what is sent out at one end of a veth pair
 * comes in at the other, TRAFFIC_INTERFACE. The kernel takes all of it away
 * with the process.
 */
#ifndef POSTERN_CTL_CAPTURE_TRAFFIC_H
#define POSTERN_CTL_CAPTURE_TRAFFIC_H

#include <stdbool.h>
#include <stdint.h>

#include "keys.h"

#define TRAFFIC_INTERFACE "near0"

enum {
	TRAFFIC_PORT = 62201,
	TRAFFIC_VEIL_BYTES = 384, /* as the shortest knock */
	TRAFFIC_WHY_MAX = 256,
};

struct traffic;

/*
 * Move this process into a namespace of its own and make the pair. The packets
 * are knocks by their gate (so that a method that looks at it hands them over)
 * under door keys made up for it, which go to keys. NULL with why.
 */
struct traffic *traffic_new(struct veil_keys *keys, char why[static TRAFFIC_WHY_MAX]);
void traffic_free(struct traffic *t);

/*
 * Send so many a second for so long, evenly but for bursts of some tens of
 * microseconds; as fast as possible when that is slower. stop(arg) is asked a
 * thousand times a second. Returns how many were sent.
 */
uint64_t traffic_send(
    struct traffic *t, unsigned rate, uint64_t for_ns, bool (*stop)(void *arg), void *arg);

#endif
