#include "population.h"

#include <errno.h>
#include <stdlib.h>

#include "secret.h"

static int person_write(
    const struct person *p, size_t i, const char *service, FILE *keys, FILE *clients)
{
	char cid[BASE64_8], public[BASE64_32], secret[BASE64_32];

	base64_encode(cid, sizeof(cid), p->cid, sizeof(p->cid));
	base64_encode(public, sizeof(public), p->pair.public, sizeof(p->pair.public));
	base64_encode(secret, sizeof(secret), p->secret, sizeof(p->secret));
	if (fwrite(p, sizeof(*p), 1, keys) != 1)
		return -1;
	if (fprintf(clients, "c%zu %s %s %s service=%s\n", i, cid, public, secret, service) < 0)
		return -1;
	return 0;
}

int population_make(size_t n, const char *service, FILE *keys, FILE *clients)
{
	for (size_t i = 0; i < n; i++) {
		struct person p;

		secret_random(p.cid, sizeof(p.cid));
		secret_random(p.secret, sizeof(p.secret));
		keypair_generate(&p.pair);
		if (person_write(&p, i, service, keys, clients) < 0)
			return -1;
	}
	return 0;
}

struct person *population_read(const char *path, size_t *n)
{
	struct person *people = NULL;
	FILE *f = fopen(path, "rb");
	long size;

	if (!f)
		return NULL;
	if (fseek(f, 0, SEEK_END) < 0 || (size = ftell(f)) < 0 || fseek(f, 0, SEEK_SET) < 0)
		goto out;
	*n = (size_t)size / sizeof(*people);
	people = calloc(*n, sizeof(*people));
	if (people && fread(people, sizeof(*people), *n, f) != *n) {
		free(people);
		people = NULL;
		errno = EIO;
	}
out:
	fclose(f);
	return people;
}
