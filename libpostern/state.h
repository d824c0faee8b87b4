/*
 * state - the client's memory of time: the last t that it ever sent, and how
 * far the server's clock is ahead of ours. One small file for each profile.
 *
 * A t must never be used twice nor go back, whatever crashes and however many
 * programs knock at once: it is on the disk, under a lock, before it is given
 * out. Two records are written in turn, so that a write cut short by a crash
 * costs a t that was not sent, and nothing else.
 */
#ifndef LIBPOSTERN_STATE_H
#define LIBPOSTERN_STATE_H

#include <stdbool.h>
#include <stdint.h>

#include "keys.h"
#include "trouble.h"

struct state {
	int fd;
	uint8_t cid[CID_BYTES];
	bool damaged;	   /* there was a file, and nothing in it could be read */
	int64_t offset_ns; /* as last read: the server's clock less ours */
};

/*
 * Open, or begin, DIR/NAME.state; folders are made (0700). A file that belongs
 * to another cid counts as none. Returns 0, or -1 (told).
 */
int state_open(struct state *s, const char *dir, const char *name,
    const uint8_t cid[static CID_BYTES], struct trouble *t) __attribute__((warn_unused_result));
void state_close(struct state *s);

/*
 * Draw a t: max(last + 1, clock + offset), on the disk when this returns.
 * Returns 0, or -1 with errno, and then nothing may be sent.
 */
int state_draw(struct state *s, uint64_t clock_ns, uint64_t *t_ns)
    __attribute__((warn_unused_result));

/* What time the server has, by the offset that state_draw() found last. */
uint64_t state_server_time(const struct state *s, uint64_t clock_ns);

/* Keep what an authentic reply says of the server's clock. Returns 0 or -1 with errno. */
int state_learn(struct state *s, uint64_t server_ns, uint64_t clock_ns)
    __attribute__((warn_unused_result));

/* Make a folder and those above it, 0700. Returns 0 or -1 with errno. */
int state_make_folder(const char *path) __attribute__((warn_unused_result));

#endif
