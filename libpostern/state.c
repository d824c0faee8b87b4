#include "state.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <sodium.h>

#include "cursor.h"

enum {
	RECORDS = 2,
	CHECK_BYTES = 16,
	RECORD_BYTES = 8 + 8 + CID_BYTES + 8 + 8 + CHECK_BYTES,
	RECORD_STRIDE = 512, /* a sector each: a torn write touches one alone */
	SAME_NS = 10000000,  /* offsets closer than this are one */
};

static const uint8_t magic[8] = {'p', 'o', 's', 't', 'e', 'r', 'n', '1'};

struct record {
	uint64_t serial; /* the greater is the newer; 0: there is none */
	uint64_t last_t;
	int64_t offset_ns; /* the server's clock less ours */
	bool foreign;	   /* of another cid */
};

/* ---- one record ---- */

static void check_of(const uint8_t *bytes, uint8_t out[static CHECK_BYTES])
{
	crypto_generichash(out, CHECK_BYTES, bytes, RECORD_BYTES - CHECK_BYTES, NULL, 0);
}

static void record_encode(
    const struct record *r, const uint8_t *cid, uint8_t out[static RECORD_BYTES])
{
	struct writer w = writer_of(out, RECORD_BYTES);

	write_bytes(&w, magic, sizeof(magic));
	write_u64(&w, r->serial);
	write_bytes(&w, cid, CID_BYTES);
	write_u64(&w, r->last_t);
	write_u64(&w, (uint64_t)r->offset_ns);
	check_of(out, out + w.len);
}

/* False when it is damaged. */
static bool record_decode(struct record *out, const uint8_t *cid, const uint8_t *bytes)
{
	struct reader r = reader_of(bytes, RECORD_BYTES);
	uint8_t check[CHECK_BYTES];

	check_of(bytes, check);
	const uint8_t *head = read_view(&r, sizeof(magic));
	out->serial = read_u64(&r);
	const uint8_t *whose = read_view(&r, CID_BYTES);
	out->last_t = read_u64(&r);
	out->offset_ns = (int64_t)read_u64(&r);
	const uint8_t *told = read_view(&r, CHECK_BYTES);
	if (r.failed || memcmp(head, magic, sizeof(magic)) != 0 ||
	    memcmp(told, check, CHECK_BYTES) != 0 || out->serial == 0)
		return false;
	out->foreign = memcmp(whose, cid, CID_BYTES) != 0;
	return true;
}

/* ---- the file, under its lock ---- */

static int lock(struct state *s)
{
	while (flock(s->fd, LOCK_EX) < 0) {
		if (errno != EINTR)
			return -1;
	}
	return 0;
}

static void unlock(struct state *s)
{
	int why = errno;

	(void)flock(s->fd, LOCK_UN);
	errno = why;
}

/*
 * The newest sound record, zeros when there is none. *damaged: something is in
 * the file, and nothing of it can be read. Returns 0 or -1.
 */
static int newest(struct state *s, struct record *out, bool *damaged)
{
	uint8_t bytes[RECORD_BYTES];
	bool any = false;

	*out = (struct record){0};
	*damaged = false;
	for (int i = 0; i < RECORDS; i++) {
		struct record r;
		ssize_t got = pread(s->fd, bytes, sizeof(bytes), (off_t)i * RECORD_STRIDE);
		if (got < 0)
			return -1;
		if (got > 0)
			*damaged = true;
		if (got < RECORD_BYTES || !record_decode(&r, s->cid, bytes))
			continue;
		any = true;
		if (r.serial > out->serial)
			*out = r;
	}
	if (any)
		*damaged = false;
	return 0;
}

/* Over the older of the two: the newest stays whole until this one is on the disk. */
static int write_next(struct state *s, struct record *r)
{
	uint8_t bytes[RECORD_BYTES];

	r->serial++;
	record_encode(r, s->cid, bytes);
	off_t at = (off_t)(r->serial % RECORDS) * RECORD_STRIDE;
	ssize_t put = pwrite(s->fd, bytes, sizeof(bytes), at);
	if (put != RECORD_BYTES) {
		if (put >= 0)
			errno = ENOSPC;
		return -1;
	}
	return fdatasync(s->fd);
}

/* A profile that came under the name of another begins anew: its server's clock is another one. */
static void forget_foreign(struct record *r)
{
	if (r->foreign)
		*r = (struct record){.serial = r->serial};
}

/* clock + offset, held within what a u64 of nanoseconds can say. */
static uint64_t server_clock(uint64_t clock_ns, int64_t offset_ns)
{
	uint64_t size = offset_ns < 0 ? 0 - (uint64_t)offset_ns : (uint64_t)offset_ns;

	if (offset_ns < 0)
		return clock_ns > size ? clock_ns - size : 0;
	return clock_ns <= UINT64_MAX - size ? clock_ns + size : UINT64_MAX - 1;
}

