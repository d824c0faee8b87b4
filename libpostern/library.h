/*
 * library - what a struct postern is.
 */
#ifndef LIBPOSTERN_LIBRARY_H
#define LIBPOSTERN_LIBRARY_H

#include <stdbool.h>
#include <stdint.h>

#include "keys.h"
#include "postern.h"
#include "trouble.h"

struct postern {
	char *profiles_dir;
	char *state_dir;
	char *gnupg_dir; /* the keyring, where a profile names none */
	/* NULL: nobody is there */
	int (*ask)(
	    void *arg, enum postern_secret what, const char *profile, char *out, size_t size);
	void *ask_arg;
	struct trouble errors;
	struct trouble notes;
	/* Whose knocks met a trap: a later one does not go there again. */
	bool has_met_trap;
	uint8_t met_trap[CID_BYTES];
};

/* A path of a profile's, given: ~/ is the user's home. NULL without memory, or when it is too long. */
char *library_path(const char *path);

/* At the beginning of every public function that can fail. */
void library_begin(struct postern *p);

#endif
