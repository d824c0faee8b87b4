/*
 * answers - what the server crafts by tcp and icmp, and the GET that takes a
 * knock along.
 */
#ifndef POSTERN_TESTS_ANSWERS_H
#define POSTERN_TESTS_ANSWERS_H

#include "emit.h"

void tell_answers(struct emit *e);

#endif
