#include "folder.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "library.h"
#include "secret.h"
#include "state.h"

/* A file of secrets as it was read, in memory of secret_new(). */
struct text {
	char *at;
	size_t len;
};

static const char *last_part(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

/* ---- reading ---- */

/* Whoever could read it may have it: so it is refused, not mended in silence. */
static int check_file(int fd, const char *path, struct trouble *t)
{
	struct stat st;

	if (fstat(fd, &st) < 0) {
		trouble_say(t, "%s: cannot be looked at: %s", path, strerror(errno));
		return -1;
	}
	if (!S_ISREG(st.st_mode)) {
		trouble_say(t, "%s: is not a file: name a profile", path);
		return -1;
	}
	if (st.st_uid != geteuid()) {
		trouble_say(t,
		    "%s: belongs to another user (uid %u): a profile must be its user's own; "
		    "run this as that user, or 'chown' it",
		    path, (unsigned)st.st_uid);
		return -1;
	}
	if (st.st_mode & (S_IRWXG | S_IRWXO)) {
		trouble_say(t,
		    "%s: others can read or change it (mode %04o): run 'chmod 600 %s', and if "
		    "anybody "
		    "may have read it, have the server's administrator replace it",
		    path, (unsigned)(st.st_mode & 07777), path);
		return -1;
	}
	if (st.st_size > PROFILE_TEXT_MAX) {
		trouble_say(
		    t, "%s: is longer than %d bytes: that is no profile", path, PROFILE_TEXT_MAX);
		return -1;
	}
	return 0;
}

static int read_open_file(int fd, const char *path, struct text *out, struct trouble *t)
{
	if (check_file(fd, path, t) < 0)
		return -1;
	out->at = secret_new(PROFILE_TEXT_MAX);
	out->len = 0;
	while (out->len < PROFILE_TEXT_MAX) {
		ssize_t got = read(fd, out->at + out->len, PROFILE_TEXT_MAX - out->len);
		if (got == 0)
			return 0;
		if (got < 0 && errno != EINTR) {
			trouble_say(t, "%s: cannot be read: %s", path, strerror(errno));
			secret_free(out->at);
			out->at = NULL;
			return -1;
		}
		out->len += got > 0 ? (size_t)got : 0;
	}
	return 0;
}

/* Gives out->at, to be freed with secret_free(), on success alone. */
static int read_file(const char *path, struct text *out, struct trouble *t)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);

	*out = (struct text){0};
	if (fd < 0) {
		trouble_say(t, "%s: cannot be opened: %s", path, strerror(errno));
		return -1;
	}
	int done = read_open_file(fd, path, out, t);
	(void)close(fd);
	return done;
}

/* The keyring by its whole path. Returns 0, or -1: no memory. */
static int find_keyring(const struct postern *lib, struct postern_profile *p)
{
	char *home = library_path(p->openpgp.home ? p->openpgp.home : lib->gnupg_dir);

	free(p->openpgp.home);
	p->openpgp.home = home;
	return home ? 0 : -1;
}

static struct postern_profile *parse_text(
    struct postern *lib, const char *path, const struct text *text)
{
	struct postern_profile *p = profile_new();

	if (!p || !(p->path = strdup(path)) || !(p->state_dir = strdup(lib->state_dir))) {
		trouble_say(&lib->errors, "out of memory: end other programs and try again");
	} else if (profile_parse(p, path, text->at, text->len, &lib->errors) == 0 &&
		   find_keyring(lib, p) == 0) {
		p->owner = lib;
		return p;
	}
	profile_free(p);
	return NULL;
}

static struct postern_profile *load_path(struct postern *lib, const char *path)
{
	struct text text;

	if (read_file(path, &text, &lib->errors) < 0)
		return NULL;
	struct postern_profile *p = parse_text(lib, path, &text);
	secret_free(text.at);
	return p;
}

