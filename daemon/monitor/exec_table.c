/* exec_table - see exec_table.h. */
#include "exec_table.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "log.h"

#define FILE_NAME "firewall-doors"
#define FILE_NEXT "firewall-doors.next"
#define HEAD "postern-firewall-doors 1"

enum { LINE_BYTES = 256, PROTO_BYTES = 5, PORTS_BYTES = 13, WORDS = 3, DECIMAL = 10 };

static int read_boot_id(struct exec_table *t)
{
	FILE *f = fopen("/proc/sys/kernel/random/boot_id", "re");
	const char *line = f ? fgets(t->boot_id, sizeof(t->boot_id), f) : NULL;

	if (f)
		(void)fclose(f);
	return line ? 0 : -1;
}

static int failed(const char *what)
{
	log_error(
	    "firewall", "file=%s %s=\"%s\": look at state-dir", FILE_NAME, what, strerror(errno));
	return -1;
}

/* "22", "8000-8010" */
static bool parse_ports(const char *text, struct port_range *out)
{
	char *end;
	unsigned long lo = strtoul(text, &end, DECIMAL), hi = lo;

	if (*end == '-')
		hi = strtoul(end + 1, &end, DECIMAL);
	if (*end != '\0' || lo == 0 || hi < lo || hi > UINT16_MAX)
		return false;
	*out = (struct port_range){(uint16_t)lo, (uint16_t)hi};
	return true;
}

bool exec_table_parse(const char *line, struct exec_door *out)
{
	char proto[PROTO_BYTES], ports[PORTS_BYTES], from[PREFIX_TEXT];

	memset(out, 0, sizeof(*out));
	if (sscanf(line, "%4s %12s %49s", proto, ports, from) != WORDS)
		return false;
	out->proto = strcmp(proto, "tcp") == 0 ? IPPROTO_TCP : IPPROTO_UDP;
	return (out->proto == IPPROTO_TCP || strcmp(proto, "udp") == 0) &&
	       parse_ports(ports, &out->ports) && prefix_parse(from, &out->from) == 0;
}

/* --- the file: a head with the boot, then "guard tcp 22" and "door END SERVICE tcp 22 10.0.0.5" --- */

static void read_guard(struct exec_table *t, const char *line)
{
	char proto[PROTO_BYTES], ports[PORTS_BYTES];
	struct exec_guarded *g = &t->guard[t->guarded];

	if (t->guarded >= CONFIG_GUARDED_MAX || sscanf(line, "%4s %12s", proto, ports) != 2 ||
	    !parse_ports(ports, &g->ports))
		return;
	g->proto = strcmp(proto, "tcp") == 0 ? IPPROTO_TCP : IPPROTO_UDP;
	t->guarded++;
}

static void read_door(struct exec_table *t, const char *line, bool same_boot)
{
	char service[CONFIG_NAME_MAX + 1], *rest;
	const uint64_t end_ms = strtoull(line, &rest, DECIMAL);
	struct exec_door d;
	int at = 0;

	if (sscanf(rest, "%32s %n", service, &at) != 1 || at == 0 ||
	    !exec_table_parse(rest + at, &d))
		return;
	memcpy(d.service, service, sizeof(d.service));
	d.end_ms = d.next_ms = same_boot ? end_ms : 0;
	(void)exec_table_put(t, &d);
}

static void read_lines(struct exec_table *t, FILE *f)
{
	char line[LINE_BYTES], head[LINE_BYTES];
	bool same_boot;

	(void)snprintf(head, sizeof(head), HEAD " %s\n", t->boot_id);
	same_boot = fgets(line, sizeof(line), f) && strcmp(line, head) == 0;
	t->there = true;
	while (fgets(line, sizeof(line), f)) {
		line[strcspn(line, "\n")] = '\0';
		if (strncmp(line, "guard ", strlen("guard ")) == 0)
			read_guard(t, line + strlen("guard "));
		else if (strncmp(line, "door ", strlen("door ")) == 0)
			read_door(t, line + strlen("door "), same_boot);
	}
}

