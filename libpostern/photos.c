#include "photos.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <sodium.h>

#include "field.h"
#include "photo.h"
#include "png_file.h"
#include "secret.h"
#include "spent.h"
#include "veil.h"

enum {
	SAMPLE_BYTES = 65536, /* of a file's beginning and of its end, which stand for all of it */
	PLACES = 16,	      /* that are tried in a field */
	SHAPES = 64,	      /* that are tried for a length */
	GROWS_MAX = 1024,     /* bytes by which what is hidden makes a picture longer */
};

struct photos {
	char *where, *state_dir;
	struct picture taken; /* samples are ours */
	size_t longest;	      /* in bytes */
};

struct photos *photos_new(const char *where, const char *state_dir)
{
	struct photos *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	p->where = strdup(where);
	p->state_dir = strdup(state_dir);
	p->longest = COVER_MAX;
	if (p->where && p->state_dir)
		return p;
	photos_free(p);
	return NULL;
}

void photos_free(struct photos *p)
{
	if (!p)
		return;
	png_picture_free(&p->taken);
	free(p->where);
	free(p->state_dir);
	free(p);
}

void photos_limit(struct photos *p, size_t longest)
{
	p->longest = longest < COVER_MAX ? longest : COVER_MAX;
}

/* ---- files ---- */

struct files {
	int len;
	struct dirent **entry; /* NULL when where is itself the one file */
};

static int is_seen(const struct dirent *e)
{
	return e->d_name[0] != '.';
}

static int files_list(const struct photos *p, struct files *out, struct trouble *t)
{
	struct stat st;

	*out = (struct files){.len = 1};
	if (stat(p->where, &st) == 0 && S_ISREG(st.st_mode))
		return 0;
	out->len = scandir(p->where, &out->entry, is_seen, alphasort);
	if (out->len >= 0)
		return 0;
	trouble_say(t,
	    "%s: cannot be read (%s): name a folder with photographs of your own, or one of them",
	    p->where, strerror(errno));
	return -1;
}

static void files_free(struct files *f)
{
	for (int i = 0; f->entry && i < f->len; i++)
		free(f->entry[i]);
	free(f->entry);
}

static const char *file_name(const struct files *f, const struct photos *p, int i)
{
	return f->entry ? f->entry[i]->d_name : p->where;
}

/* A regular file, open, or NULL. */
static FILE *file_open(const struct files *f, const struct photos *p, int i)
{
	char path[PATH_MAX];
	struct stat st;
	int len = f->entry ? snprintf(path, sizeof(path), "%s/%s", p->where, file_name(f, p, i))
			   : snprintf(path, sizeof(path), "%s", p->where);

	if (len < 0 || (size_t)len >= sizeof(path) || stat(path, &st) < 0 || !S_ISREG(st.st_mode))
		return NULL;
	return fopen(path, "rbe");
}

static bool hash_part(crypto_generichash_state *h, FILE *f, long at)
{
	uint8_t bytes[4096];

	if (fseek(f, at, SEEK_SET) < 0)
		return false;
	for (size_t left = SAMPLE_BYTES; left > 0;) {
		size_t got = fread(bytes, 1, sizeof(bytes), f);
		if (got == 0)
			break;
		crypto_generichash_update(h, bytes, got);
		left -= got < left ? got : left;
	}
	return !ferror(f);
}

/* By its length, its beginning and its end, whatever its name. */
static bool hash_file(FILE *f, uint8_t out[static SPENT_HASH_BYTES])
{
	crypto_generichash_state h;

	if (fseek(f, 0, SEEK_END) < 0)
		return false;
	long len = ftell(f);
	crypto_generichash_init(&h, NULL, 0, SPENT_HASH_BYTES);
	crypto_generichash_update(&h, (const uint8_t *)&len, sizeof(len));
	bool good = len >= 0 && hash_part(&h, f, 0) &&
		    hash_part(&h, f, len > SAMPLE_BYTES ? len - SAMPLE_BYTES : 0);
	crypto_generichash_final(&h, out, SPENT_HASH_BYTES);
	rewind(f);
	return good;
}

