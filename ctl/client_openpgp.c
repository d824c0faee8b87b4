/* client_openpgp - see client_openpgp.h. No byte of the key is parsed by root. */
#include "client_openpgp.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "gpg_home.h"
#include "gpg_work.h"
#include "init.h"
#include "output.h"

enum { WORK_MS = 60000, WALK_FDS = 8, NOBODY = 65534 };

/* What is asked of a process that is not root. */
struct task {
	uid_t uid;
	gid_t gid;
	const char *home;
	const struct openpgp_part *part;
	const char *file; /* that the part was read from; NULL: it is good already */
};

/* What comes back, before the server's public key. */
struct news {
	struct gpg_key client, server;
	bool made;
};

static int become(const struct task *t)
{
	(void)umask(S_IRWXG | S_IRWXO);
	if (geteuid() != 0)
		return 0;
	return setgroups(0, NULL) || setresgid(t->gid, t->gid, t->gid) ||
		       setresuid(t->uid, t->uid, t->uid)
		   ? -1
		   : 0;
}

static void fail(struct gpg_result *out, const char *what)
{
	out->status = GPG_FAILED;
	(void)snprintf(out->why, sizeof(out->why), "%s: %s", what, strerror(errno));
}

static void give(struct gpg_result *out, const struct news *n, size_t more)
{
	memcpy(out->data, n, sizeof(*n));
	out->len = sizeof(*n) + more;
}

static void do_look(const void *arg, struct gpg_result *out)
{
	const struct task *t = arg;
	struct news n = {.made = false};

	if (become(t)) {
		fail(out, "cannot stop being root");
		return;
	}
	out->status = gpg_look(t->home, t->part->bytes, t->part->len, &n.client, out->why);
	give(out, &n, 0);
}

/* The server's own; its fingerprint goes into gpg.conf, so that it signs. */
static enum gpg_status own_key(const char *home, struct news *n, char *why)
{
	char host[64] = "server", user[128];
	enum gpg_status status = gpg_find(home, NULL, true, &n->server, why);

	if (status == GPG_NO_KEY) {
		(void)gethostname(host, sizeof(host) - 1);
		(void)snprintf(user, sizeof(user), "postern on %s", host);
		n->made = true;
		status = gpg_generate(home, user, &n->server, why);
	}
	if (status == GPG_OK && gpg_home_settle(home, n->server.fingerprint)) {
		(void)snprintf(why, GPG_WHY_MAX, "%s: gpg.conf: %s", home, strerror(errno));
		status = GPG_FAILED;
	}
	return status;
}

static void enrol(const struct task *t, struct gpg_result *out)
{
	struct news n = {.made = false};
	size_t len = 0;

	out->status = own_key(t->home, &n, out->why);
	if (out->status == GPG_OK)
		out->status = gpg_import(t->home, t->part->bytes, t->part->len, out->why);
	if (out->status == GPG_OK)
		out->status = gpg_find(t->home, t->part->client, false, &n.client, out->why);
	if (out->status == GPG_OK)
		out->status = gpg_export(t->home, n.server.fingerprint, out->data + sizeof(n),
		    sizeof(out->data) - sizeof(n), &len, out->why);
	if (out->status == GPG_OK)
		give(out, &n, len);
}

/* The daemon's agent is used where it runs; else one for as long as this takes. */
static void do_enrol(const void *arg, struct gpg_result *out)
{
	const struct task *t = arg;
	pid_t agent = 0;
	int fd;

	if (become(t)) {
		fail(out, "cannot stop being root");
		return;
	}
	fd = gpg_agent_socket(t->home);
	if (fd < 0 && errno != EADDRINUSE) {
		fail(out, t->home);
		return;
	}
	/* Before the first agent starts: it reads its settings then. */
	if (fd >= 0 && access(t->home, W_OK) == 0)
		agent = gpg_agent_start(t->home, fd);
	enrol(t, out);
	if (agent > 0)
		(void)kill(agent, SIGKILL);
	if (fd >= 0)
		close(fd);
}

static int run(struct ctl *c, gpg_fn *fn, const struct task *t, struct gpg_result *r)
{
	gpg_work_run(fn, t, WORK_MS, r);
	if (r->status == GPG_OK && r->len >= sizeof(struct news))
		return CTL_OK;
	return output_fail(c, r->status == GPG_REFUSED ? CTL_USAGE : CTL_FAILED,
	    "--openpgp: %s%s%s", t->file ? t->file : "", t->file ? ": " : "",
	    r->why[0] ? r->why : "gpg said nothing");
}

/* ---- the file ---- */