/* Returns 0, or -1 (told). */
static int path_of(struct postern *lib, const char *name, char out[static PATH_MAX])
{
	if (!name_is_valid(name)) {
		trouble_say(&lib->errors,
		    "'%s' is not a profile's name (1 to 32 of a-z, 0-9, '-' and '_'): "
		    "'postern profiles' lists yours",
		    name);
		return -1;
	}
	int len = snprintf(out, PATH_MAX, "%s/%s", lib->profiles_dir, name);
	if (len < 0 || len >= PATH_MAX) {
		trouble_say(&lib->errors,
		    "%s: the path is too long: set XDG_CONFIG_HOME to a shorter one",
		    lib->profiles_dir);
		return -1;
	}
	return 0;
}

struct postern_profile *folder_load(struct postern *lib, const char *name)
{
	char path[PATH_MAX];

	if (strchr(name, '/'))
		return load_path(lib, name);
	if (path_of(lib, name, path) < 0)
		return NULL;
	if (access(path, F_OK) < 0 && errno == ENOENT) {
		trouble_say(&lib->errors,
		    "%s: there is no such profile in %s: 'postern import FILE' brings one in", name,
		    lib->profiles_dir);
		return NULL;
	}
	struct postern_profile *p = load_path(lib, path);
	if (p) /* it may have been imported under another name than it gives itself */
		memcpy(p->name, name, strlen(name) + 1);
	return p;
}

int postern_profile_load(struct postern *lib, const char *name, struct postern_profile **out)
{
	library_begin(lib);
	*out = folder_load(lib, name);
	return *out ? POSTERN_OK : POSTERN_BAD_PROFILE;
}

/* ---- writing ---- */

static int write_all(int fd, const char *at, size_t len)
{
	while (len > 0) {
		ssize_t put = write(fd, at, len);
		if (put < 0 && errno != EINTR)
			return -1;
		if (put > 0) {
			at += put;
			len -= (size_t)put;
		}
	}
	return fsync(fd);
}

static void sync_folder_of(const char *path)
{
	char dir[PATH_MAX];
	size_t len = (size_t)(last_part(path) - path);

	if (len == 0 || len >= sizeof(dir))
		return;
	memcpy(dir, path, len);
	dir[len] = '\0';
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return;
	(void)fsync(fd);
	(void)close(fd);
}

/*
 * Put text at path in one step: all of it or nothing, also when the power
 * fails. replace: over the file that is there; else fail when there is one.
 * Returns 0 or -1 with errno.
 */
