/*
 * postern - knock at a server from a program of your own.
 *
 * Model. A `struct postern` is the library as one user of it sees it: where
 * profiles and state lie, and what went wrong last. A profile is all that one
 * client needs to knock at one server; it comes from a small text file. A
 * knock is one request on its way: made, told what to ask for, run, read:
 *
 *     struct postern *p = postern_new();
 *     postern_profile_load(p, "alice", &profile);
 *     postern_knock_new(p, profile, POSTERN_OPEN, &knock);
 *     postern_knock_service(knock, "ssh");
 *     status = postern_knock_run(knock);
 *
 * A server may have addresses of both families; a door is for the address that
 * knocked. So a knock goes out over each family, and there is an answer for
 * each. A program with an event loop uses postern_knock_start(),
 * postern_knock_poll() and postern_knock_step() in place of
 * postern_knock_run().
 *
 * Threads. There are no globals. A `struct postern` and all that was made with
 * it belong to one thread at a time; different ones may be used at the same
 * time. Parallel processes with the same profile do not get in each other's
 * way: what must not happen twice is held by a lock on the state file.
 *
 * Errors. Functions that can fail return an enum postern_status, 0 for success;
 * postern_error() then has the sentences for a person: what is wrong, where,
 * what to do. They are plain printable ASCII, whatever a file or a server said.
 * Nothing here prints, exits or installs a signal handler. A caller's bug (a
 * NULL where there must be none, a knock started twice) aborts; so does the
 * lack of memory for secrets.
 *
 * Ownership. What a `_new`, `_load`, `_find` or `_import` function gives is the
 * caller's and goes back to the `_free` function of its kind, which takes NULL,
 * too. Free knocks before their profile, profiles before their struct postern.
 * Strings that go in are borrowed for the call; strings and structs that come
 * out belong to the object asked, and are valid until it changes or is freed.
 * Structs may grow at their end in later versions; only the library makes them.
 *
 * Secrets are kept in locked memory and wiped.
 *
 * OpenPGP. Where a profile has the envelope openpgp, gpg signs and opens
 * messages: postern_knock_start(), postern_knock_step() and
 * postern_profile_import() then wait for it, in a process of its own that is
 * killed after a minute. start may wait for a person who is asked for a
 * passphrase; steps as a rule take some hundredths of a second.
 */
#ifndef POSTERN_H
#define POSTERN_H

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define POSTERN_API __attribute__((visibility("default")))
#define POSTERN_CHECKED __attribute__((visibility("default"), warn_unused_result))

struct postern;
struct postern_profile;
struct postern_knock;

/* What functions return; the exit statuses of postern(1), too. */
enum postern_status {
	POSTERN_OK = 0,		  /* done; of a knock: granted */
	POSTERN_DENIED = 1,	  /* the server answered, and it was no */
	POSTERN_NO_ANSWER = 2,	  /* nothing was heard */
	POSTERN_BAD_ARGUMENT = 3, /* what was asked for cannot be asked */
	POSTERN_BAD_PROFILE = 4,  /* missing, malformed, or readable by others */
	POSTERN_SYSTEM = 5,	  /* no route, no such host, state not written ... */
	POSTERN_AGAIN = 6,	  /* of postern_knock_step(): still under way */
};

/* What to ask for. */
enum postern_verb {
	POSTERN_OPEN = 1,
	POSTERN_CLOSE = 2,
	POSTERN_RUN = 3, /* a command of the server's */
	POSTERN_PING = 4,
	POSTERN_LIST = 5,
};

/* What a server says. postern_verdict_word() has a stable word for each. */
enum postern_verdict {
	POSTERN_VERDICT_OK = 0,
	POSTERN_VERDICT_REFRESHED = 1, /* was open already; its end was moved */
	POSTERN_VERDICT_CHALLENGE = 2, /* never the last word */
	POSTERN_VERDICT_DENIED = 3,
	POSTERN_VERDICT_MALFORMED = 4,
	POSTERN_VERDICT_UNKNOWN_FIELD = 5,
	POSTERN_VERDICT_CODE_OR_PIN = 6,
	POSTERN_VERDICT_ADDRESS = 7,
	POSTERN_VERDICT_QUOTA = 8,
	POSTERN_VERDICT_BUSY = 9,
	POSTERN_VERDICT_RESULT_UNKNOWN = 10,
	POSTERN_VERDICT_FIREWALL = 11,
	POSTERN_VERDICT_COMMAND = 12,
	POSTERN_VERDICT_EXPIRED = 13,
};

