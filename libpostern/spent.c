#include "spent.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <sodium.h>

#include "cursor.h"
#include "state.h"

enum {
	CHECK_BYTES = 8,
	RECORD_BYTES = SPENT_HASH_BYTES + SPENT_HASH_BYTES + 4 + 4 + CHECK_BYTES,
	RECORDS_MAX = 1000000,
};

static void check_of(const uint8_t *record, uint8_t out[static CHECK_BYTES])
{
	uint8_t hash[crypto_generichash_BYTES_MIN];

	crypto_generichash(hash, sizeof(hash), record, RECORD_BYTES - CHECK_BYTES, NULL, 0);
	memcpy(out, hash, CHECK_BYTES);
}

static void encode(const struct spent_field *f, uint8_t out[static RECORD_BYTES])
{
	struct writer w = writer_of(out, RECORD_BYTES);

	write_bytes(&w, f->photo, sizeof(f->photo));
	write_bytes(&w, f->pixels, sizeof(f->pixels));
	write_u32(&w, f->field);
	write_u32(&w, (uint32_t)f->why);
	check_of(out, out + w.len);
}

/* False for one that a crash cut short. */
static bool decode(const uint8_t *bytes, struct spent_field *out)
{
	struct reader r = reader_of(bytes, RECORD_BYTES);
	uint8_t check[CHECK_BYTES];

	check_of(bytes, check);
	read_bytes(&r, out->photo, sizeof(out->photo));
	read_bytes(&r, out->pixels, sizeof(out->pixels));
	out->field = read_u32(&r);
	out->why = (enum spent_why)read_u32(&r);
	return memcmp(r.at, check, CHECK_BYTES) == 0;
}

static int append(struct spent *s, const struct spent_field *f)
{
	struct spent_field *more = reallocarray(s->field, s->len + 1, sizeof(*more));

	if (!more)
		return -1;
	s->field = more;
	s->field[s->len++] = *f;
	return 0;
}

static int read_all(struct spent *s)
{
	uint8_t bytes[RECORD_BYTES];
	struct spent_field f;

	for (off_t i = 0; i < RECORDS_MAX; i++) {
		ssize_t got = pread(s->fd, bytes, sizeof(bytes), i * RECORD_BYTES);
		if (got < 0)
			return -1;
		if (got < RECORD_BYTES)
			return 0;
		if (decode(bytes, &f) && append(s, &f) < 0)
			return -1;
	}
	errno = EFBIG;
	return -1;
}

static int lock(int fd, bool write)
{
	while (flock(fd, write ? LOCK_EX : LOCK_SH) < 0) {
		if (errno != EINTR)
			return -1;
	}
	return 0;
}

static int open_file(struct spent *s, const char *dir, const char *path, bool write)
{
	s->fd = open(path, (write ? O_RDWR : O_RDONLY) | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (s->fd >= 0 || errno != ENOENT)
		return s->fd;
	if (!write)
		return 0;
	if (state_make_folder(dir) < 0)
		return -1;
	s->fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0600);
	return s->fd;
}

int spent_open(struct spent *s, const char *dir, bool write, struct trouble *t)
{
	char path[PATH_MAX];
	struct stat st;

	*s = (struct spent){.fd = -1};
	int len = snprintf(path, sizeof(path), "%s/photos.spent", dir);
	if (len < 0 || (size_t)len >= sizeof(path)) {
		trouble_say(
		    t, "%s: the path is too long: set XDG_STATE_HOME to a shorter one", dir);
		errno = ENAMETOOLONG;
		return -1;
	}
	if (open_file(s, dir, path, write) < 0) {
		trouble_say(t,
		    "%s: cannot be opened, and without it a picture may be used twice (%s): "
		    "make it writable, or set XDG_STATE_HOME",
		    path, strerror(errno));
		return -1;
	}
	if (s->fd < 0)
		return 0;
	if (fstat(s->fd, &st) < 0 || !S_ISREG(st.st_mode)) {
		trouble_say(t, "%s: is not a file: move it away", path);
		errno = EINVAL;
	} else if (lock(s->fd, write) < 0 || read_all(s) < 0) {
		trouble_say(t, "%s: cannot be read: %s", path, strerror(errno));
	} else {
		return 0;
	}
	spent_close(s);
	return -1;
}

void spent_close(struct spent *s)
{
	int why = errno;

	if (s->fd >= 0)
		(void)close(s->fd);
	free(s->field);
	*s = (struct spent){.fd = -1};
	errno = why;
}

bool spent_has_field(const struct spent *s, const uint8_t *photo, uint32_t field)
{
	for (size_t i = 0; i < s->len; i++) {
		if (s->field[i].field == field &&
		    memcmp(s->field[i].photo, photo, SPENT_HASH_BYTES) == 0)
			return true;
	}
	return false;
}

bool spent_has_pixels(const struct spent *s, const uint8_t *pixels)
{
	for (size_t i = 0; i < s->len; i++) {
		if (memcmp(s->field[i].pixels, pixels, SPENT_HASH_BYTES) == 0)
			return true;
	}
	return false;
}

int spent_add(struct spent *s, const struct spent_field *f)
{
	uint8_t bytes[RECORD_BYTES];

	/* Over what a crash may have left behind the last whole record. */
	off_t end = lseek(s->fd, 0, SEEK_END);
	if (end < 0)
		return -1;
	encode(f, bytes);
	ssize_t put = pwrite(s->fd, bytes, sizeof(bytes), end - end % RECORD_BYTES);
	if (put != RECORD_BYTES) {
		if (put >= 0)
			errno = ENOSPC;
		return -1;
	}
	return fdatasync(s->fd) < 0 ? -1 : append(s, f);
}