/* NULL with errno when it cannot be opened. */
static FILE *open_file(const struct exec_table *t, const char *name, int flags, const char *mode)
{
	int fd = openat(t->folder, name, flags | O_NOFOLLOW | O_CLOEXEC, S_IRUSR | S_IWUSR);
	FILE *f = fd < 0 ? NULL : fdopen(fd, mode);

	if (fd >= 0 && !f)
		(void)close(fd);
	return f;
}

int exec_table_read(struct exec_table *t, int folder)
{
	FILE *f;

	t->folder = folder;
	if (read_boot_id(t) != 0)
		return failed("boot_id");
	t->boot_id[strcspn(t->boot_id, "\n")] = '\0';
	f = open_file(t, FILE_NAME, O_RDONLY, "r");
	if (!f)
		return errno == ENOENT ? 0 : failed("read");
	read_lines(t, f);
	(void)fclose(f);
	return 0;
}

static const char *proto_text(uint8_t proto)
{
	return proto == IPPROTO_TCP ? "tcp" : "udp";
}

static void write_lines(const struct exec_table *t, FILE *f)
{
	char from[PREFIX_TEXT];

	fprintf(f, HEAD " %s\n", t->boot_id);
	for (unsigned i = 0; i < t->guarded; i++)
		fprintf(f, "guard %s %" PRIu16 "-%" PRIu16 "\n", proto_text(t->guard[i].proto),
		    t->guard[i].ports.lo, t->guard[i].ports.hi);
	for (unsigned i = 0; i < t->doors; i++)
		fprintf(f, "door %" PRIu64 " %s %s %" PRIu16 "-%" PRIu16 " %s\n", t->door[i].end_ms,
		    t->door[i].service, proto_text(t->door[i].proto), t->door[i].ports.lo,
		    t->door[i].ports.hi, prefix_text(&t->door[i].from, from));
}

int exec_table_write(const struct exec_table *t)
{
	FILE *f;

	if (!t->there && t->doors == 0)
		return unlinkat(t->folder, FILE_NAME, 0) == 0 || errno == ENOENT ? 0
										 : failed("remove");
	f = open_file(t, FILE_NEXT, O_WRONLY | O_CREAT | O_TRUNC, "w");
	if (!f)
		return failed("write");
	write_lines(t, f);
	if (fclose(f) != 0 || renameat(t->folder, FILE_NEXT, t->folder, FILE_NAME) != 0)
		return failed("write");
	return 0;
}

/* --- the table --- */

static void guard_ranges(struct exec_table *t, const struct service *s)
{
	const struct port_range one = {s->port, s->port};
	const unsigned n = s->ports.len > 0 ? s->ports.len : service_ports(s);

	for (unsigned i = 0; i < n && t->guarded < CONFIG_GUARDED_MAX; i++)
		t->guard[t->guarded++] =
		    (struct exec_guarded){s->proto, s->ports.len > 0 ? s->ports.at[i] : one};
}

void exec_table_guard(struct exec_table *t, const struct config *c)
{
	t->guarded = 0;
	t->there = true;
	for (unsigned i = 0; i < c->services; i++)
		guard_ranges(t, &c->service[i]);
}

struct exec_door *exec_table_find(struct exec_table *t, const struct exec_door *like)
{
	for (unsigned i = 0; i < t->doors; i++) {
		struct exec_door *d = &t->door[i];

		if (d->proto == like->proto && d->ports.lo == like->ports.lo &&
		    d->ports.hi == like->ports.hi && prefix_equal(&d->from, &like->from))
			return d;
	}
	return NULL;
}

struct exec_door *exec_table_put(struct exec_table *t, const struct exec_door *d)
{
	struct exec_door *there = exec_table_find(t, d);

	if (!there && t->doors < EXEC_DOORS_MAX)
		there = &t->door[t->doors++];
	if (there)
		*there = *d;
	return there;
}

void exec_table_drop(struct exec_table *t, struct exec_door *d)
{
	*d = t->door[--t->doors];
}

uint64_t exec_table_next(const struct exec_table *t)
{
	uint64_t next = UINT64_MAX;

	for (unsigned i = 0; i < t->doors; i++)
		if (t->door[i].next_ms < next)
			next = t->door[i].next_ms;
	return next;
}
