/*
 * fuzz_door - the input as what a taken auth writes to the monitor. Whatever
 * it is, a door that is judged fine is one that the configuration allows,
 * looked at here once more from the outside.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "doors.h"

enum { NOW = 7, BEFORE = 6, SOCKETS = 2, RANDOM = 2, RANDOM_LO = 20000, RANDOM_HI = 20255 };

struct fixture {
	int pair[SOCKETS];
	struct config now, before;
	struct doors_law law;
};

static void add(struct config *c, const char *name, uint16_t port, uint8_t v4, uint8_t v6)
{
	struct service *s = &c->service[c->services++];

	*s = (struct service){.proto = 6,
	    .port = port,
	    .hold_s = 60,
	    .max_hold_s = 600,
	    .min_prefix_v4 = v4,
	    .min_prefix_v6 = v6};
	memcpy(s->name, name, strlen(name));
}

static struct fixture *fixture(void)
{
	static struct fixture f;

	if (f.now.services == 0) {
		if (ipc_pair(f.pair, 1 << 16) != 0)
			abort();
		add(&f.now, "ssh", 22, 32, 128);
		add(&f.now, "web", 80, 16, 48);
		add(&f.now, "far", RANDOM_LO, 32, 128);
		f.now.service[RANDOM].ports =
		    (struct port_ranges){.at = {{RANDOM_LO, RANDOM_HI}}, .len = 1, .random = 1};
		add(&f.before, "old", 99, 8, 16);
		add(&f.before, "web", 80, 8, 16);
		f.law = (struct doors_law){&f.now, &f.before, NOW, BEFORE};
	}
	return &f;
}

static void must(int holds)
{
	if (!holds)
		abort();
}

static int is_v4(const struct msg_door *m)
{
	return memcmp(m->address, "\0\0\0\0\0\0\0\0\0\0\xff\xff", 12) == 0;
}

static int has_host_bits(const struct msg_door *m)
{
	const unsigned len = m->prefix_len + (is_v4(m) ? 96U : 0U);

	for (unsigned bit = len; bit < 128; bit++)
		if (m->address[bit / 8] & (0x80 >> bit % 8))
			return 1;
	return 0;
}

/* Not unspecified, loopback, multicast, link-local, broadcast. */
static int v4_is_fine(const uint8_t *a)
{
	return memcmp(a, "\0\0\0\0", 4) != 0 && a[0] != 127 && a[0] >> 4 != 14 &&
	       (a[0] != 169 || a[1] != 254) && memcmp(a, "\xff\xff\xff\xff", 4) != 0;
}

static int v6_is_fine(const uint8_t *a)
{
	static const uint8_t zeros[15];

	return (memcmp(a, zeros, sizeof(zeros)) != 0 || a[15] > 1) && a[0] != 0xff &&
	       (a[0] != 0xfe || a[1] >> 6 != 2);
}

static void check_fine(
    const struct fixture *f, const struct msg_door *m, const struct door_wanted *w)
{
	const int v4 = is_v4(m);

	must(m->generation == NOW ? m->service < f->now.services
				  : m->generation == BEFORE && m->service == 1);
	must(strcmp(w->service.name, f->now.service[m->service].name) == 0);
	must(m->service == RANDOM
		 ? m->port >= RANDOM_LO && m->port <= RANDOM_HI &&
		       service_ports(&w->service) == 1 && w->service.port == m->port
		 : m->port == 0);
	must(memcmp(w->pass.from.addr.b, m->address, sizeof(m->address)) == 0);
	must(w->pass.from.len == m->prefix_len && m->prefix_len <= (v4 ? 32 : 128));
	must(!has_host_bits(m));
	if (m->head.type != MSG_DOOR_OPEN)
		return;
	must(w->pass.once == (m->once == 1) && w->pass.source_port == m->source_port);
	must(w->pass.idle_s == m->idle_s && m->idle_s == 0); /* no service has an idle time */
	must(m->prefix_len == (v4 ? 32 : 128) || (!w->pass.once && w->pass.source_port == 0));
	must(w->seconds == m->seconds && w->seconds >= 1 && w->seconds <= 600);
	must(m->prefix_len >= (v4 ? w->service.min_prefix_v4 : w->service.min_prefix_v6));
	must(v4 ? v4_is_fine(m->address + 12) : v6_is_fine(m->address));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fixture *f = fixture();
	union {
		struct ipc_head head;
		struct msg_door door;
		uint8_t bytes[IPC_MESSAGE_MAX];
	} m;
	struct door_wanted w;

	if (size == 0 || send(f->pair[0], data, size, 0) != (ssize_t)size)
		return 0;
	const int n = ipc_recv(f->pair[1], &m, sizeof(m), NULL, 0, NULL);

	must(n <= 0 || ((size_t)n == size && m.head.len == size));
	if (n != (int)sizeof(m.door) ||
	    (m.head.type != MSG_DOOR_OPEN && m.head.type != MSG_DOOR_CLOSE &&
		m.head.type != MSG_DOOR_SHORTEN && m.head.type != MSG_DOOR_QUERY))
		return 0;
	if (doors_judge(&f->law, &m.door, &w) == DOORS_FINE)
		check_fine(f, &m.door, &w);
	return 0;
}
