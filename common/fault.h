/*
 * fault - named steps at which a test build can be told to die, so that tests
 * can prove what survives it. In other builds FAULT() is nothing.
 *
 * POSTERN_FAULT="auth.committed" or "auth.committed:3" (the third time): the
 * process kills itself with SIGKILL there. Steps that end in ".forbidden" make
 * a system call that the sandbox must not allow (socket(AF_INET)) instead.
 * The monitor hands the variable to the first start of its children only, so
 * that what is restarted lives.
 */
#ifndef POSTERN_COMMON_FAULT_H
#define POSTERN_COMMON_FAULT_H

#ifdef POSTERN_FAULT_HOOKS
void fault_start(void); /* reads the environment; call early in each process */
void fault_at(const char *step);
#define FAULT(step) fault_at(step)
#else
static inline void fault_start(void)
{
}
#define FAULT(step) ((void)0)
#endif

#endif
