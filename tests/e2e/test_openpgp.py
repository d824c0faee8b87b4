"""The envelope openpgp, with real gpg on both sides: honest knocks, and those of a client gone bad."""

import bz2
import contextlib
import os
import signal
import time
import zlib

import pytest
from lab import record, stays, until
from lab.network import v4
from lab.pgp_house import PgpHouse
from lab.postern import Postern
from lab.process import alive, children, cmdline, status
from lab.user import DENIED, GRANTED, PROFILE, User
from test_replay import assert_replay_is_in_vain, recorded_knock
from wire import openpgp
from wire import request as rq

SYSTEM = 5
GPG_S = 2  # that gpg is given
LIMIT_S = 10  # for its end: this machine may be busy


@pytest.fixture(name="house")
def pgp_house(request):
    mark = request.node.get_closest_marker("house")
    with PgpHouse(*(mark.args if mark else ()), **(mark.kwargs if mark else {})) as made:
        yield made


def opened(house):
    return house.postern.counter("auth.opened")


def server_log(house, pattern, seconds=5):
    until(lambda: house.postern.log_lines(pattern), seconds, pattern)


# --- honest knocks ---


def test_open_ping_list_close(house):
    code, said = house.alice.json("open", "alice", "ssh")
    assert code == GRANTED and len(said["answers"]) == 2
    assert all(house.sshd.login(house.client, a) for a in house.addresses())
    for verb in ("ping", "list"):
        assert house.alice.postern(verb, "alice").returncode == GRANTED
    assert house.alice.postern("close", "alice", "ssh").returncode == GRANTED
    assert house.all_closed() and not house.postern.doors()
    # Proven once, a knock needs no second round trip.
    assert house.alice.json("ping", "alice", "-4")[1]["answers"][0]["challenged"] is False


@pytest.mark.parametrize("keys", ["rsa2048", "rsa3072"])
def test_rsa(keys):
    with PgpHouse(keys=(keys, keys), challenge="always") as house:
        code, said = house.alice.json("open", "alice", "ssh", "-4")
        assert code == GRANTED and said["answers"][0]["challenged"], said
        assert house.is_open()


def test_rsa4096():
    """It fits, because the server's keys are short; with long keys on both sides it does not, and that is said."""
    with PgpHouse(keys=("rsa4096", "rsa4096"), challenge="always") as house:
        assert house.alice.postern("open", "alice", "ssh", "-4").returncode == GRANTED
        key = house.ring.make("server", "rsa4096", "rsa4096")
        file = house.alice.home / ".config/postern/profiles/alice"
        lines = [s for s in file.read_text().splitlines() if not s.startswith("openpgp-block")]
        lines = [f"openpgp-server = {key}" if s.startswith("openpgp-server") else s for s in lines]
        file.write_text("\n".join(lines) + "\n")
        done = house.alice.postern("open", "alice", "ssh", "-4")
        assert done.returncode not in (GRANTED, DENIED)
        assert "1200 bytes that udp has room for" in done.stderr and "ed25519" in done.stderr


@pytest.mark.house(challenge="always")
def test_challenge(house):
    code, said = house.alice.json("open", "alice", "ssh", "-4")
    assert code == GRANTED and said["answers"][0]["challenged"]
    assert house.sshd.login(house.client, v4("server"))


@pytest.mark.house(challenge="always")
def test_challenge_by_hand(house):
    """Bound to request and ciphertext; the same M3 gets the same M4, a changed one silence."""
    alice = house.by_hand()
    t = alice.next_t()
    kind, reply = alice.ask(alice.m1(t, verb=rq.OPEN, services=("ssh",)))
    assert kind == openpgp.PGP_CHALLENGE and reply.verdict == "challenge" and not house.postern.doors()
    right = alice.ciphertext
    alice.ciphertext = right[:-1] + bytes([right[-1] ^ 1])
    assert alice.silent(alice.answer(t, v4("client")))
    alice.ciphertext = right
    assert alice.silent(alice.answer(t, v4("attacker")))
    body = alice.answer_body(t, v4("client"))
    for _ in range(2):
        kind, reply = alice.ask(alice.packet(body, kind=openpgp.PGP_ANSWER))
        assert kind == openpgp.PGP_RESULT and reply.verdict == "ok"
    assert opened(house) == 1 and house.is_open()


