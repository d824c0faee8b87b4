/* What the parts of auth_lab have of each other. */
#ifndef POSTERN_TEST_AUTH_LAB_INSIDE_H
#define POSTERN_TEST_AUTH_LAB_INSIDE_H

#include "auth_lab.h"

/* The i-th client's, as the clients file has it. */
void lab_fingerprint(unsigned i, char out[static FINGERPRINT_TEXT]);
/* The client's half of gpg. */
struct pgp_ops lab_wax(struct lab_client *c);
/* The server's: auth_world's. */
int lab_world_pgp(void *arg, const struct msg_pgp *m);

#endif
