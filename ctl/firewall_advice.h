/*
 * firewall_advice - what firewall check has found: a list of objects, gathered
 * first (one for each chain, however many services it concerns), told then.
 *   severity  "advice": something to do; "note": good to know
 *   text      for people
 *   chain, services, command   where it is about a base chain
 */
#ifndef POSTERN_CTL_FIREWALL_ADVICE_H
#define POSTERN_CTL_FIREWALL_ADVICE_H

#include <jansson.h>

#include "ctl.h"
#include "firewall_ruleset.h"

void advice_add(json_t *list, const char *text);
void advice_note(json_t *list, const char *text);
/* A base chain in which what the guard lets in for a service ends; NULL: our replies. */
void advice_add_chain(json_t *list, const struct place *base, const char *service);
/* One that lets a service in under conditions of its own. */
void advice_note_chain(json_t *list, const struct place *base, const char *service);

/* Fills the texts in and tells them all. Returns CTL_OK; CTL_ADVICE when there is something to do. */
int advice_tell(struct ctl *c, json_t *list, const struct config *config);

#endif
