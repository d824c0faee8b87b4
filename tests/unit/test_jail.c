/* What each way to capture asks for, looked at as lists. */
#include "unit.h"

#include <linux/capability.h>
#include <sys/syscall.h>

#include "capture.h"

/* What would let a taken capture out, or into somebody else; whatever a method does, it does without. */
static const int never[] = {SYS_execve, SYS_execveat, SYS_clone, SYS_clone3, SYS_socket,
    SYS_socketpair, SYS_bind, SYS_listen, SYS_accept4, SYS_openat, SYS_openat2, SYS_ptrace,
    SYS_kill, SYS_tgkill, SYS_tkill, SYS_pidfd_open, SYS_pidfd_getfd, SYS_pidfd_send_signal,
    SYS_setsockopt, SYS_sendmmsg, SYS_writev, SYS_pwrite64, SYS_sendfile, SYS_splice, SYS_tee,
    SYS_vmsplice, SYS_dup, SYS_dup2, SYS_dup3, SYS_fcntl, SYS_mprotect, SYS_bpf,
    SYS_perf_event_open, SYS_io_uring_setup, SYS_io_uring_enter, SYS_unshare, SYS_setns, SYS_mount,
    SYS_prctl, SYS_seccomp, SYS_process_vm_readv, SYS_process_vm_writev, SYS_memfd_create,
    SYS_userfaultfd, SYS_keyctl, SYS_unlinkat, SYS_renameat2, SYS_chmod, SYS_fchmod};

static bool listed(const int *list, size_t len, int what)
{
	for (size_t i = 0; i < len; i++)
		if (list[i] == what)
			return true;
	return false;
}

static bool has_twice(const int *list, size_t len)
{
	for (size_t i = 1; i < len; i++)
		if (listed(list, i, list[i]))
			return true;
	return false;
}

static void asks_for_nothing_that_lets_it_out(void **state)
{
	const struct capture_method *const *table = capture_table();

	(void)state;
	assert_non_null(table[0]);
	for (size_t i = 0; table[i] != NULL; i++)
		for (size_t j = 0; j < COUNT_OF(never); j++)
			if (listed(table[i]->syscalls, table[i]->syscalls_len, never[j]))
				fail_msg("%s asks for system call %d", table[i]->name, never[j]);
}

static void lists_are_short(void **state)
{
	enum { SYSCALLS = 6, CAPABILITIES = 4 };
	const struct capture_method *const *table = capture_table();

	(void)state;
	for (size_t i = 0; table[i] != NULL; i++) {
		const struct capture_method *m = table[i];

		if (has_twice(m->syscalls, m->syscalls_len) ||
		    has_twice(m->capabilities, m->capabilities_len))
			fail_msg("%s lists something twice", m->name);
		assert_in_range(m->syscalls_len, 0, SYSCALLS);
		assert_in_range(m->capabilities_len, 0, CAPABILITIES);
		assert_false(listed(m->capabilities, m->capabilities_len, CAP_SYS_ADMIN));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(asks_for_nothing_that_lets_it_out),
	    cmocka_unit_test(lists_are_short),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
