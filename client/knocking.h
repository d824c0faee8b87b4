/*
 * knocking - what open, close, ping, list and connect share.
 */
#ifndef POSTERN_CLIENT_KNOCKING_H
#define POSTERN_CLIENT_KNOCKING_H

#include "command.h"
#include "ending.h"

enum { PIN_LINE = 64 };

/* A profile and a knock with it: begins with its library, perhaps an ending, and zeros; freed with knocking_end(). */
struct knocking {
	struct postern *lib;
	struct postern_profile *profile;
	struct postern_knock *knock;
	struct ending *ending; /* NULL: run() takes as long as it takes */
	const char *named;     /* the addresses that doors are for, NULL: those that knock */
};

/* Load the profile. Returns a status; when it is not POSTERN_OK, the model has the error. */
int knocking_load(struct knocking *k, const char *profile, json_t *model);
/* A new knock (the one before is freed) with what every knock takes. */
int knocking_make(
    struct knocking *k, const struct settings *s, enum postern_verb verb, json_t *model);
/* The PIN in the file of --pin-file. Returns a status; the model has the error. */
int knocking_read_pin(const struct settings *s, char pin[static PIN_LINE], json_t *model);
/* Run it; the model gets status and answers. POSTERN_AGAIN: the ending came first. */
int knocking_run(struct knocking *k, json_t *model);
/* open.c: load, make and run a knock for the doors that s asks for; to be ended in any case. */
int knocking_open(struct knocking *k, const struct settings *s, json_t *model);
/* close.c: the doors of these services, or of all of the profile. To be ended in any case. */
int knocking_close(struct knocking *k, const struct settings *s, json_t *model);
/* Was it sent where no answer comes, so that the door alone can tell? */
bool knocking_is_unconfirmed(const struct knocking *k);
void knocking_end(struct knocking *k);

#endif
