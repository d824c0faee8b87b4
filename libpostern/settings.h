/*
 * settings - what a profile says about how its carriers travel. Each carrier
 * has a part of its own; all of it is plain data.
 */
#ifndef LIBPOSTERN_SETTINGS_H
#define LIBPOSTERN_SETTINGS_H

#include <stdint.h>

struct settings {
	uint16_t udp_port; /* profile: port */
};

#endif
