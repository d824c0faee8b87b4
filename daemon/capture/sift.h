/*
 * sift - from a captured frame to what is inside a veil: layers, carrier,
 * cover, gate, veil. Every frame that goes no further is counted by why.
 *
 * No I/O and no clock; allocates in sift_new() only. What a stranger sends
 * costs the headers and one SipHash a door key.
 */
#ifndef POSTERN_CAPTURE_SIFT_H
#define POSTERN_CAPTURE_SIFT_H

#include <stdbool.h>
#include <stdint.h>

#include "address.h"
#include "capture.h"
#include "carrier.h"
#include "message.h"

struct sift;

/* Aborts when there is no memory. The keys live in guarded memory; none are known yet. */
struct sift *sift_new(void);
void sift_free(struct sift *s);
/* Wipe the keys without any system call, for a process that may make few. */
void sift_forget(struct sift *s);

/* What to listen for from now on; for nothing at first. */
void sift_listen(struct sift *s, const struct carrier_ports *ports);

/*
 * Take the door keys in force from now on; the message's keys are
 * wiped. Returns 0, or -1 when the message is not sound, and nothing changes.
 */
int sift_keys(struct sift *s, struct msg_keys *keys) __attribute__((warn_unused_result));

/* Let a method that checks the gate itself, if it is one, know the ports and keys in force. */
void sift_tell(const struct sift *s, const struct capture_method *method, void *source);

/*
 * What became of one frame: the counter that was raised, or CAPTURE_MATCHED,
 * where *out is a knock to hand over and sift_handed() must be told how that
 * went. Before the first sift_keys() no gate holds.
 */
enum capture_counter sift_frame(struct sift *s, const struct capture_frame *frame,
    struct msg_knock *out) __attribute__((warn_unused_result));

/* The knock was handed over, or could not be: then the same packet may try again. */
void sift_handed(struct sift *s, bool handed);

/* Who sent the last frame; zeros when its headers could not be read. */
const struct address *sift_sender(const struct sift *s);

/* The carriers' filter expression for these ports. Its length; -1 when it does not fit. */
int sift_filter(const struct carrier_ports *ports, char *out, size_t cap);

/* CAPTURE_SEEN and CAPTURE_LOST are the method's to tell, and 0 here. */
const uint64_t *sift_counters(const struct sift *s);

#endif
