/* bench-keys N SERVICE KEYS-FILE CLIENTS-FILE: a population and the server's list of it. */
#include <err.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "population.h"
#include "secret.h"

int main(int argc, char **argv)
{
	FILE *keys, *clients;
	size_t n;

	if (argc != 5)
		errx(3, "usage: bench-keys N SERVICE KEYS-FILE CLIENTS-FILE");
	if (secret_init() < 0)
		errx(1, "libsodium does not start");
	n = (size_t)strtoul(argv[1], NULL, 10);
	umask(077);
	keys = fopen(argv[3], "wb");
	clients = fopen(argv[4], "w");
	if (!keys || !clients)
		err(1, "%s, %s", argv[3], argv[4]);
	if (population_make(n, argv[2], keys, clients) < 0 || fclose(keys) != 0 ||
	    fclose(clients) != 0)
		err(1, "%s, %s", argv[3], argv[4]);
	return 0;
}