enum {
	POSTERN_ADDRESS_TEXT = 64, /* a numeric address, scope and NUL included */
	POSTERN_RETRIES_MAX = 15,
	POSTERN_POLL_MAX = 20, /* descriptors that a knock has at most */
};

/* ---- the library -------------------------------------------------------- */

/*
 * A new one, with the user's folders: ${XDG_CONFIG_HOME:-~/.config}/postern/profiles
 * and ${XDG_STATE_HOME:-~/.local/state}/postern. Returns NULL without memory,
 * or when libsodium does not start.
 */
POSTERN_CHECKED struct postern *postern_new(void);
POSTERN_API void postern_free(struct postern *p);

/* Other folders, for what is loaded or made from now on; NULL leaves one as it is. */
POSTERN_CHECKED int postern_set_folders(struct postern *p, const char *profiles, const char *state);

/*
 * Why the last call with p, or with what was made with it, failed: lines without a last newline; ""
 * when it did not.
 */
POSTERN_API const char *postern_error(const struct postern *p);

/*
 * What is worth telling although nothing failed (a damaged state file, a new door key): lines, ""
 * when there is none.
 */
POSTERN_API const char *postern_note(const struct postern *p);

/* "0.1.0". */
POSTERN_API const char *postern_version(void);

/* What a server may ask of the person who knocks. */
enum postern_secret {
	POSTERN_PIN = 1,
	POSTERN_CODE = 2, /* of an authenticator: 6 to 10 digits */
};

/*
 * Whom to ask; NULL (as at first): nobody. ask is called while a knock runs, when the server wants
 * something that the knock was not given: it puts that into out (size bytes, with its NUL), which
 * the library wipes, and returns 0; or -1 when nobody can say it. It may ask a person and take its
 * time: a server that no longer waits is knocked at again.
 */
POSTERN_API void postern_set_ask(struct postern *p,
    int (*ask)(void *arg, enum postern_secret what, const char *profile, char *out, size_t size),
    void *arg);

/* ---- profiles ----------------------------------------------------------- */

struct postern_service {
	const char *name;
	uint8_t protocol; /* IANA: 6 tcp, 17 udp; 0: a gateway, which has no port either */
	uint16_t port;	  /* 0: random; the door has it */
};

/*
 * Load a profile by its name in the folder of profiles, or, when name holds a
 * '/', the file of that path. Returns POSTERN_OK; POSTERN_BAD_PROFILE, with
 * every error of the file told.
 */
POSTERN_CHECKED int postern_profile_load(
    struct postern *p, const char *name, struct postern_profile **out);

/*
 * Load the profile that has host among its servers (case does not matter) and,
 * if several have, the one with a service at this TCP port (0: at a random one). Returns POSTERN_OK;
 * POSTERN_BAD_PROFILE when there is none, or still more than one.
 */
POSTERN_CHECKED int postern_profile_find(
    struct postern *p, const char *host, uint16_t port, struct postern_profile **out);

/*
 * Check the profile in file and copy it into the folder of profiles, as name,
 * or as the name that it gives itself (name NULL). Never replaces one. Returns
 * POSTERN_OK and the profile; POSTERN_BAD_PROFILE; POSTERN_BAD_ARGUMENT (the
 * name); POSTERN_SYSTEM. A failure leaves nothing behind.
 */
POSTERN_CHECKED int postern_profile_import(
    struct postern *p, const char *file, const char *name, struct postern_profile **out);

/*
 * Calls each with the name of every profile in the folder, in alphabetical order. No folder means
 * no profiles.
 */
POSTERN_CHECKED int postern_profile_names(
    struct postern *p, void (*each)(void *arg, const char *name), void *arg);

POSTERN_API void postern_profile_free(struct postern_profile *profile);

/*
 * Say how to knock with this profile, until it is freed, as if its file said
 * so: the keys carrier, envelope, cover, via and the others of
 * postern-profile(5) that are not about who knocks at whom. Returns POSTERN_OK
 * or POSTERN_BAD_ARGUMENT. Whether all go together is seen when a knock starts.
 */
POSTERN_CHECKED int postern_profile_set(
    struct postern_profile *profile, const char *key, const char *value);

