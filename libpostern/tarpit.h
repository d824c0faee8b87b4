/*
 * tarpit - is who took a connection a tarpit? It has no room for a single byte.
 * The programs that make connections compile it, too; the library does not show it.
 */
#ifndef LIBPOSTERN_TARPIT_H
#define LIBPOSTERN_TARPIT_H

#include <stdbool.h>

/* A connected TCP socket's other end. False, too, where the kernel (before 5.4) does not tell. */
bool is_tarpit(int sock);

#endif
