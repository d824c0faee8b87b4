/*
 * closes - what closes a door beside its time, and for whom alone it is open,
 * as a few words.
 */
#ifndef POSTERN_CTL_CLOSES_H
#define POSTERN_CTL_CLOSES_H

#include <stdbool.h>
#include <stdint.h>

enum { CLOSES_TEXT = 48 };

/* idle_s and source_port: 0 for none. Returns out. */
const char *closes_text(
    uint32_t idle_s, uint16_t source_port, bool once, char out[static CLOSES_TEXT]);

#endif
