/*
 * terminal - ask for a secret at a terminal, without echo.
 *
 * Whatever signal ends or stops the process meanwhile, the terminal has its
 * echo back first. After a stop the question is put again.
 */
#ifndef POSTERN_TERMINAL_H
#define POSTERN_TERMINAL_H

#include <stddef.h>

/*
 * Put the question at tty (borrowed, readable and writable) and read one line of at most size - 1
 * bytes, without its end, into out. Blocks. Returns 0; -1 with errno and out wiped: EMSGSIZE, it is
 * longer; EINTR, a signal that somebody catches came, and its handler has run; 0, nothing was typed
 * but the end of the file. A signal that nobody catches does what it does.
 */
int terminal_ask(int tty, const char *question, char *out, size_t size)
    __attribute__((warn_unused_result));

#endif
