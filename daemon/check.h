/* check - what posternd --check, --print-config and --print-directives do. */
#ifndef POSTERN_DAEMON_CHECK_H
#define POSTERN_DAEMON_CHECK_H

/*
 * Check the configuration at path, and the clients and keys that it names
 * (from dir). All that is wrong goes to stderr. Returns EXIT_SUCCESS or EXIT_FAILURE.
 */
int check_all(const char *path, const char *dir);
/* Print the configuration as it is understood, defaults filled in. Returns as above. */
int check_print(const char *path);
/* Print the tables of directives for the manual. */
int check_print_directives(void);

#endif
