/*
 * make_scene - writes photograph-like pictures for tests and demos.
 * usage: make_scene SEED WIDTH HEIGHT [QUALITY] > FILE.jpg   (QUALITY 0: a PPM)
 */
#include <stdio.h>
#include <stdlib.h>

#include "scene.h"

enum { SIDE_LEAST = 16, SIDE_MOST = 8192, QUALITY = 92 };

static int side(const char *text)
{
	long n = strtol(text, NULL, 10);

	return n >= SIDE_LEAST && n <= SIDE_MOST ? (int)n : 0;
}

int main(int argc, char **argv)
{
	if (argc < 4 || side(argv[2]) == 0 || side(argv[3]) == 0) {
		(void)fprintf(stderr, "usage: make_scene SEED WIDTH HEIGHT [QUALITY] > FILE.jpg\n");
		return 2;
	}
	int width = side(argv[2]), height = side(argv[3]);
	int quality = argc > 4 ? (int)strtol(argv[4], NULL, 10) : QUALITY;
	size_t len = (size_t)width * (size_t)height * 3;
	uint8_t *rgb = malloc(len), *out = rgb;

	if (!rgb)
		return 1;
	scene_make(strtoull(argv[1], NULL, 10), width, height, rgb);
	if (quality > 0)
		out = scene_jpeg(rgb, width, height, quality, &len);
	else
		printf("P6\n%d %d\n255\n", width, height);
	size_t put = fwrite(out, 1, len, stdout);
	if (out != rgb)
		free(out);
	free(rgb);
	return put == len && fflush(stdout) == 0 ? 0 : 1;
}