POSTERN_API const char *postern_profile_name(const struct postern_profile *profile);
/* The i-th server, as written; NULL past the last. */
POSTERN_API const char *postern_profile_server(const struct postern_profile *profile, size_t i);
/* The UDP port to knock at; 0 where the profile has none. */
POSTERN_API uint16_t postern_profile_port(const struct postern_profile *profile);
/* The i-th service; NULL past the last. */
POSTERN_API const struct postern_service *postern_profile_service(
    const struct postern_profile *profile, size_t i);

/* ---- a knock ------------------------------------------------------------ */

enum postern_option {
	POSTERN_FAMILY,	 /* AF_INET or AF_INET6: that one alone; AF_UNSPEC: both (the default) */
	POSTERN_HOLD_S,	 /* seconds to keep the door open; 0: what the server has for the service */
	POSTERN_RETRIES, /* 0 to POSTERN_RETRIES_MAX; 4 by default, with growing pauses */
	POSTERN_CHALLENGE, /* 1: have the server challenge us, as when a clock is in doubt */
	POSTERN_STRICT,	   /* 1: stop when the server sees another address than we send from */
	POSTERN_ANY,	   /* 1: one family granted is enough; the other is then left alone */
	POSTERN_IDLE_S, /* for POSTERN_OPEN: a door that closes after so many seconds without traffic */
	POSTERN_SINGLE_USE, /* 1, for POSTERN_OPEN: a door that closes behind the first connection */
	POSTERN_SOURCE_PORT, /* for POSTERN_OPEN: a door for connections from this port alone */
	POSTERN_CUT, /* 1, for POSTERN_CLOSE: end the connections that came in through the door, too */
};

/*
 * A new knock, nothing sent. The profile is borrowed until the knock is freed.
 * Returns POSTERN_OK, POSTERN_BAD_ARGUMENT, or POSTERN_SYSTEM.
 */
POSTERN_CHECKED int postern_knock_new(struct postern *p, struct postern_profile *profile,
    enum postern_verb verb, struct postern_knock **out);
POSTERN_API void postern_knock_free(struct postern_knock *k);

/*
 * What to ask for, before the knock starts. Each returns POSTERN_OK or
 * POSTERN_BAD_ARGUMENT, which leaves the knock as it was.
 */

/* By name: up to 8 times for POSTERN_OPEN, once for POSTERN_CLOSE. */
POSTERN_CHECKED int postern_knock_service(struct postern_knock *k, const char *name);
/* By what it is, for POSTERN_OPEN, in place of names. */
POSTERN_CHECKED int postern_knock_port(struct postern_knock *k, uint8_t protocol, uint16_t port);
/*
 * Open for this address or prefix in place of the one that knocks: "203.0.113.7", "2001:db8::/64";
 * one a family.
 */
POSTERN_CHECKED int postern_knock_admit(struct postern_knock *k, const char *prefix);
/*
 * A PIN of 4 to 32 bytes, or a one-time code, in case the server asks for it; where no answer comes
 * back it goes with the request, as the server cannot ask.
 */
POSTERN_CHECKED int postern_knock_pin(struct postern_knock *k, const char *pin);
POSTERN_CHECKED int postern_knock_code(struct postern_knock *k, const char *code);
/* For POSTERN_CLOSE: this one, as a door has it, in place of a service. */
POSTERN_CHECKED int postern_knock_session(struct postern_knock *k, uint64_t session);
/* For POSTERN_RUN: the command by the server's name for it, once; then up to 8 arguments of up to 128 bytes. */
POSTERN_CHECKED int postern_knock_command(struct postern_knock *k, const char *name);
POSTERN_CHECKED int postern_knock_argument(struct postern_knock *k, const char *text);
POSTERN_CHECKED int postern_knock_set(
    struct postern_knock *k, enum postern_option option, uint32_t value);

/*
 * Knock and wait: seconds at most, fewer than the number of retries suggests
 * when an answer comes. Resolves names, blocks. Returns POSTERN_OK when a
 * family was granted what was asked; else POSTERN_DENIED, POSTERN_NO_ANSWER,
 * POSTERN_BAD_ARGUMENT or POSTERN_SYSTEM, the first of these that is true of
 * any family.
 */
POSTERN_CHECKED int postern_knock_run(struct postern_knock *k);

