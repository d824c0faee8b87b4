/*
 * gather - pieces of the carrier sequence, at the ports of one of them and under their
 * tags, into the veil that they are pieces of. What comes whole is looked at
 * in sift.c; what is inside a veil, too.
 *
 * The time is that of the packets. Allocates in gather_new() and, 8 MiB that
 * are used only when pieces come, in gather_listen().
 */
#ifndef POSTERN_CAPTURE_GATHER_H
#define POSTERN_CAPTURE_GATHER_H

#include <stdbool.h>
#include <stdint.h>

#include "carrier.h"
#include "message.h"

struct gather;

/* Aborts when there is no memory. The keys live in guarded memory. */
struct gather *gather_new(void);
void gather_free(struct gather *g);
/* Wipe the keys, without any system call. */
void gather_forget(struct gather *g);

/* What is under way is forgotten. */
void gather_listen(struct gather *g, const struct carrier_ports *ports);
/* The keys in force from now on; what is under way is forgotten. Sound and borrowed. */
void gather_keys(struct gather *g, const struct msg_keys *keys);

/*
 * Does the packet go to a port that some sequence has at that time, whichever
 * of the keys it is under? Returns their ids as bits, as route.along has them.
 */
uint64_t gather_hears(struct gather *g, const struct packet *p, uint64_t now_ns);

/*
 * One packet that the carrier recognised as r, at a port that is heard. When
 * it made a set whole, CAPTURE_MATCHED: the veil is there, of *len bytes, and
 * r says whom to answer, and along which sequences all pieces came. Else why not.
 */
enum capture_counter gather_take(struct gather *g, const struct packet *p, uint64_t now_ns,
    struct route *r, uint8_t veil[static VEIL_ROOM], size_t *len);

/* Sets that ended unfinished, since the start. */
uint64_t gather_lost(const struct gather *g);

#endif
