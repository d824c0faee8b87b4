"""Who may what, and when: PINs and one-time codes, hours, doors at once, carriers, those who are shut out."""

import base64
import fcntl
import hashlib
import hmac
import os
import pty
import re
import select
import struct
import subprocess
import termios
import time

import pytest
from lab import connect, until
from lab.network import v4
from lab.user import DENIED, GRANTED, NO_ANSWER

PIN = "sesame 47,11"
STEP_S = 30


def totp(uri, step=0, *, now=None):
    """What an authenticator shows (RFC 6238); steps from now."""
    secret = base64.b32decode(re.search("secret=([A-Z2-7]+)", uri)[1])
    digits = int(re.search(r"digits=(\d)", uri)[1])
    counter = int((now or time.time()) // STEP_S) + step
    mac = hmac.new(secret, struct.pack(">Q", counter), hashlib.sha1).digest()
    at = mac[-1] & 15
    return f"{(int.from_bytes(mac[at:at + 4], 'big') & 0x7fffffff) % 10**digits:0{digits}}"


class Codes:
    """Those of the steps around one moment, each another than the others; a test may take a step more than it began in."""

    STEPS = range(-1, 4)  # all that a server could take while it lasts

    def __init__(self, house, name="alice"):
        """Of eight digits, which are in no log by chance."""
        while True:
            uri = set_totp(house, "--digits", "8", name=name)
            now = time.time()
            self.at = {step: totp(uri, step, now=now) for step in self.STEPS}
            if len(set(self.at.values())) == len(self.at):
                break
        self.before, self.now, self.next = (self.at[step] for step in (-1, 0, 1))
        self.wrong = next(code for n in range(10) if (code := f"{n:08}") not in self.at.values())


def set_pin(house, name="alice", pin=PIN):
    house.postern.host.run(
        house.postern.bin / "ctl/posternctl", "-c", house.postern.config, "client", "pin", name, stdin=pin + "\n"
    )


def set_totp(house, *options, name="alice"):
    return house.postern.ctl_json("client", "totp", name, *options)["uri"]


def pin_file(house, pin=PIN):
    path = house.alice.home / "pin"
    path.write_text(pin + "\n")
    return f"--pin-file={house.alice.give(path)}"


def at_terminal(house, answers, *args):
    """`postern ARGS` with a terminal: what it showed, and its exit status. answers: {prompt: what is typed}"""
    ours, theirs = pty.openpty()

    def take_terminal():
        os.setsid()
        fcntl.ioctl(theirs, termios.TIOCSCTTY, 0)

    words = house.alice.host.argv(house.alice.argv(house.alice.program, *args))
    process = subprocess.Popen(
        words, stdin=theirs, stdout=theirs, stderr=theirs, env={**os.environ, **house.alice.env}, preexec_fn=take_terminal
    )
    os.close(theirs)
    shown = ""
    try:
        while True:
            if not select.select([ours], [], [], 20)[0]:
                raise AssertionError(f"nothing more than: {shown}")
            try:
                more = os.read(ours, 1000).decode()
            except OSError:  # the other end is closed
                break
            if not more:
                break
            shown += more
            for prompt, answer in list(answers.items()):
                if prompt in shown:
                    os.write(ours, answer.encode() + b"\n")
                    del answers[prompt]
    finally:
        os.close(ours)
        status = process.wait(20)
    return shown, status


def test_pin_and_code_at_the_terminal(house):
    set_pin(house)
    code = Codes(house).now
    shown, status = at_terminal(house, {"PIN of alice:": PIN, "one-time code of alice:": code}, "open", "alice", "ssh")
    assert status == GRANTED, shown
    assert PIN not in shown and code not in shown  # no echo
    assert house.is_open() or house.is_open(six=True)
    log = house.postern.log()
    clients = (house.postern.etc / "clients").read_text()
    assert PIN not in log and code not in log and PIN not in clients
    # What opens nothing asks for nothing.
    assert house.alice.postern("ping", "alice").returncode == GRANTED
    assert house.alice.postern("close", "alice", "--all").returncode == GRANTED


def test_wrong_and_right_and_used(house):
    set_pin(house)
    codes = Codes(house)
    code = codes.now

    def knock(pin, code):
        return house.alice.json("open", "alice", "ssh", "-4", pin_file(house, pin), "--code", code)

    def verdict(answer):
        return answer[0], answer[1]["answers"][0].get("verdict")

    assert verdict(knock(PIN, codes.wrong)) == (DENIED, "code-or-pin")
    assert verdict(knock("sesame 47,12", codes.before)) == (DENIED, "code-or-pin")
    assert not house.is_open()
    assert verdict(knock(PIN, code))[0] == GRANTED
    assert house.is_open()
    assert verdict(knock(PIN, code)) == (DENIED, "code-or-pin")
    # The daemon remembers that over its end.
    house.postern.kill_all()
    house.postern.start()
    assert verdict(knock(PIN, code)) == (DENIED, "code-or-pin")
    assert verdict(knock(PIN, codes.next))[0] == GRANTED  # one step ahead is good, too
    # One mistake is one, though it could be made over both families.
    struck = house.postern.stats()["auth.strike"]
    done = house.alice.postern("open", "alice", "ssh", pin_file(house, "wrong"), "--code", code)
    assert done.returncode == DENIED and "no answer" not in done.stderr
    assert house.postern.stats()["auth.strike"] == struck + 1
    # Where nobody can be asked, it is said what is wanted.
    done = house.alice.postern("open", "alice", "ssh", "-4")
    assert done.returncode == DENIED and "asks for a PIN and a one-time code" in done.stderr
    # Without them again.
    house.postern.ctl("client", "pin", "alice", "--remove")
    house.postern.ctl("client", "totp", "alice", "--remove")
    assert house.alice.postern("open", "alice", "ssh", "-4").returncode == GRANTED


def test_who_takes_his_time(house):
    """The challenge waits ten seconds, a person longer: the knock is made anew with what was said."""
    set_pin(house)
    script = house.alice.home / "askpass"
    script.write_text(f'#!/bin/sh\nsleep 11\necho "{PIN}"\n')
    house.alice.give(script)
    script.chmod(0o700)
    house.alice.env["POSTERN_ASKPASS"] = str(script)
    assert house.alice.postern("open", "alice", "ssh", "-4").returncode == GRANTED
    assert house.is_open()
    assert house.postern.counter("auth.challenged") >= 2


def without_terminal(house, program, *env):
    """`postern open alice ssh -4` where there is none; with programs of ours: {name: lines of a shell}."""
    folder = house.alice.home / "bin"
    folder.mkdir(exist_ok=True)
    for name, text in program.items():
        (folder / name).write_text(f"#!/bin/sh\n{text}\n")
        house.alice.give(folder / name)
        (folder / name).chmod(0o700)
    house.alice.give(folder)
    folder.chmod(0o700)
    words = ["/usr/bin/env", f"PATH={folder}", *env, house.alice.program, "open", "alice", "ssh", "-4"]
    return house.alice.host.run("setsid", "-w", *house.alice.argv(*words), env=house.alice.env, check=False)


def test_pinentry(house):
    """Without a terminal and a program of ours it is pinentry that asks."""
    set_pin(house, pin="%" * 32)  # as long as can be, each byte as three
    heard = house.alice.home / "heard"
    tells = f'/bin/echo "$word $rest" >>"{heard}"\n'
    loop = "echo OK Pleased to meet you\nwhile read -r word rest; do\n" + tells
    pinentry = loop + f'[ "$word" = GETPIN ] && echo "D {"%25" * 32}"\necho OK\n[ "$word" = BYE ] && exit 0\ndone'
    done = without_terminal(house, {"pinentry": pinentry})
    assert done.returncode == GRANTED, done.stderr
    assert "SETPROMPT PIN of alice" in heard.read_text()


def test_why_nobody_was_asked(house):
    """What failed is named, and what it said of that."""
    set_pin(house)
    done = without_terminal(house, {})
    assert done.returncode == DENIED and "asks for a PIN, and nobody said it" in done.stderr
    assert "pinentry cannot be started: No such file or directory; give a PIN by --pin-file" in done.stderr
    refuses = 'echo OK\nwhile read -r word rest; do\n' \
        '[ "$word" = GETPIN ] && echo "ERR 83918950 No such device <curses>" || echo OK\ndone'
    done = without_terminal(house, {"pinentry": refuses})
    assert done.returncode == DENIED and "pinentry did not ask: No such device <curses>; give" in done.stderr
    done = without_terminal(house, {"pinentry": "exit 3"})
    assert "pinentry did not ask: it ended with status 3 and without an answer; give" in done.stderr
    done = without_terminal(house, {}, "POSTERN_ASKPASS=/no/such")
    assert "/no/such, which POSTERN_ASKPASS names, cannot be started: No such file or directory" in done.stderr
    done = without_terminal(house, {"no": "exit 1"}, "POSTERN_ASKPASS=no")
    assert "no, which POSTERN_ASKPASS names: it ended with status 1 and without an answer" in done.stderr


def test_where_no_answer_comes_back(house):
    """PIN and code travel with the request then."""
    assert house.alice.postern("open", "alice", "ssh", "-4").returncode == GRANTED  # the mark is proven
    assert house.alice.postern("close", "alice", "--all", "-4").returncode == GRANTED
    set_pin(house)
    codes = Codes(house)

    def knock(*secrets):
        return house.alice.postern("open", "alice", "ssh", "-4", "--confirm", "none", *secrets)

    knock("--retries=1")
    assert not house.is_open()
    knock("--retries=1", pin_file(house), "--code", codes.wrong)
    assert not house.is_open()
    assert knock(pin_file(house), "--code", codes.now).returncode == GRANTED
    assert until(house.is_open, 10, "the door")


@pytest.mark.house(alice=False)
def test_hours(house):
    """Two clients, the one's hours are now, the other's are half a day away."""
    now = time.gmtime()
    near, far = (f"{(now.tm_hour + h) % 24:02}" for h in (23, 1)), (f"{(now.tm_hour + h) % 24:02}" for h in (11, 13))
    day = house.knocker(house.postern.enrol("day", "service=ssh", "hours={}:00-{}:59".format(*near)))
    night = house.knocker(house.postern.enrol("night", "service=ssh", "hours={}:00-{}:00".format(*far)))
    house.postern.reload_and_wait()
    for knocker, verdict in ((day, "ok"), (night, "denied")):
        knock = knocker.make()
        assert knocker.exchange(knock.m1, knock).verdict == "challenge"
        reply = knocker.exchange(knock.answer(), knock)
        assert reply.verdict == verdict
    assert reply.reason == "not at this time"


def test_a_carrier_that_is_not_the_clients(house):
    """By it there is silence, as for a stranger."""
    card = house.postern.enrol("carol", "service=ssh", "carrier=sequence")
    house.postern.reload_and_wait()
    knocker = house.knocker(card)
    knocker.send(knocker.make().m1)
    until(lambda: house.postern.counter("auth.carrier") == 1, 5, "the count")
    assert not house.postern.doors()


def hears(connection):
    """Does sshd go on when it is told who is there?"""
    connection.settimeout(10)
    try:
        connection.sendall(b"SSH-2.0-test\r\n")
        return len(connection.recv(4096)) > 0
    except OSError:
        return False


CUT = {"name": "ssh", "proto": "tcp", "port": 22, "hold": 60, "max_hold": 3600, "cut": "yes"}


@pytest.mark.house(services=[CUT])
def test_who_is_shut_out_is_out(house):
    """Revoking closes the doors, ends the connections, and nothing is heard any more."""
    assert house.alice.postern("open", "alice", "ssh", "-4").returncode == GRANTED
    first, second = (connect.held(house.client, v4("server"), 22) for _ in range(2))
    for connection in (first, second):
        assert connection.recv(100).startswith(b"SSH-2.0-")
    assert hears(first)
    house.postern.ctl("client", "revoke", "alice")
    assert not house.postern.doors() and not house.is_open()
    assert not hears(second)
    assert house.alice.postern("open", "alice", "ssh", "-4", "--retries=1").returncode == NO_ANSWER


@pytest.fixture
def asked(house):
    """A person who says yes or no by writing into a file; what he was asked is in another."""
    script, heard, word = (house.postern.etc / name for name in ("ask", "heard", "word"))
    script.write_text(
        f"#!/bin/sh\nenv | grep ^POSTERN_ | sort >{heard}\n"
        f'until [ -e {word} ]; do sleep 0.1; done\nread -r said <{word}\nrm {word}\n[ "$said" = yes ]\n'
    )
    script.chmod(0o755)
    command = f'command "ask" {{\n run = {{"{script}"}}\n user = root\n timeout = 8\n}}\n'
    house.postern.services = [{**CUT, "approve": "ask"}]
    house.postern.write_config(house.postern.config_text() + command)
    house.postern.start()

    def say(said):
        """In one step: the script reads the file as soon as it is there."""
        whole = word.with_name("said")
        whole.write_text(said + "\n")
        whole.rename(word)

    return house, heard, say


@pytest.mark.house(start=False)
def test_a_person_says_yes(asked):
    house, heard, say = asked
    say("yes")
    assert house.alice.postern("open", "alice", "ssh", "-4").returncode == GRANTED
    assert house.is_open()
    address = v4("client")
    assert heard.read_text().split() == [
        f"POSTERN_ADDRESS={address}", f"POSTERN_ADMIT={address}", "POSTERN_CLIENT=alice", "POSTERN_COMMAND=ask",
        "POSTERN_SERVICE=ssh",
    ]


@pytest.mark.house(start=False)
def test_a_person_says_no_or_nothing(asked):
    house, _, say = asked
    say("no")
    status, said = house.alice.json("open", "alice", "ssh", "-4")
    assert status == DENIED and said["answers"][0]["reason"] == "somebody said no"
    # He takes longer than a client waits: it is told so. In the end nobody has said yes.
    status, said = house.alice.json("open", "alice", "ssh", "-4")
    assert status == DENIED and said["answers"][0]["verdict"] == "busy"
    assert "somebody was asked" in said["answers"][0]["reason"]
    until(lambda: house.postern.log_lines("nobody said yes in time"), 10, "the end of asking")
    assert not house.postern.doors()


@pytest.mark.house(start=False)
def test_a_person_says_yes_later(asked):
    house, _, say = asked
    status, said = house.alice.json("open", "alice", "ssh", "-4")
    assert status == DENIED and said["answers"][0]["verdict"] == "busy"
    say("yes")
    assert until(house.is_open, 5, "the door")
    assert house.alice.postern("open", "alice", "ssh", "-4").returncode == GRANTED
