/*
 * client_secret - what a client's user must know or have: a PIN, one-time codes.
 * A PIN is typed here, and only its hash is kept; the secret of codes is made
 * here, and shown once.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "command.h"
#include "factors.h"
#include "output.h"
#include "roster.h"
#include "secret.h"
#include "terminal.h"

enum { HOST_MAX = 256, URI_MAX = 512 };

/* In memory of secret_new(). */
struct typed {
	char pin[PIN_LEN_MAX + 2]; /* one more than may be, and the NUL */
	char again[PIN_LEN_MAX + 2];
};

/* The clients file with this client in it. Returns CTL_OK; CTL_FAILED, told, and r is closed. */
static int open_with(struct ctl *c, struct roster *r, const char *name, bool for_change)
{
	if (roster_open(c, r, for_change) != CTL_OK)
		return CTL_FAILED;
	if (clients_by_name(r->clients, name) != NULL)
		return CTL_OK;
	(void)output_fail(c, CTL_FAILED, "there is no client %s in %s", name, r->path);
	roster_close(r);
	return CTL_FAILED;
}

/* Put an option into a client's line, or take it away; and let the daemon take it over. */
static int change(struct ctl *c, const char *name, const char *option, const char *value)
{
	struct roster r;
	char *text;
	int status;

	if (open_with(c, &r, name, true) != CTL_OK)
		return CTL_FAILED;
	text = roster_set(&r, name, option, value);
	if (text == NULL)
		status = output_fail(c, CTL_FAILED, "the line of %s would be too long", name);
	else
		status = roster_commit(c, &r, text, true);
	ctl_text_free(text);
	roster_close(&r);
	return status;
}

/* --- PIN --- */

/* One line of a descriptor, without its newline; -1: none, or longer than cap. */
static int read_line(int fd, char *out, size_t cap)
{
	size_t len = 0;

	for (;;) {
		char byte;
		ssize_t n = read(fd, &byte, 1);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 || (n == 0 && len == 0))
			return -1;
		if (n == 0 || byte == '\n')
			break;
		if (len + 1 == cap)
			return -1;
		out[len++] = byte;
	}
	out[len] = '\0';
	return 0;
}

static int ask_twice(struct ctl *c, struct typed *t)
{
	const int tty = open("/dev/tty", O_RDWR | O_CLOEXEC);
	int r;

	if (tty < 0)
		return output_fail(c, CTL_FAILED,
		    "there is no terminal to ask at; give the PIN on standard input");
	r = terminal_ask(tty, "PIN", t->pin, sizeof(t->pin));
	if (r == 0)
		r = terminal_ask(tty, "PIN, once more", t->again, sizeof(t->again));
	(void)close(tty);
	if (r != 0)
		return output_fail(
		    c, CTL_USAGE, "a PIN has %d to %d bytes", PIN_LEN_MIN, PIN_LEN_MAX);
	return strcmp(t->pin, t->again) == 0
		   ? CTL_OK
		   : output_fail(c, CTL_USAGE, "these were two different PINs; type it again");
}

static int read_pin(struct ctl *c, struct typed *t)
{
	int status = CTL_OK;

	if (isatty(STDIN_FILENO))
		status = ask_twice(c, t);
	else if (read_line(STDIN_FILENO, t->pin, sizeof(t->pin)) != 0)
		t->pin[0] = '\0';
	if (status == CTL_OK && (strlen(t->pin) < PIN_LEN_MIN || strlen(t->pin) > PIN_LEN_MAX))
		status =
		    output_fail(c, CTL_USAGE, "a PIN has %d to %d bytes", PIN_LEN_MIN, PIN_LEN_MAX);
	return status;
}

/* A person is asked for no PIN that nobody could have; and has the file to himself only when it is typed. */
static int set_pin(struct ctl *c, const char *name)
{
	struct typed *t;
	char text[PIN_TEXT];
	struct pin_check p;
	struct roster r;
	int status;

	if (open_with(c, &r, name, false) != CTL_OK)
		return CTL_FAILED;
	roster_close(&r);
	t = secret_new(sizeof(*t));
	status = read_pin(c, t);
	if (status == CTL_OK && pin_make((const uint8_t *)t->pin, strlen(t->pin), &p) != 0)
		status = output_fail(c, CTL_FAILED, "out of memory");
	secret_free(t);
	if (status != CTL_OK)
		return status;
	pin_text(&p, text);
	status = change(c, name, "pin", text);
	secret_wipe(text, sizeof(text));
	if (status == CTL_OK)
		output_say(c, "%s gives this PIN for doors and commands from now on", name);
	return status;
}

int cmd_client_pin(struct ctl *c, const struct arguments *a)
{
	const char *name = a->operand[0];
	int status;

	if (arguments_value(a, "remove") == NULL)
		return set_pin(c, name);
	status = change(c, name, "pin", NULL);
	if (status == CTL_OK)
		output_say(c, "%s needs no PIN any more", name);
	return status;
}

/* --- one-time codes --- */

/* As apps take it in: the form that most of them know. */
static void tell_code(struct ctl *c, const char *name, const struct code_check *k)
{
	char host[HOST_MAX] = "", text[CODE_TEXT], uri[URI_MAX];

	if (gethostname(host, sizeof(host) - 1) != 0 ||
	    strspn(host, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-") !=
		strlen(host))
		host[0] = '\0';
	code_text(k, text);
	text[strcspn(text, ":")] = '\0'; /* the digits */
	(void)snprintf(uri, sizeof(uri),
	    "otpauth://totp/"
	    "postern:%s@%s?secret=%s&issuer=postern&algorithm=SHA1&digits=%u&period=%d",
	    name, host, text, (unsigned)k->digits, CODE_STEP_S);
	output_text(c, "uri", uri);
	output_say(c,
	    "%s gives a one-time code for doors and commands from now on; an authenticator makes "
	    "them from this address, which is shown this once",
	    name);
	secret_wipe(text, sizeof(text));
	secret_wipe(uri, sizeof(uri));
}

static int set_code(struct ctl *c, const char *name, const char *digits)
{
	struct code_check k;
	char text[CODE_TEXT];
	int status;

	if (digits != NULL && (strlen(digits) != 1 || digits[0] < '0' + CODE_DIGITS_MIN ||
				  digits[0] > '0' + CODE_DIGITS_MAX))
		return output_fail(c, CTL_USAGE, "--digits: a code has 6, 7 or 8");
	code_make(digits != NULL ? (unsigned)(digits[0] - '0') : CODE_DIGITS_MIN, &k);
	code_text(&k, text);
	status = change(c, name, "totp", text);
	if (status == CTL_OK)
		tell_code(c, name, &k);
	secret_wipe(text, sizeof(text));
	secret_wipe(&k, sizeof(k));
	return status;
}

int cmd_client_totp(struct ctl *c, const struct arguments *a)
{
	const char *name = a->operand[0];
	int status;

	if (arguments_value(a, "remove") == NULL)
		return set_code(c, name, arguments_value(a, "digits"));
	status = change(c, name, "totp", NULL);
	if (status == CTL_OK)
		output_say(c, "%s needs no one-time code any more", name);
	return status;
}
