/*
 * field - is a place in a photograph fit to hide something in?
 */
#ifndef LIBPOSTERN_FIELD_H
#define LIBPOSTERN_FIELD_H

#include "cover.h"

/*
 * False where it is too smooth (over 5 % of the samples equal both neighbours in their row: what
 * has no noise shows each change), or grey (over half of the pixels have no colour: three channels
 * that are one).
 */
bool field_is_fit(const struct picture *p);

/* A part of p. out has p's channels; out->sample is filled and has room. */
void field_cut(const struct picture *p, unsigned x, unsigned y, struct picture *out);

#endif
