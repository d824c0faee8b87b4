/*
 * bind - what an M1 is bound to: the label's cid and t, and the carrier.
 */
#ifndef POSTERN_ENVELOPE_BIND_H
#define POSTERN_ENVELOPE_BIND_H

#include <stdint.h>

#include "veil.h"

struct envelope_bind {
	enum carrier_id carrier;
	uint8_t cid[CID_BYTES];
	uint64_t t;
};

#endif