static int read_key(struct ctl *c, const char *file, struct openpgp_part *p)
{
	const int fd = open(file, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	ssize_t n = 1;

	p->bytes = malloc(GPG_KEY_MAX);
	if (!p->bytes)
		abort();
	while (fd >= 0 && n > 0 && p->len < GPG_KEY_MAX) {
		n = read(fd, p->bytes + p->len, GPG_KEY_MAX - p->len);
		p->len += n > 0 ? (size_t)n : 0;
	}
	if (fd < 0 || n < 0)
		(void)output_fail(c, CTL_USAGE, "--openpgp: %s: %s", file, strerror(errno));
	else if (p->len == GPG_KEY_MAX)
		(void)output_fail(c, CTL_USAGE,
		    "--openpgp: %s: longer than %d bytes: export the key with --export-options "
		    "export-minimal",
		    file, GPG_KEY_MAX - 1);
	if (fd >= 0)
		close(fd);
	return fd < 0 || n < 0 || p->len == GPG_KEY_MAX ? CTL_USAGE : CTL_OK;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
	(void)st;
	(void)type;
	(void)at;
	return remove(path);
}

static void task_user(const struct config *config, struct task *t)
{
	const struct passwd *pw = getpwnam(config->openpgp_user);

	t->uid = pw ? pw->pw_uid : NOBODY;
	t->gid = pw ? pw->pw_gid : NOBODY;
}

static int check_client(struct ctl *c, const char *file, const struct gpg_key *k)
{
	if (k->can_sign && k->can_encrypt)
		return CTL_OK;
	return output_fail(c, CTL_USAGE,
	    "--openpgp: %s: the key %s cannot both sign and be encrypted to: it has expired, was "
	    "revoked, or lacks a subkey",
	    file, k->fingerprint);
}

int openpgp_look(struct ctl *c, const char *file, struct openpgp_part *p)
{
	char dir[] = "/tmp/posternctl-XXXXXX";
	struct task t = {.home = dir, .part = p, .file = file};
	struct gpg_result *r = calloc(1, sizeof(*r));
	struct news n;
	int status = read_key(c, file, p);

	if (!r)
		abort();
	task_user(ctl_config(c), &t);
	if (status == CTL_OK && !mkdtemp(dir))
		status = output_fail(c, CTL_FAILED, "%s: %s", dir, strerror(errno));
	if (status != CTL_OK)
		goto out;
	if (geteuid() == 0 && chown(dir, t.uid, t.gid))
		status = output_fail(c, CTL_FAILED, "%s: %s", dir, strerror(errno));
	else
		status = run(c, do_look, &t, r);
	(void)nftw(dir, remove_one, WALK_FDS, FTW_DEPTH | FTW_PHYS);
	if (status != CTL_OK)
		goto out;
	memcpy(&n, r->data, sizeof(n));
	status = check_client(c, file, &n.client);
	memcpy(p->client, n.client.fingerprint, sizeof(p->client));
out:
	free(r);
	return status;
}

/* ---- the keyring ---- */

static int make_home(struct ctl *c, const char *home, const struct task *t)
{
	struct stat st;

	if (mkdir(home, S_IRWXU) == 0 && geteuid() == 0 && chown(home, t->uid, t->gid) != 0)
		return output_fail(c, CTL_FAILED, "%s: %s", home, strerror(errno));
	if (stat(home, &st) != 0 || !S_ISDIR(st.st_mode))
		return output_fail(c, CTL_FAILED, "%s: the keyring's folder cannot be made: %s",
		    home, strerror(errno));
	if (st.st_uid != t->uid || (st.st_mode & (S_IRWXG | S_IRWXO)) != 0)
		return output_fail(c, CTL_FAILED,
		    "%s: this must be a folder that the openpgp-user alone can enter; say: chown "
		    "-R "
		    "%u:%u '%s' && chmod 700 '%s'",
		    home, (unsigned)t->uid, (unsigned)t->gid, home, home);
	return CTL_OK;
}

static int find_home(struct ctl *c, char home[static CTL_PATH_MAX])
{
	const int len = snprintf(home, CTL_PATH_MAX, "%s/openpgp", ctl_config(c)->state_dir);

	if (len > 0 && len <= GPG_HOME_MAX)
		return CTL_OK;
	return output_fail(c, CTL_FAILED,
	    "state-dir: %s: the keyring's path would be longer than %d bytes, and gpg's agent has "
	    "no "
	    "room for it: take a shorter one",
	    ctl_config(c)->state_dir, GPG_HOME_MAX);
}

static void keep(struct ctl *c, struct openpgp_part *p, const struct gpg_result *r)
{
	struct news n;

	memcpy(&n, r->data, sizeof(n));
	memcpy(p->server, n.server.fingerprint, sizeof(p->server));
	p->block_len = r->len - sizeof(n);
	p->block = malloc(p->block_len);
	if (!p->block)
		abort();
	memcpy(p->block, r->data + sizeof(n), p->block_len);
	if (n.made)
		output_say(c,
		    "made the server's OpenPGP key %s (ed25519 and cv25519, without an end)",
		    p->server);
	output_say(c, "pinned the client's OpenPGP key %s, %s", p->client, n.client.user);
}

int openpgp_enrol(struct ctl *c, struct openpgp_part *p)
{
	const char *user = ctl_config(c)->openpgp_user;
	char home[CTL_PATH_MAX];
	struct task t = {.home = home, .part = p};
	struct gpg_result *r = calloc(1, sizeof(*r));
	int status = find_home(c, home);

	if (!r)
		abort();
	if (status == CTL_OK && init_user_ensure(c, user) != 0)
		status = CTL_FAILED;
	task_user(ctl_config(c), &t);
	if (status == CTL_OK)
		status = make_home(c, home, &t);
	if (status == CTL_OK)
		status = run(c, do_enrol, &t, r);
	if (status == CTL_OK)
		keep(c, p, r);
	free(r);
	return status;
}

void openpgp_part_free(struct openpgp_part *p)
{
	free(p->bytes);
	free(p->block);
	p->bytes = p->block = NULL;
}
