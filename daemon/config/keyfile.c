#include "keyfile.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "secret.h"

enum { LINE_MAX_BYTES = 128, OTHERS = S_IRWXG | S_IRWXO };

/* The next line without blanks around it into out; returns where the one after it begins, NULL at the end. */
static const char *next_line(const char *text, char out[static LINE_MAX_BYTES], bool *too_long)
{
	size_t len = strcspn(text, "\n");
	const char *next = text + len + (text[len] == '\n');
	size_t skip = strspn(text, " \t\r");

	if (*text == '\0')
		return NULL;
	if (skip > len)
		skip = len;
	text += skip;
	len -= skip;
	while (len > 0 && strchr(" \t\r", text[len - 1]) != NULL)
		len--;
	*too_long = len >= LINE_MAX_BYTES;
	if (*too_long)
		len = 1; /* enough to see whether it is a comment */
	memcpy(out, text, len);
	out[len] = '\0';
	return next;
}

int keyfile_parse(const char *name, const char *text, uint8_t keys[][KEY_BYTES], int least,
    int most, struct report *r)
{
	char line[LINE_MAX_BYTES];
	unsigned before = r->errors;
	unsigned number = 0;
	bool too_long;
	int n = 0;

	while ((text = next_line(text, line, &too_long)) != NULL) {
		number++;
		if (line[0] == '\0' || line[0] == '#')
			continue;
		if (n == most) {
			report_error(r, name, number,
			    "there are more than %d keys; take the rest away", most);
			break;
		}
		if (too_long || base64_decode(keys[n], KEY_BYTES, line) != 0)
			report_error(r, name, number,
			    "this is not a key: 32 bytes in base64, one key a line");
		n++;
	}
	secret_wipe(line, sizeof(line));
	if (r->errors == before && n < least)
		report_error(r, name, 0, "there is no key in it; posternctl init makes one");
	if (r->errors != before) {
		secret_wipe(keys, (size_t)most * KEY_BYTES);
		return -1;
	}
	return n;
}

int keyfile_check_mode(int fd, const char *name, struct report *r)
{
	struct stat st;

	if (fstat(fd, &st) != 0) {
		report_error(r, name, 0, "it cannot be looked at: %s", strerror(errno));
		return -1;
	}
	if (!S_ISREG(st.st_mode)) {
		report_error(r, name, 0, "this is not a regular file; put the file itself there");
		return -1;
	}
	if (st.st_uid != 0 && st.st_uid != geteuid()) {
		report_error(
		    r, name, 0, "it belongs to user %u; say: chown root '%s'", st.st_uid, name);
		return -1;
	}
	if ((st.st_mode & OTHERS) != 0) {
		report_error(r, name, 0, "others may use it (mode %04o); say: chmod 600 '%s'",
		    st.st_mode & 07777, name);
		return -1;
	}
	return 0;
}

long keyfile_read(int fd, char *buf, size_t cap)
{
	size_t len = 0;
	ssize_t n = 0;

	while (len < cap) {
		n = pread(fd, buf + len, cap - len, (off_t)len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		len += (size_t)n;
	}
	if (len == cap || n < 0) {
		if (len == cap)
			errno = EFBIG;
		secret_wipe(buf, cap);
		return -1;
	}
	buf[len] = '\0';
	return (long)len;
}
