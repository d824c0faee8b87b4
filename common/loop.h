/*
 * loop - the event loop of every process: descriptors, timers, and a hook at
 * the end of each turn. poll(2), no threads; bounded tables, no allocation
 * after loop_new().
 */
#ifndef POSTERN_COMMON_LOOP_H
#define POSTERN_COMMON_LOOP_H

#include <stdbool.h>
#include <stdint.h>

enum { LOOP_FDS_MAX = 256, LOOP_TIMERS_MAX = 128 };

struct loop;

typedef void loop_fn(void *arg);

struct loop *loop_new(void);
void loop_free(struct loop *l);
/* Watch fd for reading (which includes hang-up and error). Returns 0 or -1 when the table is full. */
int loop_watch(struct loop *l, int fd, loop_fn *fn, void *arg);
void loop_unwatch(struct loop *l, int fd); /* may be called from inside any callback */
/* Also call fn when fd can be written; off by default. */
void loop_want_write(struct loop *l, int fd, loop_fn *fn, void *arg);
void loop_no_write(struct loop *l, int fd);
/* One timer a (fn, arg): setting it again moves it. Monotonic milliseconds from now. Returns 0 or -1 (full). */
int loop_timer(struct loop *l, uint64_t after_ms, loop_fn *fn, void *arg);
void loop_cancel(struct loop *l, loop_fn *fn, void *arg);
/* fn runs after all ready descriptors of a turn were served. */
void loop_each_turn(struct loop *l, loop_fn *fn, void *arg);
/* Runs until loop_stop(). Returns 0, or -1 when poll itself failed. */
int loop_run(struct loop *l);
void loop_stop(struct loop *l);

#endif
