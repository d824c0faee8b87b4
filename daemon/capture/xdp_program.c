#include "xdp_program.h"

#include <errno.h>
#include <linux/if_link.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "log.h"
#include "secret.h"

/* What clang made of xdp.bpf.c; the build writes it as numbers. */
static const uint8_t image[] __attribute__((aligned(8))) = {
#include "xdp_image.inc"
};

static int say(enum libbpf_print_level level, const char *format, va_list args)
    __attribute__((format(printf, 2, 0)));

/* Of many lines when the kernel's verifier speaks: one record each. */
static int say(enum libbpf_print_level level, const char *format, va_list args)
{
	char *text = NULL, *rest, *line;
	int len = vasprintf(&text, format, args);

	(void)level;
	if (len < 0)
		return len;
	rest = text;
	while ((line = strsep(&rest, "\n")) != NULL) {
		if (*line != '\0')
			log_debug("libbpf", "%s", line);
	}
	free(text);
	return len;
}

/* The kernel takes powers of two of at least a page. */
static uint32_t ring_size(size_t bytes)
{
	size_t size = (size_t)sysconf(_SC_PAGESIZE);

	while (size * 2 <= bytes && size < UINT32_MAX / 4)
		size *= 2;
	return (uint32_t)size;
}

static size_t whole_pages(size_t bytes)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);

	return (bytes + page - 1) / page * page;
}

static int map_fd(const struct bpf_object *object, const char *name)
{
	return bpf_object__find_map_fd_by_name(object, name);
}

static void *share(const struct bpf_object *object, const char *name, size_t bytes, int protection)
{
	void *at = mmap(NULL, whole_pages(bytes), protection, MAP_SHARED, map_fd(object, name), 0);

	return at == MAP_FAILED ? NULL : at;
}

static int resize(const struct bpf_object *object, const char *name, uint32_t entries)
{
	struct bpf_map *map = bpf_object__find_map_by_name(object, name);

	return map != NULL ? bpf_map__set_max_entries(map, entries) : -ENOENT;
}

/* libbpf has the kernel freeze this one when it is loaded. */
static int fix(const struct bpf_object *object, const struct xdp_fixed *fixed)
{
	struct bpf_map *map = bpf_object__find_map_by_name(object, ".rodata");

	return map != NULL ? bpf_map__set_initial_value(map, fixed, sizeof(*fixed)) : -ENOENT;
}

static int find_parts(struct xdp_program *p)
{
	const struct bpf_program *program =
	    bpf_object__find_program_by_name(p->object, "postern_gate");

	if (program == NULL)
		return -ENOENT;
	p->program = bpf_program__fd(program);
	p->ring = map_fd(p->object, "ring");
	p->control = share(p->object, "control", sizeof(*p->control), PROT_READ | PROT_WRITE);
	p->counts = share(p->object, "counts", p->cpus * sizeof(*p->counts), PROT_READ);
	return p->control != NULL && p->counts != NULL ? 0 : -errno;
}

int xdp_load(struct xdp_program *p, const struct xdp_fixed *fixed, size_t ring_bytes)
{
	const struct bpf_object_open_opts opts = {.sz = sizeof(opts), .object_name = "postern"};
	int cpus = libbpf_num_possible_cpus();
	int status;

	*p = (struct xdp_program){.program = -1, .ring = -1, .link = -1};
	(void)libbpf_set_print(say);
	p->object = bpf_object__open_mem(image, sizeof(image), &opts);
	if (p->object == NULL)
		return -errno;
	if (cpus < 0)
		return cpus;
	p->cpus = (unsigned)cpus;
	status = resize(p->object, "counts", p->cpus);
	if (status == 0)
		status = resize(p->object, "ring", ring_size(ring_bytes));
	if (status == 0)
		status = fix(p->object, fixed);
	if (status == 0)
		status = bpf_object__load(p->object);
	return status == 0 ? find_parts(p) : status;
}

static int attach(const struct xdp_program *p, uint32_t ifindex, uint32_t mode)
{
	const struct bpf_link_create_opts opts = {.sz = sizeof(opts), .flags = mode};

	return bpf_link_create(p->program, (int)ifindex, BPF_XDP, &opts);
}

int xdp_attach(struct xdp_program *p, uint32_t ifindex, const char **mode)
{
	*mode = "native";
	p->link = attach(p, ifindex, XDP_FLAGS_DRV_MODE);
	if (p->link == -EBUSY || p->link == -EEXIST || p->link == -EPERM)
		return p->link;
	if (p->link < 0) {
		log_debug("xdp_generic", "native=\"%s\"", strerror(-p->link));
		*mode = "generic";
		p->link = attach(p, ifindex, XDP_FLAGS_SKB_MODE);
	}
	return p->link < 0 ? p->link : 0;
}

void xdp_detach(struct xdp_program *p)
{
	if (p->link >= 0)
		(void)close(p->link);
	p->link = -1;
}

void xdp_unload(struct xdp_program *p)
{
	xdp_detach(p);
	if (p->control != NULL) {
		secret_wipe(p->control, sizeof(*p->control));
		(void)munmap(p->control, whole_pages(sizeof(*p->control)));
	}
	if (p->counts != NULL)
		(void)munmap(p->counts, whole_pages(p->cpus * sizeof(*p->counts)));
	bpf_object__close(p->object);
	*p = (struct xdp_program){.program = -1, .ring = -1, .link = -1};
}

void xdp_count(const struct xdp_program *p, struct xdp_counts *out)
{
	*out = (struct xdp_counts){0};
	for (unsigned i = 0; i < p->cpus; i++) {
		for (unsigned j = 0; j < XDP_COUNTERS; j++)
			out->of[j] += __atomic_load_n(&p->counts[i].of[j], __ATOMIC_RELAXED);
	}
}