@pytest.mark.parametrize("who", ["alice", "carol"])
def test_confirm_none_draws_no_packet(house, who):
    """By OpenPGP as by noise: the door opens, and the server sends nothing."""
    if who == "carol":
        house.carol = User(house.client, "carol")
        house.carol.import_profile(house.postern.add_client("carol", server="server.lab"))
        house.postern.reload_and_wait()
    user = getattr(house, who)
    assert user.postern("ping", who, "-4").returncode == GRANTED
    file = user.home / f".config/postern/profiles/{who}"
    file.write_text(file.read_text().replace("confirm = reply", "confirm = none"))
    udp = record.Recording(house.server, f"udp src port {Postern.PORT}", direction="out")
    user.postern("open", who, "ssh", "-4")
    until(lambda: house.is_open(), 10, "the door")
    stays(lambda: True, 0.3, "quiet")
    assert not udp.stop()


def test_under_loss(house):
    house.loss(20)
    done = house.alice.postern("open", "alice", "ssh", "-4", "--retries", "15", timeout=120)
    assert done.returncode == GRANTED  # eight in vain are a chance of one in 3,500, fifteen of one in 10^7
    assert opened(house) == 1


def test_replay(house):
    taken = recorded_knock(house)
    house.alice.postern("close", "alice", "ssh")
    assert_replay_is_in_vain(house, taken)
    house.postern.stop()
    house.start()
    assert_replay_is_in_vain(house, taken)
    house.postern.kill_all()
    house.start()
    assert_replay_is_in_vain(house, taken)
    house.postern.kill("auth")
    until(lambda: house.knocker().ping(0.3), 10, "the new auth")
    assert_replay_is_in_vain(house, taken)
    until(lambda: house.alice.postern("ping", "alice", "-4").returncode == GRANTED, 10, "a new knock")


def test_other_keys_of_the_profile_are_not_enough(house):
    """Who steals the file, but not the OpenPGP key, is not heard; unless envelope=any says so."""
    file = house.alice.home / ".config/postern/profiles/alice"
    file.write_text(file.read_text().replace("envelope = openpgp", "envelope = noise"))
    assert house.alice.postern("ping", "alice", "-4", "--retries", "1").returncode == 2
    assert house.postern.counter("auth.envelope") > 0
    clients = house.postern.etc / "clients"
    clients.write_text(clients.read_text().replace("openpgp=", "envelope=any,openpgp="))
    house.postern.reload_and_wait()
    assert house.alice.postern("ping", "alice", "-4").returncode == GRANTED


# --- a client gone bad: the label holds, what it is for does not ---


def packet_of(tag, body):
    """An OpenPGP packet with a length of its own; tag of the new form."""
    return bytes([0xC0 | tag, 0xFF]) + len(body).to_bytes(4, "big") + body


def literal(data):
    return packet_of(11, b"b\0" + bytes(4) + data)


def compressed(data, times=1):
    for _ in range(times):
        maker = zlib.compressobj(9, zlib.DEFLATED, -15)
        data = packet_of(8, b"\1" + maker.compress(data) + maker.flush())
    return data


def bomb():
    """100 MB in some 200 bytes."""
    return packet_of(8, b"\3" + bz2.compress(literal(bytes(100 << 20)), 9))


def raw(alice, packets):
    """Encrypted to the server as they are, whatever they are."""
    return alice.ring.gpg("-z", "0", "--no-literal", "-r", alice.peer, "--encrypt", data=packets)


