/*
 * show - what hiding does to a picture, for a person to look at: the crop, the
 * carrier made of it, and where they differ, side by side.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <spng.h>

#include "library.h"
#include "photos.h"
#include "png_file.h"
#include "secret.h"
#include "veil.h"

enum {
	PANELS = 3,
	ZOOM = 2, /* screen pixels for each, so that single ones are seen */
	GAP = 16,
	RGB = 3,
	EVEN = 128, /* the grey of no difference; one up is white, one down is black */
};

struct sheet {
	uint32_t width, height;
	uint8_t *sample; /* RGB */
};

static int sheet_new(struct sheet *s, const struct picture *p)
{
	s->width = (uint32_t)(PANELS * p->width * ZOOM + (PANELS - 1) * GAP);
	s->height = p->height * (uint32_t)ZOOM;
	s->sample = malloc((size_t)s->width * s->height * RGB);
	if (!s->sample)
		return -1;
	memset(s->sample, UINT8_MAX, (size_t)s->width * s->height * RGB);
	return 0;
}

static void put_pixel(struct sheet *s, uint32_t x, uint32_t y, const uint8_t rgb[static RGB])
{
	for (uint32_t dy = 0; dy < ZOOM; dy++) {
		for (uint32_t dx = 0; dx < ZOOM; dx++)
			memcpy(s->sample + ((y + dy) * (size_t)s->width + x + dx) * RGB, rgb, RGB);
	}
}

/* Returns how many pixels differ. */
static size_t fill(struct sheet *s, const struct picture *was, const struct picture *is)
{
	size_t changed = 0;

	for (uint32_t y = 0; y < was->height; y++) {
		for (uint32_t x = 0; x < was->width; x++) {
			size_t at = ((size_t)y * was->width + x) * was->channels;
			const uint8_t *a = was->sample + at, *b = is->sample + at;
			uint8_t difference[RGB];
			for (int c = 0; c < RGB; c++)
				difference[c] = (uint8_t)(EVEN + (b[c] - a[c]) * (EVEN - 1));
			uint32_t panel = was->width * (uint32_t)ZOOM + GAP;
			put_pixel(s, x * ZOOM, y * ZOOM, a);
			put_pixel(s, panel + x * ZOOM, y * ZOOM, b);
			put_pixel(s, 2 * panel + x * ZOOM, y * ZOOM, difference);
			changed += memcmp(a, b, RGB) != 0;
		}
	}
	return changed;
}

static int write_sheet(const struct sheet *s, FILE *f)
{
	struct spng_ihdr head = {.width = s->width,
	    .height = s->height,
	    .bit_depth = 8,
	    .color_type = SPNG_COLOR_TYPE_TRUECOLOR};
	spng_ctx *ctx = spng_ctx_new(SPNG_CTX_ENCODER);

	if (!ctx)
		return -1;
	int err = spng_set_png_file(ctx, f) == 0 && spng_set_ihdr(ctx, &head) == 0 &&
			  spng_encode_image(ctx, s->sample, (size_t)s->width * s->height * RGB,
			      SPNG_FMT_PNG, SPNG_ENCODE_FINALIZE) == 0
		      ? 0
		      : -1;
	spng_ctx_free(ctx);
	return err;
}

/* Never through a link, and never over what is there. */
static int save(const struct sheet *s, const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	FILE *f = fd >= 0 ? fdopen(fd, "wb") : NULL;

	if (!f) {
		if (fd >= 0)
			(void)close(fd);
		return -1;
	}
	int err = write_sheet(s, f);
	if (fclose(f) != 0)
		err = -1;
	if (err < 0)
		(void)unlink(path);
	return err;
}

/* Hide random bytes under a random key. Returns the length of the carrier or -1. */
static int hide(const struct picture *crop, struct picture *carrier)
{
	uint8_t key[KEY_BYTES], veil[VEIL_ROOM];
	uint8_t *bytes = malloc(COVER_MAX);
	struct cover_args a = {.picture_key = key, .picture = crop};
	int len = -1;

	secret_random(key, sizeof(key));
	secret_random(veil, sizeof(veil));
	if (bytes)
		len = cover_png.wrap(&a, veil, cover_png.veil_len(&a), bytes, COVER_MAX);
	if (len > 0 && png_decode(bytes, (size_t)len, carrier) < 0)
		len = -1;
	free(bytes);
	return len;
}

static int show(const struct picture *crop, const char *out, struct postern_shown *shown)
{
	struct picture carrier = {0};
	struct sheet sheet = {0};
	struct cover_args a = {.picture = crop};
	int len = hide(crop, &carrier);
	int err = len > 0 ? sheet_new(&sheet, crop) : -1;

	if (err == 0) {
		*shown = (struct postern_shown){.width = crop->width,
		    .height = crop->height,
		    .hidden = cover_png.veil_len(&a),
		    .encoded = (size_t)len,
		    .changed = fill(&sheet, crop, &carrier)};
		err = save(&sheet, out);
	}
	free(sheet.sample);
	png_picture_free(&carrier);
	return err;
}

int postern_photos_show(
    struct postern *p, const char *photo, const char *out, struct postern_shown *shown)
{
	struct photos *photos = photos_new(photo, p->state_dir);
	struct picture crop;
	int status = POSTERN_SYSTEM;

	library_begin(p);
	if (!photos) {
		trouble_say(&p->errors, "out of memory");
	} else if (access(out, F_OK) == 0) { /* before a crop is used up for it */
		trouble_say(&p->errors, "%s: is there already: move it away, or name another", out);
	} else if (photos_take(photos, 0, &crop, &p->errors) == 0) {
		if (show(&crop, out, shown) == 0)
			status = POSTERN_OK;
		else
			trouble_say(&p->errors, "%s: cannot be written (%s): name another file",
			    out, strerror(errno));
	}
	photos_free(photos);
	return status;
}

int postern_photos_check(struct postern *p, const char *where,
    void (*each)(void *arg, const struct postern_photo *photo), void *arg)
{
	struct photos *photos = photos_new(where, p->state_dir);
	int status = POSTERN_SYSTEM;

	library_begin(p);
	if (!photos)
		trouble_say(&p->errors, "out of memory");
	else if (photos_check(photos, each, arg, &p->errors) == 0)
		status = POSTERN_OK;
	photos_free(photos);
	return status;
}
