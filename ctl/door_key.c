/*
 * door_key - rotate the key that all clients share: the file's first line is
 * the current key, its second the previous one, which is still taken.
 */
#include <string.h>
#include <unistd.h>

#include "command.h"
#include "daemon.h"
#include "keys_read.h"
#include "output.h"
#include "replace.h"
#include "secret.h"

static int put_in_force(struct ctl *c, const struct server_keys *old, const struct server_keys *now)
{
	static const char comment[] = "door key: the current one, then the previous one, if any";
	char *text = keys_text(comment, now->door, now->doors);
	int status = CTL_FAILED;
	char *before;

	if (replace_file(c, old->door_path, text) == 0)
		status = daemon_reload(c);
	ctl_text_free(text);
	if (status != CTL_REFUSED)
		return status;
	before = keys_text(comment, old->door, old->doors);
	if (replace_file(c, old->door_path, before) == 0)
		output_warn(c, "%s: it is again as it was", old->door_path);
	ctl_text_free(before);
	return status;
}

static int rotate(struct ctl *c, const struct server_keys *old, struct server_keys *now)
{
	int status;

	if (old->doors > 1)
		return output_fail(c, CTL_FAILED,
		    "a rotation is under way: %s has a previous key; clients that have not knocked "
		    "since would be left behind. End it first: posternctl rotate-door-key "
		    "--forget-previous",
		    old->door_path);
	memcpy(now->door[1], old->door[0], KEY_BYTES);
	secret_random(now->door[0], KEY_BYTES);
	now->doors = 2;
	status = put_in_force(c, old, now);
	if (status == CTL_OK) {
		output_say(c, "there is a new door key; the previous one is still taken");
		output_say(c, "each client gets the new one with the answer to its next knock");
		output_say(
		    c, "when all have knocked: posternctl rotate-door-key --forget-previous");
	}
	return status;
}

static int forget(struct ctl *c, const struct server_keys *old, struct server_keys *now)
{
	int status;

	if (old->doors == 1) {
		output_say(c, "there is no previous door key; nothing is to be done");
		return CTL_OK;
	}
	now->doors = 1;
	status = put_in_force(c, old, now);
	if (status == CTL_OK) {
		output_say(c, "the previous door key is forgotten");
		output_say(
		    c, "a client that has not knocked since the rotation needs a new profile");
	}
	return status;
}

static int change(struct ctl *c, bool forgets)
{
	struct server_keys *old = keys_read(c);
	struct server_keys *now;
	int status;

	if (old == NULL)
		return CTL_FAILED;
	now = secret_new(sizeof(*now));
	memcpy(now, old, sizeof(*now));
	status = forgets ? forget(c, old, now) : rotate(c, old, now);
	secret_free(now);
	secret_free(old);
	return status;
}

int cmd_rotate_door_key(struct ctl *c, const struct arguments *a)
{
	const struct config *config = ctl_config(c);
	char path[CTL_PATH_MAX];
	int lock, status;

	if (config == NULL || ctl_path(c, config->door_key, path) != 0)
		return CTL_FAILED;
	lock = replace_lock(c, path);
	if (lock < 0)
		return CTL_FAILED;
	status = change(c, arguments_value(a, "forget-previous") != NULL);
	(void)close(lock);
	return status;
}