def signed_by(house, alice, name, **more):
    key = alice.ring.make(name, **more)
    return alice.ring.seal(alice.signed(alice.request(), alice.last_t), key, alice.peer)


def by_expired(house, alice):
    """Pinned, and good when it signed; an hour ago its time was over."""
    then = ("--faked-system-time", int(time.time()) - 7200)
    key = alice.ring.make("brief", until="seconds=3600", more=then)
    house.server_ring().gpg("--import", data=alice.ring.gpg("--export", key))
    clients = house.postern.etc / "clients"
    clients.write_text(clients.read_text().replace(house.key, key))
    house.postern.reload_and_wait()
    text = alice.signed(alice.request(), alice.last_t)
    return raw(alice, alice.ring.gpg(*then, "-z", "0", "-u", key, "--sign", data=text))


def by_revoked(house, alice):
    """The administrator has taken the revocation in."""
    body = alice.ring.seal(alice.signed(alice.request(), alice.last_t), alice.own, alice.peer)
    paper = (alice.ring.folder / "openpgp-revocs.d" / f"{alice.own}.rev").read_text()
    armor = "-----BEGIN" + paper.split(":-----BEGIN", 1)[1]
    house.server_ring().gpg("--import", data=armor.encode())
    return body


def signed_twice(house, alice):
    other = alice.ring.make("second")
    house.server_ring().gpg("--import", data=alice.ring.gpg("--export", other))
    return alice.ring.seal(alice.signed(alice.request(), alice.last_t), [alice.own, other], alice.peer)


def for_somebody_else(house, alice):
    other = alice.ring.make("other")
    return alice.ring.seal(alice.signed(alice.request(), alice.last_t), alice.own, other)


def unprotected(house, alice):
    return alice.ring.gpg(
        "-z", "0", "--rfc2440", "--disable-mdc", "--cipher-algo", "CAST5", "-u", alice.own, "-r", alice.peer,
        "--sign", "--encrypt", data=alice.signed(alice.request(), alice.last_t),
    )


def changed(house, alice):
    body = alice.ring.seal(alice.signed(alice.request(), alice.last_t), alice.own, alice.peer)
    return body[:-30] + bytes([body[-30] ^ 1]) + body[-29:]


def with_passphrase(house, alice):
    """Encrypted to the server and to a passphrase, which nobody shall be asked for."""
    words = ["--passphrase", "x", "--pinentry-mode", "loopback", "--symmetric"]
    return alice.ring.gpg("-z", "0", *words, data=b"hello")


def for_another_time(house, alice):
    """Well signed, but not what the label says."""
    return alice.ring.seal(alice.signed(alice.request(), alice.last_t - 1), alice.own, alice.peer)


def too_long(house, alice):
    """More than two kilobytes, well signed, and short on the way."""
    text = alice.signed(alice.request(), alice.last_t) + bytes(4000)
    return alice.ring.gpg("-z", "9", "-u", alice.own, "-r", alice.peer, "--sign", "--encrypt", data=text)


HOSTILE = {
    "garbage": lambda h, a: os.urandom(700),
    "huge": lambda h, a: b"\xd2\xff\xff\xff\xff\xff\1" + os.urandom(600),
    "huge-inside": lambda h, a: raw(a, b"\xcb\xff\xff\xff\xff\xf0b\0" + bytes(300)),
    "not-encrypted": lambda h, a: a.ring.gpg(
        "-z", "0", "-u", a.own, "--sign", data=a.signed(a.request(), a.last_t)
    ),
    "not-signed": lambda h, a: a.ring.gpg(
        "-z", "0", "-r", a.peer, "--encrypt", data=a.signed(a.request(), a.last_t)
    ),
    "nested": lambda h, a: raw(a, compressed(literal(b"x"), 40)),
    "bomb": lambda h, a: raw(a, bomb()),
    "bomb-outside": lambda h, a: bomb(),
    "key": lambda h, a: a.ring.gpg("--export", a.ring.make("stowaway")),
    "unknown": lambda h, a: signed_by(h, a, "unknown"),
    "expired": by_expired,
    "revoked": by_revoked,
    "twice": signed_twice,
    "other": for_somebody_else,
    "unprotected": unprotected,
    "changed": changed,
    "passphrase": with_passphrase,
    "time": for_another_time,
    "too-long": too_long,
}