static int place(const char *path, const char *at, size_t len, bool replace)
{
	char temp[PATH_MAX];
	int name_len = snprintf(temp, sizeof(temp), "%s.new.XXXXXX", path);

	if (name_len < 0 || (size_t)name_len >= sizeof(temp)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	int fd = mkostemp(temp, O_CLOEXEC); /* 0600 */
	if (fd < 0)
		return -1;
	int done = write_all(fd, at, len);
	if (close(fd) < 0)
		done = -1;
	if (done == 0)
		done = replace ? rename(temp, path) : link(temp, path);
	int why = errno;
	if (done < 0 || !replace)
		(void)unlink(temp);
	if (done == 0)
		sync_folder_of(path);
	errno = why;
	return done;
}

static int write_import(struct postern *lib, const char *path, const struct text *text)
{
	if (state_make_folder(lib->profiles_dir) < 0) {
		trouble_say(
		    &lib->errors, "%s: cannot be made: %s", lib->profiles_dir, strerror(errno));
		return POSTERN_SYSTEM;
	}
	if (place(path, text->at, text->len, false) == 0)
		return POSTERN_OK;
	if (errno == EEXIST) {
		trouble_say(&lib->errors,
		    "%s: there is a profile of this name already: choose another with --name, "
		    "or remove that file first",
		    path);
		return POSTERN_BAD_ARGUMENT;
	}
	trouble_say(&lib->errors, "%s: cannot be written: %s", path, strerror(errno));
	return POSTERN_SYSTEM;
}

/* Takes the checked p, gives it on success. */
static int import_checked(struct postern *lib, struct postern_profile *p, const struct text *text,
    const char *name, struct postern_profile **out)
{
	char path[PATH_MAX];
	char *copy = NULL;
	int status = POSTERN_BAD_ARGUMENT;

	if (name && name_is_valid(name))
		memcpy(p->name, name, strlen(name) + 1);
	if (path_of(lib, name ? name : p->name, path) < 0)
		goto fail;
	status = POSTERN_SYSTEM;
	copy = strdup(path);
	if (!copy) {
		trouble_say(&lib->errors, "out of memory: end other programs and try again");
		goto fail;
	}
	/* A knock would only find out later that a key is missing. */
	status = POSTERN_BAD_PROFILE;
	if (p->openpgp.own[0] && openpgp_check(&p->openpgp, p->name, &lib->errors) < 0)
		goto fail;
	status = write_import(lib, path, text);
	if (status != POSTERN_OK)
		goto fail;
	free(p->path);
	p->path = copy;
	*out = p;
	return POSTERN_OK;
fail:
	free(copy);
	profile_free(p);
	return status;
}

int postern_profile_import(
    struct postern *lib, const char *file, const char *name, struct postern_profile **out)
{
	struct text text;

	library_begin(lib);
	*out = NULL;
	if (read_file(file, &text, &lib->errors) < 0)
		return POSTERN_BAD_PROFILE;
	struct postern_profile *p = parse_text(lib, file, &text);
	int status = p ? import_checked(lib, p, &text, name, out) : POSTERN_BAD_PROFILE;
	secret_free(text.at);
	return status;
}

/* ---- a new door key ---- */

static void use_keys(
    struct postern_profile *p, const uint8_t current[static KEY_BYTES], const uint8_t *former)
{
	struct profile_secrets *x = p->secrets;
	uint8_t kept[KEY_BYTES];

	/* former may lie in what is written first. */
	if (former)
		memcpy(kept, former, sizeof(kept));
	memmove(x->door_key[DOOR_KEY_CURRENT], current, KEY_BYTES);
	door_keys_derive(&x->door[DOOR_KEY_CURRENT], x->door_key[DOOR_KEY_CURRENT]);
	p->has_former_key = former != NULL;
	if (former) {
		memcpy(x->door_key[DOOR_KEY_FORMER], kept, sizeof(kept));
		door_keys_derive(&x->door[DOOR_KEY_FORMER], kept);
		secret_wipe(kept, sizeof(kept));
	}
}

/* What is about to replace the profile must be one that loads, with that key. */
static bool is_sound(const struct postern_profile *p, const char *text, size_t len,
    const uint8_t current[static KEY_BYTES], struct trouble *t)
{
	struct postern_profile *fresh = profile_new();
	bool sound = fresh && profile_parse(fresh, p->path, text, len, t) == 0 &&
		     secret_equal(fresh->secrets->door_key[DOOR_KEY_CURRENT], current, KEY_BYTES) &&
		     memcmp(fresh->cid, p->cid, CID_BYTES) == 0;

	profile_free(fresh);
	return sound;
}

int folder_rekey(struct postern_profile *p, const uint8_t current[static KEY_BYTES],
    const uint8_t *former, struct trouble *t)
{
	int done = -1;

	struct text old;

	if (read_file(p->path, &old, t) < 0)
		return -1;
	char *text = secret_new(PROFILE_TEXT_MAX + PROFILE_REKEY_ROOM);
	errno = EINVAL;
	size_t len = profile_rekey(old.at, old.len, current, former, text);
	if (is_sound(p, text, len, current, t))
		done = place(p->path, text, len, true);
	if (done < 0)
		trouble_say(t, "%s: the new door key cannot be written into it: %s", p->path,
		    strerror(errno));
	else
		use_keys(p, current, former);
	secret_free(text);
	secret_free(old.at);
	return done;
}
