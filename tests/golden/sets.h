/*
 * sets - examples of the carrier sequence: pieces of both layouts, rolling
 * ports, and the reset that answers a piece in a SYN.
 */
#ifndef POSTERN_TESTS_SETS_H
#define POSTERN_TESTS_SETS_H

#include "emit.h"
#include "keys.h"

void tell_sets(struct emit *e, const struct door_keys *door);

#endif
