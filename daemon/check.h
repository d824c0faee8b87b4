/* check - what posternd --check, --print-config and --print-directives do. */
#ifndef POSTERN_DAEMON_CHECK_H
#define POSTERN_DAEMON_CHECK_H

#include "config.h"
#include "report.h"

/*
 * Check the configuration at path, and the clients and keys that it names
 * (from dir). All that is wrong goes to stderr. Returns EXIT_SUCCESS or EXIT_FAILURE.
 */
int check_all(const char *path, const char *dir);
/* Print the configuration as it is understood, defaults filled in. Returns as above. */
int check_print(const char *path);
/* Print the tables of directives for the manual. */
int check_print_directives(void);

/*
 * What the capture library alone can tell of a configuration: whether it has
 * the methods, and whether filters are some. Returns 0, or -1 and reported.
 */
int check_methods(const struct config *c, const char *path, struct report *r)
    __attribute__((warn_unused_result));

#endif