def memory_kb(house):
    """Of all processes under openpgp. Those of a message may end at any moment, and have none then."""
    total, todo = 0, [house.postern.pid("openpgp")]
    while todo:
        pid = todo.pop()
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            total += int(status(pid).get("VmRSS", "0 kB").split()[0])
        todo += children(pid)
    return total


def judge(house, alice, name):
    """One message: silence, nothing opens, others are served meanwhile, and it ends in time."""
    bob = house.knocker()
    t = alice.next_t()
    body = HOSTILE[name](house, alice)
    assert 0 < len(body) <= 1125, len(body)
    before = house.postern.stats()
    began, worst = time.monotonic(), 0
    alice.send(alice.packet(body, t))
    while True:
        asked = time.monotonic()
        assert bob.ping().verdict == "ok"
        worst = max(worst, time.monotonic() - asked)
        assert memory_kb(house) < 300_000
        now = house.postern.stats()
        if sum(now[c] - before[c] for c in ("auth.forged", "auth.pgp.failed", "auth.short")):
            break
        assert time.monotonic() - began < LIMIT_S
    assert worst < 0.75 * GPG_S, "another client's knock waited"
    assert alice.receive(0.2) is None and not house.postern.doors()


def test_hostile_messages(house):
    alice = house.by_hand()
    assert alice.ask(alice.m1())[1].verdict in ("ok", "challenge")
    keys = house.server_ring().gpg("--list-keys", "--with-colons").count(b"pub:")
    for name in HOSTILE:
        if name not in ("expired", "revoked", "twice"):
            judge(house, alice, name)
    # No key came in by a message, and one line in ten seconds is all that was said.
    assert house.server_ring().gpg("--list-keys", "--with-colons").count(b"pub:") == keys
    assert len(house.postern.log_lines("openpgp: warning: gpg")) <= 20
    judge(house, alice, "twice")
    assert alice.ask(alice.m1())[1].verdict in ("ok", "challenge")
    judge(house, alice, "revoked")
    judge(house, alice, "expired")


def test_the_label_comes_before_gpg(house):
    """Somebody who has the door key alone gets no byte to gpg, and neither does a repeated message."""
    alice = house.by_hand()
    t = alice.next_t()
    body = alice.ring.seal(alice.signed(alice.request(), t), alice.own, alice.peer)
    assert alice.ask(alice.packet(body, t))
    used = house.postern.stats()
    for _ in range(20):
        alice.send(alice.packet(body, t))
    stranger = house.by_hand()
    stranger.who.client_secret = os.urandom(32)
    for _ in range(20):
        stranger.send(stranger.packet(os.urandom(500)))

    def counted(name):
        return house.postern.stats()[name] - used[name]

    until(lambda: counted("auth.label") == 20 and counted("auth.replay") == 20, 5, "their counts")
    assert counted("auth.forged") == counted("auth.pgp.failed") == 0


def agent_of(house):
    """Waits: it is there before it is called so, until it executes the program."""

    def found():
        return next((p for p in children(house.postern.pid("openpgp")) if "gpg-agent" in cmdline(p)), None)

    return until(found, 5, "gpg-agent")


