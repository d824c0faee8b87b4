/*
 * firewall_advice - what firewall check has found: a list of objects, gathered
 * first (one for each chain, however many services it concerns), told then.
 *   severity  "advice": something to do; "note": good to know
 *   text      for people
 *   about     "doors", "replies", "early" or "knocks", where it is about a base chain
 *   chain, services, command   then, too
 */
#ifndef POSTERN_CTL_FIREWALL_ADVICE_H
#define POSTERN_CTL_FIREWALL_ADVICE_H

#include <jansson.h>

#include "ctl.h"
#include "firewall_ruleset.h"

void advice_add(json_t *list, const char *text);
void advice_note(json_t *list, const char *text);
/* A base chain in which what the guard lets in for a service ends; NULL: our replies. */
void advice_add_chain(json_t *list, const struct place *base, const struct service *s);
/* One before the guard in which every packet to a service ends. */
void advice_add_early(json_t *list, const struct place *base, const struct service *s);
/* One that lets a service in under conditions of its own. */
void advice_note_chain(json_t *list, const struct place *base, const struct service *s);
/* One in which knocks end that capture = udp waits for at this port. */
void advice_add_knocks(json_t *list, const struct place *base, uint16_t port);
/* There are rules that cannot be read, but changed with this program. */
void advice_note_legacy(json_t *list, const char *program);

/* Fills the texts in and tells them all. Returns CTL_OK; CTL_ADVICE when there is something to do. */
int advice_tell(struct ctl *c, json_t *list, const struct config *config);

#endif
