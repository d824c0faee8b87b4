/*
 * recording - a pcap or pcapng file, read as its bytes come in.
 *
 * Pure, no allocation; the caller keeps the bytes that are not yet a whole
 * record. It believes nothing that the bytes say.
 */
#ifndef POSTERN_CAPTURE_RECORDING_H
#define POSTERN_CAPTURE_RECORDING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "capture.h"

enum {
	RECORDING_PART_MAX = 1 << 19, /* the longest record or block: the caller's room */
	RECORDING_LINKS_MAX = 64,     /* interfaces of a pcapng section that are known */
};

enum recording_result {
	RECORDING_FRAME,   /* used bytes were a record: here is its frame */
	RECORDING_SKIPPED, /* used bytes were something else, or of a kind that we cannot read */
	RECORDING_MORE,	   /* more bytes are needed; nothing was used */
	RECORDING_BAD,	   /* this is no recording, or not any more: there is no way on */
};

struct recording_link {
	uint32_t type; /* as the file numbers it */
	uint32_t snap; /* 0: none */
	uint8_t resolution;
};

/* Begins as zeros. */
struct recording {
	enum { RECORDING_NEW, RECORDING_PCAP, RECORDING_PCAPNG } format;
	bool little; /* its numbers' byte order */
	unsigned links;
	struct recording_link link[RECORDING_LINKS_MAX]; /* pcap: the first alone */
};

/*
 * Read one part from the front of the bytes. Returns what it was, and in *used
 * its length; the frame borrows the bytes, and tells no interface.
 */
enum recording_result recording_next(struct recording *r, const uint8_t *bytes, size_t len,
    size_t *used, struct capture_frame *frame) __attribute__((warn_unused_result));

#endif
