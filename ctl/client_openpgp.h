/*
 * client_openpgp - the OpenPGP side of a new client: its public key is looked
 * at, then taken into the server's keyring, where the server's own key is made
 * if there is none.
 */
#ifndef POSTERN_CTL_CLIENT_OPENPGP_H
#define POSTERN_CTL_CLIENT_OPENPGP_H

#include "clients.h"
#include "ctl.h"
#include "gpg.h"

struct openpgp_part {
	uint8_t *bytes; /* the client's public key, as it is in the file; NULL: it has none */
	size_t len;
	char client[FINGERPRINT_TEXT];
	char server[FINGERPRINT_TEXT]; /* from openpgp_enrol() on */
	uint8_t *block;		       /* the server's public key */
	size_t block_len;
};

/* Read and check the client's key; changes nothing. Returns an enum ctl_status. */
int openpgp_look(struct ctl *c, const char *file, struct openpgp_part *p);
/* Put it into the keyring; the user and the server's key are made if they are missing. */
int openpgp_enrol(struct ctl *c, struct openpgp_part *p);
void openpgp_part_free(struct openpgp_part *p);

#endif
