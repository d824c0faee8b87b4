/*
 * ask - ask the person who knocks for a PIN or a one-time code.
 *
 * By the program that POSTERN_ASKPASS names, if it names one: it is given the
 * question as its argument and prints the answer. Else at the terminal, without
 * echo. Else by pinentry(1). A program that fails is told of on standard error.
 */
#ifndef POSTERN_CLIENT_ASK_H
#define POSTERN_CLIENT_ASK_H

#include <stddef.h>

#include "postern.h"

/* For postern_set_ask(); arg is not used. A signal that is caught ends the wait at the terminal: nobody says it. */
int ask_person(void *arg, enum postern_secret what, const char *profile, char *out, size_t size);

/* The first line of a file, or of standard input where it is "-". Returns 0; -1 with errno (EMSGSIZE: longer). */
int ask_file(const char *path, char *out, size_t size);

#endif