static int draw_locked(struct state *s, uint64_t clock_ns, uint64_t *t_ns)
{
	struct record r;
	bool damaged;

	if (newest(s, &r, &damaged) < 0)
		return -1;
	forget_foreign(&r);
	if (r.last_t == UINT64_MAX) {
		errno = EOVERFLOW;
		return -1;
	}
	s->offset_ns = r.offset_ns;
	uint64_t now = server_clock(clock_ns, r.offset_ns);
	r.last_t = now > r.last_t ? now : r.last_t + 1;
	if (write_next(s, &r) < 0)
		return -1;
	*t_ns = r.last_t;
	return 0;
}

uint64_t state_server_time(const struct state *s, uint64_t clock_ns)
{
	return server_clock(clock_ns, s->offset_ns);
}

int state_draw(struct state *s, uint64_t clock_ns, uint64_t *t_ns)
{
	if (lock(s) < 0)
		return -1;
	int done = draw_locked(s, clock_ns, t_ns);
	unlock(s);
	return done;
}

/* Wraps as it should, also between offsets that are ages apart. */
static bool is_close(int64_t a, int64_t b)
{
	return (uint64_t)a - (uint64_t)b + SAME_NS < 2 * (uint64_t)SAME_NS;
}

static int learn_locked(struct state *s, int64_t offset_ns)
{
	struct record r;
	bool damaged;

	if (newest(s, &r, &damaged) < 0)
		return -1;
	forget_foreign(&r);
	/* Not worth a write to the disk: the way of a packet takes as long. */
	if (r.serial > 0 && is_close(offset_ns, r.offset_ns))
		return 0;
	r.offset_ns = offset_ns;
	return write_next(s, &r);
}

int state_learn(struct state *s, uint64_t server_ns, uint64_t clock_ns)
{
	/* A time beyond the year 2262 is a fault, and to follow it would use up all t there are. */
	if (server_ns > INT64_MAX || clock_ns > INT64_MAX)
		return 0;
	if (lock(s) < 0)
		return -1;
	int done = learn_locked(s, (int64_t)server_ns - (int64_t)clock_ns);
	unlock(s);
	return done;
}

/* ---- opening ---- */

int state_make_folder(const char *path)
{
	char part[PATH_MAX];
	size_t len = strlen(path);

	if (len == 0 || len >= sizeof(part)) {
		errno = len == 0 ? ENOENT : ENAMETOOLONG;
		return -1;
	}
	memcpy(part, path, len + 1);
	for (size_t i = 1; i <= len; i++) {
		if (part[i] != '/' && part[i] != '\0')
			continue;
		char kept = part[i];
		part[i] = '\0';
		if (mkdir(part, 0700) < 0 && errno != EEXIST)
			return -1;
		part[i] = kept;
	}
	return 0;
}

/*
 * So that a new file is still there after a crash. Some file systems cannot; then it is not worse
 * than before.
 */
static void sync_folder(const char *dir)
{
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return;
	(void)fsync(fd);
	(void)close(fd);
}

static int open_file(struct state *s, const char *dir, const char *path)
{
	s->fd = open(path, O_RDWR | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (s->fd >= 0 || errno != ENOENT)
		return s->fd;
	if (state_make_folder(dir) < 0)
		return -1;
	s->fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0600);
	if (s->fd >= 0)
		sync_folder(dir);
	return s->fd;
}

/* Whoever may write it could lock us out, or have us say a t twice. */
static const char *unfit(int fd)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return strerror(errno);
	if (!S_ISREG(st.st_mode))
		return "is not a file: move it away";
	if (st.st_uid != geteuid())
		return "belongs to another user: knock as that user, or move it away";
	if (st.st_mode & (S_IWGRP | S_IWOTH))
		return "can be written by others: run 'chmod 600' on it";
	return NULL;
}

int state_open(struct state *s, const char *dir, const char *name,
    const uint8_t cid[static CID_BYTES], struct trouble *t)
{
	char path[PATH_MAX];
	struct record r;

	*s = (struct state){.fd = -1};
	memcpy(s->cid, cid, CID_BYTES);
	int len = snprintf(path, sizeof(path), "%s/%s.state", dir, name);
	if (len < 0 || (size_t)len >= sizeof(path)) {
		trouble_say(
		    t, "%s: the path is too long: set XDG_STATE_HOME to a shorter one", dir);
		return -1;
	}
	if (open_file(s, dir, path) < 0) {
		trouble_say(t,
		    "%s: cannot be opened, and without it no knock may be sent (%s): "
		    "make it writable, or set XDG_STATE_HOME",
		    path, strerror(errno));
		return -1;
	}
	const char *why = unfit(s->fd);
	if (!why && newest(s, &r, &s->damaged) < 0)
		why = strerror(errno);
	if (why) {
		trouble_say(t, "%s: %s", path, why);
		state_close(s);
		return -1;
	}
	return 0;
}

void state_close(struct state *s)
{
	if (s->fd >= 0)
		(void)close(s->fd);
	s->fd = -1;
}
