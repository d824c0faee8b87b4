/* home - see home.h. */
#include "home.h"

#include <pwd.h>
#include <stdio.h>
#include <sys/stat.h>

int openpgp_home(const struct config *c, char home[static GPG_HOME_MAX + 1], struct report *r)
{
	const struct passwd *pw = getpwnam(c->openpgp_user);
	const int len = snprintf(home, GPG_HOME_MAX + 1, "%s/openpgp", c->state_dir);
	struct stat st;

	if (len < 0 || len > GPG_HOME_MAX) {
		report_error(r, c->state_dir, 0,
		    "the keyring in it would have a path of more than %d bytes, and gpg's agent "
		    "has "
		    "no room for its socket: take a shorter state-dir",
		    GPG_HOME_MAX);
		return -1;
	}
	if (!pw || stat(home, &st) || !S_ISDIR(st.st_mode) || st.st_uid != pw->pw_uid ||
	    (st.st_mode & (S_IRWXG | S_IRWXO))) {
		report_error(r, home, 0,
		    "a client uses OpenPGP, so there must be a keyring that is the user %s's "
		    "alone: "
		    "posternctl client add --openpgp makes both",
		    c->openpgp_user);
		return -1;
	}
	return 0;
}
