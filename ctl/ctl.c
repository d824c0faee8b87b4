#include "ctl.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "keyfile.h"
#include "output.h"
#include "secret.h"

static void take_report(void *arg, const char *line)
{
	char text[REPORT_LINE_MAX];
	struct ctl *c = arg;

	if (report_unmark(line, text))
		output_warn(c, "%s", text);
	else
		(void)output_fail(c, CTL_FAILED, "%s", text);
}

struct report ctl_report(struct ctl *c)
{
	return (struct report){.say = take_report, .arg = c};
}

int ctl_path(struct ctl *c, const char *name, char out[static CTL_PATH_MAX])
{
	const char *slash = strrchr(c->config_path, '/');
	int folder = slash != NULL ? (int)(slash - c->config_path + 1) : 0;
	int n;

	if (name[0] == '/')
		folder = 0;
	n = snprintf(out, CTL_PATH_MAX, "%.*s%s", folder, c->config_path, name);
	if (n >= 0 && n < CTL_PATH_MAX)
		return 0;
	return -output_fail(c, CTL_FAILED, "%s: the path is too long; give a shorter one", name);
}

/* Whoever can write it decides who may knock: root alone. */
static int check_owner(int fd, const char *path, struct report *r)
{
	struct stat st;

	if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
		report_error(r, path, 0, "this is not a regular file; put the file itself there");
		return -1;
	}
	if ((st.st_uid != 0 && st.st_uid != geteuid()) || (st.st_mode & (S_IWGRP | S_IWOTH)) != 0) {
		report_error(r, path, 0,
		    "others than root may change it; say: chown root '%s' && chmod go-w '%s'", path,
		    path);
		return -1;
	}
	return 0;
}

const char *ctl_advice(int error)
{
	if (error == ENOENT)
		return "; posternctl init makes all that is needed";
	if (error == EACCES)
		return "; run this as root";
	return error == ELOOP ? "; put the file itself there, not a link" : "";
}

static char *read_open(struct ctl *c, int fd, const char *path, size_t most)
{
	struct stat st;
	char *text;
	long len;

	if (fstat(fd, &st) != 0 || st.st_size < 0 || (size_t)st.st_size > most) {
		(void)output_fail(c, CTL_FAILED, "%s: it is longer than %zu bytes", path, most);
		return NULL;
	}
	text = calloc(1, (size_t)st.st_size + 1);
	if (text == NULL)
		abort();
	len = keyfile_read(fd, text, (size_t)st.st_size + 1);
	if (len < 0 || strlen(text) != (size_t)len) {
		(void)output_fail(c, CTL_FAILED, "%s: it cannot be read: %s", path,
		    len < 0 ? strerror(errno) : "there is a NUL in it");
		ctl_text_free(text);
		return NULL;
	}
	return text;
}

char *ctl_read(struct ctl *c, const char *path, size_t most, bool secret)
{
	struct report r = ctl_report(c);
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
	char *text = NULL;

	if (fd < 0) {
		(void)output_fail(c, CTL_FAILED, "%s: it cannot be opened: %s%s", path,
		    strerror(errno), ctl_advice(errno));
		return NULL;
	}
	if ((secret ? keyfile_check_mode(fd, path, &r) : check_owner(fd, path, &r)) == 0)
		text = read_open(c, fd, path, most);
	(void)close(fd);
	return text;
}

void ctl_text_free(char *text)
{
	if (text != NULL)
		secret_wipe(text, strlen(text));
	free(text);
}

const struct config *ctl_config(struct ctl *c)
{
	struct report r = ctl_report(c);
	struct config *config;
	char *text;

	if (c->config != NULL)
		return c->config;
	text = ctl_read(c, c->config_path, CONFIG_TEXT_MAX, false);
	if (text == NULL)
		return NULL;
	config = calloc(1, sizeof(*config));
	if (config == NULL)
		abort();
	if (config_parse(config, c->config_path, text, &r) == 0) {
		c->config = config;
		config = NULL;
	}
	free(config);
	ctl_text_free(text);
	return c->config;
}
