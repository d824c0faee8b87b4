/*
 * worked - knocks with all chance taken out of them, byte by byte: the examples
 * of doc/protocol.md and the yardstick of other implementations.
 */
#ifndef POSTERN_TESTS_WORKED_H
#define POSTERN_TESTS_WORKED_H

#include <stdio.h>

/*
 * Write the examples as JSON: what protocol/ makes of fixed keys, times and
 * "random" bytes. Replaces the process's source of randomness for good.
 */
void worked_examples(FILE *out);

#endif