/* ---- one field ---- */

/* One out of a band; out->sample has room. */
static void cut_field(
    const struct photo *photo, const uint8_t *band, unsigned column, struct picture *out)
{
	size_t from = (size_t)photo->columns * PHOTO_FIELD * photo->channels;
	size_t to = (size_t)PHOTO_FIELD * photo->channels;

	out->width = out->height = PHOTO_FIELD;
	out->channels = photo->channels;
	for (size_t y = 0; y < PHOTO_FIELD; y++)
		memcpy(out->sample + y * to, band + y * from + column * to, to);
}

static void hash_field(const struct picture *field, uint8_t out[static SPENT_HASH_BYTES])
{
	crypto_generichash(out, SPENT_HASH_BYTES, field->sample,
	    (size_t)PHOTO_FIELD * PHOTO_FIELD * field->channels, NULL, 0);
}

static unsigned between(unsigned least, unsigned most)
{
	return least + secret_random_below(most - least + 1);
}

/* Sides for a veil of so many bytes, no longer than three to two. False when none was found. */
static bool draw_shape(size_t veil, struct picture *out)
{
	unsigned pixels = (unsigned)veil * PICTURE_RATE;

	for (int i = 0; i < SHAPES; i++) {
		unsigned width = between(64, PHOTO_FIELD);
		unsigned height = (pixels + width - 1) / width;
		if (height > PHOTO_FIELD || 2 * width > 3 * height || 2 * height > 3 * width ||
		    width * height / PICTURE_RATE > VEIL_ROOM)
			continue;
		out->width = (uint16_t)width;
		out->height = (uint16_t)height;
		return true;
	}
	return false;
}

static bool fits_encoded(const struct picture *p, size_t longest)
{
	static const size_t room = COVER_MAX;
	uint8_t *bytes = malloc(room);
	int len = bytes ? png_encode(p, bytes, room) : -1;

	free(bytes);
	return len > 0 && (size_t)len + GROWS_MAX <= longest;
}

/* A search through the photographs. */
struct search {
	size_t need;
	size_t longest; /* that the picture may be, in bytes */
	struct spent spent;
	struct spent_field at; /* the field that is looked at */
	struct picture field, crop;
	unsigned unusable, empty; /* photographs */
	int error;
};

/* A crop that is fit and not too long, into out, whose samples have room for the whole field. */
static bool draw_crop(const struct picture *field, const struct search *s, struct picture *out)
{
	for (int i = 0; i < PLACES; i++) {
		/* What is too noisy for a long one may do for the shortest. */
		size_t veil = i < PLACES / 2 ? between((unsigned)s->need, VEIL_ROOM) : s->need;
		if (!draw_shape(veil, out))
			continue;
		field_cut(field, between(0, PHOTO_FIELD - out->width),
		    between(0, PHOTO_FIELD - out->height), out);
		if (field_is_fit(out) && fits_encoded(out, s->longest))
			return true;
	}
	return false;
}

/* ---- taking one ---- */

/* Returns whether the field gave a crop, which is then written down. */
static bool try_field(
    struct search *s, const struct photo *photo, const uint8_t *band, unsigned column)
{
	cut_field(photo, band, column, &s->field);
	hash_field(&s->field, s->at.pixels);
	if (spent_has_pixels(&s->spent, s->at.pixels))
		return false;
	bool found = field_is_fit(&s->field) && draw_crop(&s->field, s, &s->crop);
	s->at.why = found ? SPENT_USED : SPENT_UNFIT;
	if (spent_add(&s->spent, &s->at) == 0)
		return found;
	s->error = errno;
	return false;
}

/* Numbers 0 to len - 1 in any order. */
static void shuffle(unsigned *number, unsigned len)
{
	for (unsigned i = 0; i < len; i++)
		number[i] = i;
	for (unsigned i = len; i > 1; i--) {
		unsigned j = secret_random_below(i);
		unsigned kept = number[j];
		number[j] = number[i - 1];
		number[i - 1] = kept;
	}
}

