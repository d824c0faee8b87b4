/*
 * init - the parts of posternctl init.
 */
#ifndef POSTERN_CTL_INIT_H
#define POSTERN_CTL_INIT_H

#include <stdint.h>
#include <sys/types.h>

#include "config.h"
#include "ctl.h"

/* The text of a posternd.conf that sets what c sets and tells of the rest. Given; ctl_text_free(). */
char *init_text(const struct config *c);

/* A free port that no program of this host takes by itself. Returns 0; -1 and told. */
int init_port_choose(struct ctl *c, uint16_t *out) __attribute__((warn_unused_result));
/* Does something on this host receive at this UDP port? */
bool init_port_is_taken(uint16_t port);
/* The same for SOCK_DGRAM or SOCK_STREAM. */
bool init_port_is_used(int type, uint16_t port);
/* Where ssh listens, as far as the connection that we run in tells; else 22. */
uint16_t init_ssh_port(void);

/* The users that are missing. made: how many were made, in the order of users. Returns 0; -1, told, and none is left. */
enum { INIT_USERS = 2 };
int init_users_make(struct ctl *c, const char *const users[static INIT_USERS],
    bool made[static INIT_USERS]) __attribute__((warn_unused_result));
/* One user alone, if it is missing. Returns 0; -1 and told. */
int init_user_ensure(struct ctl *c, const char *name) __attribute__((warn_unused_result));
void init_users_undo(
    struct ctl *c, const char *const users[static INIT_USERS], const bool made[static INIT_USERS]);

#endif
