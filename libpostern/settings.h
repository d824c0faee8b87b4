/*
 * settings - what a profile says about how its carriers travel. Each carrier
 * has a part of its own; all of it is plain data.
 */
#ifndef LIBPOSTERN_SETTINGS_H
#define LIBPOSTERN_SETTINGS_H

#include <stdint.h>

#include "carrier.h"
#include "web.h"

struct sequence_settings {
	struct carrier_sequence ports; /* no ports: the profile names none. pieces: one bit */
	uint8_t count;		       /* how many roll */
	uint8_t dummies_min, dummies_max;
	uint16_t gap_ms; /* the longest pause between two packets */
};

struct settings {
	uint16_t udp_port; /* profile: port */
	uint16_t tcp_port;
	struct web http;    /* where the web server is; no host: not known */
	struct web_via via; /* and the proxy on the way there */
	struct sequence_settings sequence;
};

#endif
