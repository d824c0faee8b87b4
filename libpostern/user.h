/*
 * user - the one who knocks: a PIN and a one-time code, given before or asked
 * for when a server wants them.
 */
#ifndef LIBPOSTERN_USER_H
#define LIBPOSTERN_USER_H

#include "request.h"

/* In memory of secret_new(). */
struct user_secrets {
	char code[CODE_MAX + 1]; /* "": not known */
	char pin[PIN_MAX + 1];	 /* "": not known */
};

struct postern_knock;

/* For struct user of exchange.h; arg is the knock. */
int user_give(void *arg, uint8_t asked, struct answer *a, uint64_t *took_ns);
void user_tell(void *arg, struct request *q);

#endif
