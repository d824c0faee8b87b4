#include "library.h"

#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "request.h"
#include "secret.h"

/* The public words are the protocol's. */
_Static_assert((int)POSTERN_OPEN == (int)VERB_OPEN && (int)POSTERN_CLOSE == (int)VERB_CLOSE &&
		   (int)POSTERN_PING == (int)VERB_PING && (int)POSTERN_LIST == (int)VERB_LIST,
    "verbs");
_Static_assert((int)POSTERN_VERDICT_REFRESHED == (int)VERDICT_REFRESHED &&
		   (int)POSTERN_VERDICT_DENIED == (int)VERDICT_DENIED &&
		   (int)POSTERN_VERDICT_EXPIRED == (int)VERDICT_EXPIRED,
    "verdicts");

/* What HOME says, or else the system's list of users (read into room). */
static const char *home_folder(char room[static PATH_MAX])
{
	const char *home = secure_getenv("HOME");
	struct passwd entry;
	struct passwd *user = NULL;

	if (home && home[0] == '/')
		return home;
	if (getpwuid_r(geteuid(), &entry, room, PATH_MAX, &user) == 0 && user && user->pw_dir)
		return user->pw_dir;
	return "/";
}

/* The variable counts only when it is absolute, as the XDG specification has it. */
static char *folder(const char *variable, const char *in_home, const char *tail)
{
	const char *base = secure_getenv(variable);
	char room[PATH_MAX];
	const char *home = home_folder(room);
	char path[PATH_MAX];
	int len;

	if (base && base[0] == '/')
		len = snprintf(path, sizeof(path), "%s/%s", base, tail);
	else
		len = snprintf(path, sizeof(path), "%s/%s/%s", home, in_home, tail);
	return len > 0 && (size_t)len < sizeof(path) ? strdup(path) : NULL;
}

char *library_path(const char *path)
{
	char room[PATH_MAX], out[PATH_MAX];
	int len;

	if (path[0] != '~')
		return strdup(path);
	len = snprintf(out, sizeof(out), "%s%s", home_folder(room), path + 1);
	return len > 0 && (size_t)len < sizeof(out) ? strdup(out) : NULL;
}

struct postern *postern_new(void)
{
	if (secret_init() < 0)
		return NULL;
	struct postern *p = calloc(1, sizeof(*p));
	if (!p)
		return NULL;
	p->profiles_dir = folder("XDG_CONFIG_HOME", ".config", "postern/profiles");
	p->state_dir = folder("XDG_STATE_HOME", ".local/state", "postern");
	p->gnupg_dir = folder("XDG_DATA_HOME", ".local/share", "postern/gnupg");
	if (!p->profiles_dir || !p->state_dir || !p->gnupg_dir) {
		postern_free(p);
		return NULL;
	}
	return p;
}

void postern_free(struct postern *p)
{
	if (!p)
		return;
	free(p->profiles_dir);
	free(p->state_dir);
	free(p->gnupg_dir);
	free(p);
}

static int replace(struct postern *p, char **where, const char *with)
{
	if (!with)
		return POSTERN_OK;
	char *copy = strdup(with);
	if (!copy) {
		trouble_say(&p->errors, "out of memory: end other programs and try again");
		return POSTERN_SYSTEM;
	}
	free(*where);
	*where = copy;
	return POSTERN_OK;
}

int postern_set_folders(struct postern *p, const char *profiles, const char *state)
{
	library_begin(p);
	int status = replace(p, &p->profiles_dir, profiles);
	return status == POSTERN_OK ? replace(p, &p->state_dir, state) : status;
}

void library_begin(struct postern *p)
{
	trouble_clear(&p->errors);
	trouble_clear(&p->notes);
}

const char *postern_error(const struct postern *p)
{
	return p->errors.text;
}

const char *postern_note(const struct postern *p)
{
	return p->notes.text;
}

const char *postern_version(void)
{
	return POSTERN_VERSION;
}

const char *postern_verdict_word(enum postern_verdict verdict)
{
	return verdict_word((enum verdict)verdict);
}
