/*
 * xdp_program - the program of xdp.bpf.c: load it, attach it, and the memory
 * that we share with it. All but xdp_detach() and xdp_unload() need CAP_BPF and
 * CAP_NET_ADMIN; the memory and the ring are read and written without.
 */
#ifndef POSTERN_CAPTURE_XDP_PROGRAM_H
#define POSTERN_CAPTURE_XDP_PROGRAM_H

#include <stddef.h>
#include <stdint.h>

#include "xdp_shared.h"

struct bpf_object;

struct xdp_program {
	struct bpf_object *object;
	int program; /* descriptors */
	int ring;
	int link; /* -1 while not attached */
	struct xdp_control *control;
	struct xdp_counts *counts; /* cpus of them */
	unsigned cpus;
};

/*
 * Load it, with room for ring_bytes (made a power of two that fits) of frames.
 * Until control->active is set, it lets everything pass. What fixed says holds
 * as long as the program lives. Returns 0; or -errno,
 * with libbpf's and the kernel's reasons in the log at level debug.
 */
int xdp_load(struct xdp_program *p, const struct xdp_fixed *fixed, size_t ring_bytes)
    __attribute__((warn_unused_result));

/*
 * In the driver if it can, else before the network stack. *mode becomes
 * "native" or "generic". The kernel detaches it when we end, however that is.
 * Returns 0 or -errno.
 */
int xdp_attach(struct xdp_program *p, uint32_t ifindex, const char **mode)
    __attribute__((warn_unused_result));
void xdp_detach(struct xdp_program *p);

/* Also of one that did not load, or of zeros. Wipes the keys. */
void xdp_unload(struct xdp_program *p);

/* The sum over all CPUs. */
void xdp_count(const struct xdp_program *p, struct xdp_counts *out);

#endif
