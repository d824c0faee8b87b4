/*
 * trapped - from a frame that the firewall logged for a trap to what auth is
 * told of it. Pure.
 */
#ifndef POSTERN_CAPTURE_TRAPPED_H
#define POSTERN_CAPTURE_TRAPPED_H

#include "capture.h"
#include "message.h"

/* CAPTURE_MATCHED, and *out is to be handed over; else why not. */
enum capture_counter trapped_read(const struct capture_frame *frame, struct msg_trapped *out)
    __attribute__((warn_unused_result));

#endif
