#include "command.h"

#include <string.h>

#include "model.h"

static const char default_output[] = "cover.png";

/* Sums up while it lists. */
struct listing {
	json_t *photos;
	unsigned left;
};

static void list_photo(void *arg, const struct postern_photo *photo)
{
	struct listing *l = arg;
	json_t *one = json_object();

	model_set(one, "file", model_text(photo->file));
	model_set(one, "knocks", json_integer(photo->left));
	model_set(one, "used", json_integer(photo->used));
	model_set(one, "fields", json_integer(photo->fields));
	if (photo->why)
		model_set(one, "why", model_text(photo->why));
	(void)json_array_append_new(l->photos, one);
	l->left += photo->left;
}

static int check(struct postern *p, const char *where, json_t *model)
{
	struct listing l = {.photos = json_array()};
	int status = postern_photos_check(p, where, list_photo, &l);

	model_set(model, "where", model_text(where));
	model_set(model, "photos", l.photos);
	model_set(model, "knocks", json_integer(l.left));
	return model_status(model, p, status);
}

static int show(struct postern *p, const char *photo, const char *out, json_t *model)
{
	struct postern_shown shown = {0};
	int status = postern_photos_show(p, photo, out, &shown);

	if (status == POSTERN_OK) {
		model_set(model, "file", model_text(out));
		model_set(model, "width", json_integer(shown.width));
		model_set(model, "height", json_integer(shown.height));
		model_set(model, "hidden", json_integer((json_int_t)shown.hidden));
		model_set(model, "changed", json_integer((json_int_t)shown.changed));
		model_set(model, "encoded", json_integer((json_int_t)shown.encoded));
	}
	return model_status(model, p, status);
}

int command_cover(struct postern *p, const struct settings *s, json_t *model)
{
	const char *what = s->operand[0];

	if (strcmp(what, "check") == 0 && !s->output)
		return check(p, s->operand[1], model);
	if (strcmp(what, "show") == 0)
		return show(p, s->operand[1], s->output ? s->output : default_output, model);
	return model_error(model, POSTERN_BAD_ARGUMENT,
	    "cover: %s is not a thing to do here: 'cover show PHOTO [-o FILE]' or 'cover check "
	    "FOLDER'",
	    what);
}
