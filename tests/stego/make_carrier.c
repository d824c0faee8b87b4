/*
 * make_carrier - hides a veil in a photograph as the client does; for tests.
 * usage: make_carrier KEY SET-ID VEIL PHOTO STATE-DIR > CARRIER.png
 *   KEY, VEIL  hexadecimal; the veil is lengthened by zeros to what the picture takes
 *   SET-ID     a number
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "photos.h"
#include "secret.h"
#include "veil.h"

static int hide(const struct cover_args *a, const uint8_t *veil)
{
	static uint8_t out[COVER_MAX];
	int len = cover_png.wrap(a, veil, cover_png.veil_len(a), out, sizeof(out));

	if (len < 0 || fwrite(out, 1, (size_t)len, stdout) != (size_t)len || fflush(stdout) != 0)
		return 1;
	return 0;
}

int main(int argc, char **argv)
{
	static struct trouble trouble;
	uint8_t key[KEY_BYTES], veil[VEIL_ROOM] = {0};
	struct picture picture;
	size_t len = 0;

	if (argc != 6 || secret_init() < 0 ||
	    sodium_hex2bin(key, sizeof(key), argv[1], strlen(argv[1]), NULL, &len, NULL) < 0 ||
	    len != sizeof(key) ||
	    sodium_hex2bin(veil, sizeof(veil), argv[3], strlen(argv[3]), NULL, &len, NULL) < 0) {
		(void)fprintf(
		    stderr, "usage: make_carrier KEY SET-ID VEIL PHOTO STATE-DIR > CARRIER.png\n");
		return 2;
	}
	struct photos *photos = photos_new(argv[4], argv[5]);
	struct cover_args a = {
	    .picture_key = key, .set_id = strtoull(argv[2], NULL, 10), .picture = &picture};
	int status = 1;
	if (photos && photos_take(photos, len, &picture, &trouble) == 0)
		status = hide(&a, veil);
	else
		(void)fprintf(stderr, "%s", trouble.text);
	photos_free(photos);
	return status;
}