def test_a_hung_agent_delays_nobody_else(house):
    bob, alice = house.knocker(), house.by_hand()
    assert bob.ping().verdict == "ok" and alice.ask(alice.m1())
    old = agent_of(house)
    os.kill(old, signal.SIGSTOP)
    began, served = time.monotonic(), -1
    alice.send(alice.m1())
    while house.postern.counter("auth.pgp.failed") == 0:
        assert bob.ping().verdict == "ok"
        served += 1
        assert time.monotonic() - began < LIMIT_S
    assert served > 0, "another client's knock waited"  # all but the last were answered before
    until(lambda: not alive(old), 10, "its end")
    assert house.alice.postern("ping", "alice", "-4").returncode == GRANTED
    assert agent_of(house) != old


def test_a_hung_process_is_not_waited_for(house):
    """openpgp itself stopped, then dead: noise goes on, and openpgp as soon as there is a new one."""
    bob, alice = house.knocker(), house.by_hand()
    pid = house.postern.pid("openpgp")
    os.kill(pid, signal.SIGSTOP)
    for _ in range(3):
        alice.send(alice.m1())
        assert bob.ping().verdict == "ok"
    os.kill(pid, signal.SIGKILL)
    until(lambda: house.postern.pid("openpgp") not in (None, pid), 5, "the new process")
    assert house.alice.postern("ping", "alice", "-4").returncode == GRANTED
    assert house.postern.counter("auth.pgp.failed") >= 1


# --- who runs it, and as what ---


def test_the_process_is_in_a_jail_with_all_that_it_starts(house):
    pid = house.postern.pid("openpgp")
    for each in (pid, agent_of(house)):
        found = status(each)
        assert found["NoNewPrivs"] == "1" and found["Seccomp"] == "2"
        assert {int(found[k], 16) for k in ("CapInh", "CapPrm", "CapEff", "CapAmb")} == {0}
        assert "0" not in found["Uid"].split() + found["Gid"].split() + found["Groups"].split()
    users = {status(house.postern.pid(role))["Uid"] for role in ("openpgp", "auth", "capture")}
    assert len(users) == 3
    assert not house.postern.log_lines("sandbox forbids")


def test_it_is_there_as_long_as_a_client_uses_it():
    with PgpHouse(start=False) as house:
        clients = house.postern.etc / "clients"
        with_alice = clients.read_text()
        clients.write_text("".join(s for s in with_alice.splitlines(True) if "openpgp=" not in s))
        house.postern.start()
        stays(lambda: not house.postern.pid("openpgp"), 0.3, "no process")
        clients.write_text(with_alice)
        house.postern.reload_and_wait()
        server_log(house, "gpg_ready")
        assert house.alice.postern("ping", "alice", "-4").returncode == GRANTED
        house.postern.ctl("client", "revoke", "alice")
        until(lambda: not house.postern.pid("openpgp"), 10, "its end")
        assert house.knocker().ping().verdict == "ok"
        assert house.postern.stop() == 0


# --- keys: made, brought, refused ---


def refuse(house, name, file, said):
    before = (house.postern.etc / "clients").read_text()
    done = house.postern.ctl(
        "client", "add", name, "--service", "ssh", "--openpgp", file, "--output", house.folder / f"{name}.p", check=False
    )
    assert done.returncode and said in done.stderr, done.stderr
    assert (house.postern.etc / "clients").read_text() == before and not (house.folder / f"{name}.p").exists()


def test_client_add():
    """Wrong keys change nothing; the server's key is made once."""
    with PgpHouse(start=False) as house:
        ring, where = house.ring, house.folder / "key"
        first = house.server_ring().gpg("--list-keys", "--with-colons")
        other = ring.make("other")
        for data, said in (
            (b"not a key", "no OpenPGP key"),
            (ring.gpg("--export"), "more than one"),
            (ring.gpg("--export-secret-keys", other), "secret key"),
            (ring.gpg("--export", other)[:60], "cannot both sign and be encrypted to"),
            (os.urandom(20000), "longer than"),
        ):
            where.write_bytes(data)
            refuse(house, "eve", where, said)
        refuse(house, "eve", house.folder / "nowhere", "No such file")
        assert house.server_ring().gpg("--list-keys", "--with-colons") == first
        ring.export(other, where)
        profile = house.postern.add_client("frank", openpgp=where)
        mine = [s for s in house.profile.read_text().splitlines() if s.startswith("openpgp-server")]
        assert mine[0] in profile.read_text()


