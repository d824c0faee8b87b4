/*
 * pieces - examples that stand alone: requests and replies in the clear, what a
 * server says to requests that are wrong, the datagrams that answer.
 */
#ifndef POSTERN_TESTS_PIECES_H
#define POSTERN_TESTS_PIECES_H

#include "emit.h"

void tell_pieces(struct emit *e);

#endif
