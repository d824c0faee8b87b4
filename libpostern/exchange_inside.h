/*
 * exchange_inside - what exchange.c and exchange_take.c share, and nobody else.
 */
#ifndef LIBPOSTERN_EXCHANGE_INSIDE_H
#define LIBPOSTERN_EXCHANGE_INSIDE_H

#include "exchange.h"

struct envelope_keys exchange_keys(const struct exchange *x);
/* Enter a phase; its first message is due at_ns. */
void exchange_begin(struct exchange *x, enum exchange_phase phase, uint64_t at_ns);

#endif