/* Where a search stands in one photograph. */
struct walk {
	struct search *s;
	const struct photo *photo;
	unsigned end; /* the band to stop before */
	bool found;
};

static bool search_band(void *arg, unsigned band, const uint8_t *pixels)
{
	struct walk *w = arg;
	struct search *s = w->s;
	unsigned column[PHOTO_SIDE_MAX / (2 * PHOTO_FIELD)];

	shuffle(column, w->photo->columns);
	for (unsigned i = 0; i < w->photo->columns && !w->found && s->error == 0; i++) {
		s->at.field = band * w->photo->columns + column[i];
		if (!spent_has_field(&s->spent, s->at.photo, s->at.field))
			w->found = try_field(s, w->photo, pixels, column[i]);
	}
	return !w->found && s->error == 0 && band + 1 < w->end;
}

/* Any band that has a field left; as many as there are bands when none has. */
static unsigned draw_band(const struct search *s, const struct photo *photo)
{
	unsigned band[PHOTO_SIDE_MAX / (2 * PHOTO_FIELD)];

	shuffle(band, photo->bands);
	for (unsigned i = 0; i < photo->bands; i++) {
		for (unsigned c = 0; c < photo->columns; c++) {
			if (!spent_has_field(&s->spent, s->at.photo, band[i] * photo->columns + c))
				return band[i];
		}
	}
	return photo->bands;
}

/* From some band down, then from the top to there: two passes at most. */
static enum photo_result search_photo(struct walk *w, FILE *f)
{
	unsigned first = draw_band(w->s, w->photo);
	enum photo_result result = PHOTO_OK;

	w->end = w->photo->bands;
	if (first < w->photo->bands)
		result = photo_bands(f, w->photo, first, search_band, w);
	w->end = first;
	if (result == PHOTO_OK && !w->found && w->s->error == 0 && first > 0 &&
	    draw_band(w->s, w->photo) < w->photo->bands)
		result = photo_bands(f, w->photo, 0, search_band, w);
	return result;
}

static bool search_file(struct search *s, FILE *f)
{
	struct photo photo;
	struct walk w = {.s = s, .photo = &photo};

	if (!f || photo_look(f, &photo) != PHOTO_OK || !hash_file(f, s->at.photo) ||
	    search_photo(&w, f) != PHOTO_OK)
		s->unusable++;
	else
		s->empty += !w.found;
	return w.found;
}

static bool search_files(struct search *s, const struct photos *p, const struct files *files)
{
	unsigned *order = malloc(((size_t)files->len + 1) * sizeof(*order));
	bool found = false;

	if (!order) {
		s->error = ENOMEM;
		return false;
	}
	shuffle(order, (unsigned)files->len);
	for (int i = 0; i < files->len && !found && s->error == 0; i++) {
		FILE *f = file_open(files, p, (int)order[i]);
		found = search_file(s, f);
		if (f)
			(void)fclose(f);
	}
	free(order);
	return found;
}

static void say_none(const struct photos *p, const struct search *s, struct trouble *t)
{
	if (s->error) {
		trouble_say(t,
		    "%s/photos.spent: cannot be written (%s), and without it a picture may be used "
		    "twice: make it writable, or make room",
		    p->state_dir, strerror(s->error));
		return;
	}
	trouble_say(t,
	    "%s: no picture is left to hide a knock in (%u photographs have no place left, %u "
	    "files "
	    "cannot "
	    "be used): add photographs of your own, JPEG or PNG of 400x400 pixels and more; "
	    "'postern cover check' says what each is good for",
	    p->where, s->empty, s->unusable);
}

static int search_all(struct photos *p, struct search *s, struct trouble *t)
{
	struct files files;

	if (files_list(p, &files, t) < 0)
		return -1;
	bool found = search_files(s, p, &files);
	files_free(&files);
	if (found)
		return 0;
	say_none(p, s, t);
	errno = s->error ? s->error : ENODATA;
	return -1;
}

