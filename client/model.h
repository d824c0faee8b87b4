/*
 * model - what a command has to say, once, for people and for programs.
 *
 * An object of JSON values:
 *   command, profile   strings
 *   result             "granted" ("done" where no server was asked), "denied", "no answer",
 *                      "bad usage", "bad profile", "system error"; of an answer also "left alone"
 *   exit               the exit status
 *   error, note        sentences; lines, if several
 *   answers            one a family: family, result, server, local, seen, for, verdict, reason,
 *                      carrier, tested, unconfirmed, challenged, packets, clock_ahead_ms, round_trip_ms, doors, idle
 *   doors (of each)    service, protocol, port, seconds, session
 *   profiles           name, servers, port, services; or name, error
 *   closed             what close closed; config: what ssh-config made; file: what import made
 *   photos             of cover check: file, knocks (left), used, fields, why (it is of no use);
 *                      knocks: of all; where
 *   file, width, height, hidden, changed, encoded   of cover show
 * Every string is printable ASCII, whoever wrote it: model_text() sees to it.
 */
#ifndef POSTERN_CLIENT_MODEL_H
#define POSTERN_CLIENT_MODEL_H

#include <jansson.h>

#include "postern.h"

/* Both abort without memory, as all of model does: there is nothing left to say it with. */
json_t *model_new(const char *command);
/* A string with everything but printable ASCII and newlines as \xNN. Given. */
json_t *model_text(const char *text);
/* The same of so many bytes. */
json_t *model_bytes(const char *text, size_t bytes);
/* Sets a member, taking value. */
void model_set(json_t *object, const char *key, json_t *value);

/* The status alone, in place of one before. */
void model_result(json_t *model, int status);
/*
 * The status and, when it is not POSTERN_OK, what the library says of it; always its notes. Returns
 * status.
 */
int model_status(json_t *model, const struct postern *p, int status);
/* The same with an error of the program's own. */
int model_error(json_t *model, int status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* named: for which the doors are, or NULL when for the address that was seen. */
json_t *model_answer(const struct postern_answer *a, const char *named);
json_t *model_profile(const struct postern_profile *profile);

/* Print: as text on standard output, errors on standard error; or as JSON on standard output. */
void model_print_text(const json_t *model, bool quiet);
void model_print_json(const json_t *model);

#endif
