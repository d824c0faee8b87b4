/*
 * library - what a struct postern is.
 */
#ifndef LIBPOSTERN_LIBRARY_H
#define LIBPOSTERN_LIBRARY_H

#include "postern.h"
#include "trouble.h"

struct postern {
	char *profiles_dir;
	char *state_dir;
	struct trouble errors;
	struct trouble notes;
};

/* At the beginning of every public function that can fail. */
void library_begin(struct postern *p);

#endif