int photos_take(struct photos *p, size_t need, struct picture *out, struct trouble *t)
{
	static const size_t room = (size_t)PHOTO_FIELD * PHOTO_FIELD * 4;
	struct search s = {
	    .need = need > VEIL_MIN_CLIENT ? need : VEIL_MIN_CLIENT, .longest = p->longest};

	png_picture_free(&p->taken);
	if (need > VEIL_ROOM) {
		trouble_say(t, "the request is too long to be hidden in a picture");
		errno = EMSGSIZE;
		return -1;
	}
	if (spent_open(&s.spent, p->state_dir, true, t) < 0)
		return -1;
	s.field.sample = malloc(room);
	s.crop.sample = malloc(room);
	int err = -1;
	if (s.field.sample && s.crop.sample)
		err = search_all(p, &s, t);
	else
		trouble_say(t, "out of memory");
	if (err == 0) {
		p->taken = s.crop;
		*out = p->taken;
	} else {
		free(s.crop.sample);
	}
	free(s.field.sample);
	spent_close(&s.spent);
	return err;
}

/* ---- checking all ---- */

struct check {
	const struct spent *spent;
	const struct photo *photo;
	struct picture field;
	struct postern_photo *out;
};

static bool check_band(void *arg, unsigned band, const uint8_t *pixels)
{
	struct check *c = arg;
	uint8_t hash[SPENT_HASH_BYTES];

	(void)band;
	for (unsigned i = 0; i < c->photo->columns; i++) {
		cut_field(c->photo, pixels, i, &c->field);
		hash_field(&c->field, hash);
		if (!field_is_fit(&c->field))
			continue;
		if (spent_has_pixels(c->spent, hash))
			c->out->used++;
		else
			c->out->left++;
	}
	return true;
}

/* Copies would be counted twice. */
static bool is_copy(struct spent *seen, FILE *f)
{
	struct spent_field one = {0};
	struct spent_field *more;

	if (!hash_file(f, one.photo) || spent_has_field(seen, one.photo, 0))
		return true;
	more = reallocarray(seen->field, seen->len + 1, sizeof(*more));
	if (more) {
		seen->field = more;
		seen->field[seen->len++] = one;
	}
	return false;
}

static void check_file(struct check *c, FILE *f, struct spent *seen)
{
	static const char none[] =
	    "is too smooth or too grey everywhere to hide anything: take one with texture";
	struct photo photo;
	enum photo_result result = f ? photo_look(f, &photo) : PHOTO_OTHER;

	if (result == PHOTO_OK && is_copy(seen, f)) {
		c->out->why = "is the same as another one here";
		return;
	}
	c->photo = &photo;
	if (result == PHOTO_OK)
		result = photo_bands(f, &photo, 0, check_band, c);
	c->photo = NULL;
	if (result != PHOTO_OK) {
		c->out->left = c->out->used = 0;
		c->out->why = photo_word(result);
		return;
	}
	c->out->fields = photo.columns * photo.bands;
	if (c->out->left + c->out->used == 0)
		c->out->why = none;
}

int photos_check(struct photos *p, void (*each)(void *arg, const struct postern_photo *photo),
    void *arg, struct trouble *t)
{
	struct spent spent, seen = {.fd = -1};
	struct files files;

	if (spent_open(&spent, p->state_dir, false, t) < 0)
		return -1;
	int err = files_list(p, &files, t);
	uint8_t *sample = malloc((size_t)PHOTO_FIELD * PHOTO_FIELD * 4);
	for (int i = 0; err == 0 && sample && i < files.len; i++) {
		struct postern_photo photo = {.file = file_name(&files, p, i)};
		struct check c = {.spent = &spent, .field.sample = sample, .out = &photo};
		FILE *f = file_open(&files, p, i);
		check_file(&c, f, &seen);
		if (f)
			(void)fclose(f);
		each(arg, &photo);
	}
	free(sample);
	if (err == 0)
		files_free(&files);
	spent_close(&seen);
	spent_close(&spent);
	return err;
}