def test_check_looks_at_the_keyring():
    with PgpHouse(start=False) as house:
        check = [house.postern.bin / "daemon/posternd", "--check", "-c", house.postern.config]
        assert house.server.run(*check).returncode == 0
        (house.postern.state / "openpgp").chmod(0o755)
        done = house.server.run(*check, check=False)
        assert done.returncode and "must be a keyring" in done.stderr
        # Nor does the process take it; all others go on.
        house.postern.start()
        server_log(house, "must be a keyring")
        assert house.knocker().ping().verdict == "ok"


def test_import_says_what_is_missing(house):
    other = User(house.client, "other")
    other.env["XDG_DATA_HOME"] = str(other.home / "data")
    file = other.give(house.profile)
    done = other.postern("import", file)
    assert done.returncode == PROFILE and house.key in done.stderr and "--import" in done.stderr
    assert not (other.home / ".config/postern/profiles").exists() or not list(
        (other.home / ".config/postern/profiles").iterdir()
    )
    # With the key there it comes in, and the server's key with it.
    ring = house.keyring(other.home / "data/postern/gnupg")
    secret = house.ring.gpg("--pinentry-mode", "loopback", "--passphrase", "", "--export-secret-keys", house.key)
    ring.gpg("--pinentry-mode", "loopback", "--passphrase", "", "--import", data=secret)
    assert other.postern("import", file).returncode == GRANTED
    assert other.postern("ping", "alice", "-4").returncode == GRANTED
    ring.close()


def with_a_passphrase(house, *agent):
    """carol, whose key has the passphrase `secret`, and her keyring, whose agent is told so much."""
    user = User(house.client, "carol")
    user.env["XDG_DATA_HOME"] = str(user.home / "data")
    ring = house.keyring(user.home / "data/postern/gnupg")
    key = ring.make("carol", passphrase="secret")
    ring.close()  # it remembers nothing
    with (ring.folder / "gpg-agent.conf").open("a") as file:
        file.writelines(f"{line}\n" for line in agent)
    public = ring.export(key, house.folder / "carol.pub")
    user.import_profile(house.postern.add_client("carol", server="server.lab", openpgp=public))
    return user, ring


@pytest.mark.parametrize("typed, code", [("secret", GRANTED), ("wrong", SYSTEM)])
def test_the_passphrase_is_asked_for_by_pinentry(house, typed, code):
    script = house.folder / "pinentry"
    user, ring = with_a_passphrase(house, f"pinentry-program {script}")
    heard = user.home / "heard"
    script.write_text(
        "#!/bin/sh\necho OK Pleased to meet you\nwhile read -r word rest; do\n"
        f'echo "$word $rest" >>"{heard}"\n'
        f'[ "$word" = GETPIN ] && echo "D {typed}"\necho OK\n[ "$word" = BYE ] && exit 0\ndone\n'
    )
    script.chmod(0o755)
    before = house.postern.heard()
    done = user.postern("ping", "carol", "-4")
    assert done.returncode == code, done.stderr
    assert "GETPIN" in heard.read_text()
    # Nothing is sent before the key can be used.
    assert code == GRANTED or (house.postern.heard() == before and "OpenPGP" in done.stderr)
    ring.close()


def test_a_pinentry_left_alone_is_not_waited_for_ever(house):
    """The key has a passphrase, and nobody is there to type it: the knock says so, and sends nothing."""
    user, ring = with_a_passphrase(house)
    began = time.monotonic()
    done = user.postern("ping", "carol", "-4")
    assert done.returncode not in (GRANTED, DENIED) and "OpenPGP" in done.stderr
    assert time.monotonic() - began < 30
    ring.close()