/*
 * The same in steps. start resolves names (which may block) and opens sockets;
 * it returns POSTERN_OK, POSTERN_BAD_ARGUMENT or POSTERN_SYSTEM. Then, again
 * and again: wait for any of the descriptors of poll, or its timeout, and call
 * step, which does not wait for the network (but for the disk: state is written
 * before each send) and returns POSTERN_AGAIN until it returns what
 * postern_knock_run() would.
 */
POSTERN_CHECKED int postern_knock_start(struct postern_knock *k);
/*
 * Fills up to cap descriptors and the longest time to wait; returns how many there are
 * (POSTERN_POLL_MAX at most).
 */
POSTERN_API size_t postern_knock_poll(
    struct postern_knock *k, struct pollfd *fds, size_t cap, int *timeout_ms);
POSTERN_CHECKED int postern_knock_step(struct postern_knock *k);

/* ---- what came of it ---------------------------------------------------- */

struct postern_door {
	const char *service; /* its name in the profile, or NULL */
	uint8_t protocol;    /* IANA */
	uint16_t port;
	uint32_t seconds; /* until it closes, as the server's kernel has it */
	uint64_t session;
};

/* One a family that was tried. */
struct postern_answer {
	int family; /* AF_INET, AF_INET6 */
	enum postern_status
	    status;	 /* OK, DENIED, NO_ANSWER, SYSTEM; AGAIN: left alone (POSTERN_ANY) */
	bool answered;	 /* verdict to doors count only then */
	bool challenged; /* the server asked us to prove that we are there */
	enum postern_verdict verdict;
	unsigned sent;			   /* packets */
	char server[POSTERN_ADDRESS_TEXT]; /* which answered, or was tried first */
	char local
	    [POSTERN_ADDRESS_TEXT]; /* which we sent from: bind to it what shall pass the door */
	char seen[POSTERN_ADDRESS_TEXT]; /* which the server saw; "" when it did not say */
	int64_t clock_ahead_ns;		 /* the server's clock less ours */
	uint64_t round_trip_ns;
	const char
	    *reason; /* the server's words, unescaped: never print them as they are; "" for none */
	size_t doors;
	const struct postern_door *door;
	const char *carrier; /* by which it went, the last of them if it was tried by several */
	bool
	    tested; /* OK because a connection to the service came through: no answer was to come */
	int exit_status; /* of a command; -1: none came back */
	size_t output_len;
	const char *output; /* how its output begins, as it came: never print it as it is */
	uint32_t
	    idle_s; /* the first of the doors closes after so long without traffic, whatever rest it has; 0: none */
	bool unconfirmed; /* NO_ANSWER, but none was to come, and nothing else tells: it was sent */
};

/*
 * How many families were tried, and the i-th; NULL past the last, or before the end. The first to
 * be tried comes first.
 */
POSTERN_API size_t postern_knock_answers(const struct postern_knock *k);
POSTERN_API const struct postern_answer *postern_knock_answer(
    const struct postern_knock *k, size_t i);

/* "ok", "refreshed", "denied" ... */
POSTERN_API const char *postern_verdict_word(enum postern_verdict verdict);

/* ---- photographs -------------------------------------------------------- */

/* What one file is good for where knocks are hidden in pictures. */
struct postern_photo {
	const char *file; /* its name, unescaped */
	const char *why;  /* it cannot be used: "is ...: do this"; NULL when it can */
	unsigned fields;  /* that it was cut into; each is good for one knock, if it has texture */
	unsigned left;	  /* knocks that it is good for */
	unsigned used;
};

/*
 * Calls each with every file of the folder where, in alphabetical order, or with that one file.
 * Decodes all of them. Returns POSTERN_OK or POSTERN_SYSTEM.
 */
POSTERN_CHECKED int postern_photos_check(struct postern *p, const char *where,
    void (*each)(void *arg, const struct postern_photo *photo), void *arg);

/* What was done to a picture. */
struct postern_shown {
	unsigned width, height; /* of the crop, pixels */
	size_t hidden;		/* bytes */
	size_t changed;		/* pixels */
	size_t encoded;		/* bytes that the carrier has as a PNG */
};

/*
 * Hide random bytes in a crop of a photograph (or of one of a folder), as a knock would, and write
 * crop, carrier and their difference side by side into out, a new PNG. The crop is then used: no
 * knock will have it. Returns POSTERN_OK or POSTERN_SYSTEM.
 */
POSTERN_CHECKED int postern_photos_show(
    struct postern *p, const char *photo, const char *out, struct postern_shown *shown);

#ifdef __cplusplus
}
#endif

#endif
