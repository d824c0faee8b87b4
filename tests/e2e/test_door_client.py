"""What a client may ask of a door, and of a server beside doors: with the real programs."""

import contextlib
import glob
import json
import os
import pwd
import re
import socket
import time

import pytest
from lab import connect, nft, until
from lab.network import v4
from lab.process import alive, status
from lab.user import DENIED, GRANTED, NO_ANSWER, USAGE, User
from test_firewall_backend import serve
from test_who import set_pin

S4, S6 = v4("server"), "fd88::1"
FAILED = 7
SOURCE = 19001  # a port that the kernel gives to nobody by itself
IDLE = 3  # of which a third is left to knock again
SSH = dict(name="ssh", proto="tcp", port=22, hold=60, max_hold=3600)
QUIET = dict(name="quiet", proto="tcp", port=2200, hold=60, max_hold=60, idle=IDLE)
BRIEF = dict(name="brief", proto="tcp", port=2201, hold=4, max_hold=60, cut="yes")
SPARE = pytest.mark.house(sshd=False, start=False, services=(SSH, QUIET, BRIEF))


def begin(house, options="service=quiet,service=brief", more=""):
    """Starts with more in the configuration, and more allowed to alice."""
    house.postern.write_config(house.postern.config_text() + more)
    clients = house.postern.etc / "clients"
    clients.write_text(re.sub(r"(?m)^(alice .*)$", rf"\1,{options}", clients.read_text()))
    house.postern.start()


def knock(house, *args, status=GRANTED):
    done = house.alice.postern(*args)
    assert done.returncode == status, (args, done.stdout, done.stderr)
    return done.stdout


def state(house, port, source=0, server=S4):
    """As connect.tcp(), from a port of one's own."""
    with house.client.socket(connect.family(server), socket.SOCK_STREAM) as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        s.bind(("", source))
        s.settimeout(0.3)
        try:
            s.connect((server, port))
            return "open"
        except TimeoutError:
            return "silent"


# --- narrow doors ---


@SPARE
@pytest.mark.parametrize("server", [S4, S6], ids=["v4", "v6"])
def test_single_use(house, server):
    begin(house)
    serve(house.server)
    knock(house, "open", "alice", "ssh", "--single-use")
    assert [session["closes"] for session in house.postern.sessions()] == 2 * ["once"]
    assert [state(house, 22, server=server) for _ in range(2)] == ["open", "silent"]
    assert "no door" not in knock(house, "list", "alice")  # that of the other family
    assert len(house.postern.sessions()) == 1


@SPARE
def test_idle_and_what_a_server_has_of_it(house):
    begin(house)
    serve(house.server, 2200)
    said = knock(house, "open", "alice", "quiet")
    assert f"for 60 s\nit closes earlier after {IDLE} s without traffic" in said
    assert state(house, 2200) == "open"
    until(lambda: not house.postern.sessions(), IDLE + 10, "the idle door's end")  # whoever tries it keeps it open
    assert state(house, 2200) == "silent"
    _, told = house.alice.json("open", "alice", "quiet", "ssh", "--idle", "1h", "-4")
    assert told["answers"][0]["idle"] == IDLE
    assert {session["closes"] for session in house.postern.sessions()} == {f"idle {IDLE} s"}
    done = house.alice.postern("open", "alice", "ssh", "--idle", "1")
    assert done.returncode == DENIED
    assert "no idle time is configured that is as short" in done.stderr


@SPARE
def test_a_source_port(house):
    begin(house)
    serve(house.server)
    knock(house, "open", "alice", "ssh", "--source-port", SOURCE, "-4")
    assert [state(house, 22, p) for p in (0, SOURCE, SOURCE + 1, SOURCE)] == ["silent", "open", "silent", "open"]
    assert {s["closes"] for s in house.postern.sessions()} == {f"by time, port {SOURCE}"}
    assert house.alice.postern("open", "alice", "ssh", "--source-port", "0").returncode == USAGE


@SPARE
def test_narrow_doors_that_nothing_confirms(house):
    """The client does not try them: that would use up the one, and come from the wrong port for the other."""
    begin(house)
    serve(house.server)
    blind = ("-4", "--confirm", "none", "--retries", "0")
    knock(house, "ping", "alice", "-4")
    for narrow, port in (("--single-use",), 0), (("--source-port", SOURCE), SOURCE):
        status, told = house.alice.json("open", "alice", "ssh", *blind, *narrow)
        assert (status, told["answers"][0]["unconfirmed"]) == (NO_ANSWER, True), told
        assert "brings no answer back" in told["error"] and "is not tried" in told["error"]
        assert state(house, 22, port) == "open"
        knock(house, "close", "alice", "ssh", "-4")
    proxy = house.alice.start("connect", S4, "22", "--profile", "alice", "--exact", "--single-use", *blind)
    proxy.wait_line("hello")


@pytest.mark.house()
def test_ssh_through_a_door_for_its_own_connection(house):
    """A neighbour behind the same address finds nothing, though ssh is up."""
    proxy = house.alice.start("connect", S4, "22", "--profile", "alice", "--exact", "--single-use", "-4")
    proxy.wait_line("SSH-2.0")
    assert connect.tcp(house.client, S4, 22) == "silent"
    assert [s for s in house.postern.sessions() if not re.fullmatch(r"once, port \d+", s["closes"])] == []


@SPARE
def test_closing_may_kill(house):
    begin(house, "cut")
    serve(house.server)
    knock(house, "open", "alice", "ssh", "-4")
    with house.client.socket() as s:
        s.settimeout(2)
        s.connect((S4, 22))
        assert s.recv(10) == b"hello"
        knock(house, "close", "alice", "ssh")
        s.send(b"alive")
        time.sleep(0.2)
        assert s.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0
        knock(house, "close", "alice", "ssh")  # nothing is open any more: fine
        knock(house, "open", "alice", "ssh", "-4")
        knock(house, "close", "alice", "ssh", "--kill")
        with pytest.raises(ConnectionResetError):
            s.recv(10)
    assert house.postern.log_lines("connections_cut")


@SPARE
def test_a_service_may_end_its_connections_with_the_door(house):
    begin(house)
    serve(house.server, 2201)
    knock(house, "open", "alice", "brief", "-4")
    with house.client.socket() as s:
        s.settimeout(20)
        s.connect((S4, 2201))
        assert s.recv(10) == b"hello"
        with pytest.raises(ConnectionResetError):
            s.recv(10)


PAIR = dict(name="pair", proto="tcp", port='{2200, "2201-2202"}', hold=60, max_hold=60)


@pytest.mark.house(sshd=False, start=False, services=(SSH, PAIR))
def test_a_port_that_moves_to_another_service(house):
    """Who was let in to the one is not let in to the other; the ports that stay, stay open."""
    begin(house, "service=pair")
    for port in (2200, 2202):
        serve(house.server, port)
    knock(house, "open", "alice", "pair", "-4")
    assert [state(house, port) for port in (2200, 2202)] == ["open", "open"]
    house.postern.services = [SSH, dict(PAIR, port="{2200, 2201}"), dict(PAIR, name="other", port="2202")]
    house.postern.write_config()
    house.postern.reload_and_wait()
    assert [state(house, port) for port in (2200, 2202)] == ["open", "silent"]


# --- keep ---


def pending(pid):
    """Signals that a process has not taken yet, of which two of a kind would be one."""
    try:
        return int(status(pid)["ShdPnd"], 16)
    except (FileNotFoundError, ProcessLookupError):
        return 0


@SPARE
def test_keep_holds_a_door_open_and_closes_it(house):
    begin(house)
    serve(house.server)
    kept = house.alice.start("keep", "alice", "ssh", "--hold", "5", "-4")
    kept.wait_line("ssh .* is open")
    begin_ = time.monotonic()
    while time.monotonic() < begin_ + 11:  # more than twice its time
        assert state(house, 22) == "open"
        time.sleep(0.1)
    assert len(house.postern.log_lines("granted")) >= 3
    kept.signal(15)
    kept.wait_line("closed ssh")
    assert kept.popen.wait(10) == 0
    assert state(house, 22) == "silent"
    assert len(re.findall("is open", kept.output())) == 1  # what stays as it was is no news


@SPARE
def test_keep_follows_an_address(house):
    begin(house)
    serve(house.server)
    kept = house.alice.start("keep", "alice", "ssh", "-4")
    kept.wait_line("is open for 10.88.0.2")
    house.client.ip("addr", "del", "10.88.0.2/24", "dev", "eth0")
    house.client.ip("addr", "add", "10.88.0.77/24", "dev", "eth0")
    until(lambda: connect.tcp(house.client, S4, 22, source="10.88.0.77") == "open", 10, "a door for the new address")
    house.client.ip("addr", "flush", "dev", "eth0")
    house.client.ip("addr", "add", "10.88.0.2/24", "dev", "eth0")
    kept.signal(2)
    assert kept.popen.wait(30) == 0


@SPARE
def test_keep_waits_for_a_server(house):
    """And is done soon when told to end while there is none; at once when told twice."""
    begin(house)
    house.postern.stop()
    for signals in (1, 2):
        kept = house.alice.start("keep", "alice", "ssh", "-4")
        until(lambda: house.client.run("ss", "-Hun").stdout.strip(), 5, "a knock on its way")
        begun = time.monotonic()
        for _ in range(signals):
            kept.signal(2)
            until(lambda: not kept.running() or not pending(kept.pid), 5, "the taking of the signal")
        assert kept.popen.wait(10) == (NO_ANSWER if signals == 1 else -2)
        assert signals == 2 or time.monotonic() - begun < 5
        assert ("closes when its time is over" in kept.output()) == (signals == 1)
    kept = house.alice.start("keep", "alice", "ssh", "-4", "--retries", "0")
    kept.wait_line("no answer")
    house.postern.start()
    kept.wait_line("is open", 20)
    kept.signal(15)
    assert kept.popen.wait(10) == 0


DEAF_BY_V6 = """table ip6 deaf {
    chain c {
        type filter hook input priority 0; policy accept;
        meta l4proto udp drop
    }
}"""


@SPARE
def test_keep_holds_an_idle_door_open_that_nobody_uses(house):
    """Also where the other family is silent, which takes its time to find out."""
    begin(house)
    nft.load(house.client, DEAF_BY_V6)
    kept = house.alice.start("keep", "alice", "quiet")
    kept.wait_line("tcp 2200 is open")
    for _ in range(4 * IDLE):
        time.sleep(0.5)
        assert {session["port"] for session in house.postern.sessions()} == {2200}, kept.output()
    assert len(re.findall("is open", kept.output())) == 1
    kept.signal(2)
    kept.wait_line("closed quiet")


@SPARE
def test_keep_without_answers(house):
    """It cannot know the rest of a door, and does not knock all the time for that."""
    begin(house)
    serve(house.server)
    knock(house, "ping", "alice", "-4")
    kept = house.alice.start("keep", "alice", "ssh", "-4", "--confirm", "none")
    kept.wait_line("comes through")
    time.sleep(4)
    assert len(house.postern.log_lines("granted client=alice")) == 2  # the second, for a time that is known
    assert len(house.postern.log_lines("answered client=alice .*verb=open")) <= 4  # some were repeated
    kept.signal(2)
    until(lambda: not house.postern.sessions(), 10, "the door's end")
    kept.popen.wait(10)


@SPARE
def test_keep_ends_where_knocking_on_is_no_use(house):
    begin(house)
    set_pin(house, pin="sesame")
    right, wrong = ((house.alice.home / name) for name in ("right", "wrong"))
    for path in (right, wrong):
        path.write_text("sesame\n" if path is right else "wrong\n")
        house.alice.give(path)
    struck = house.postern.stats()["auth.strike"]
    for words, status, why in (
        (("ssh", f"--pin-file={wrong}"), DENIED, "the PIN or the one-time code is wrong"),
        (("ssh",), DENIED, "asks for a PIN, and nobody said it"),
        (("ssh", "--pin-file=/nowhere"), USAGE, "/nowhere: no PIN can be read (No such file or directory)"),
        (("nothing", f"--pin-file={right}"), DENIED, "this client may not do that"),
        (("ssh", "--code", "123456"), USAGE, "a one-time code is good once"),
        (("ssh", "--single-use"), USAGE, "cannot be held open"),
    ):
        done = house.alice.postern("keep", "alice", *words, timeout=10)
        assert (done.returncode, why in done.stderr) == (status, True), (words, done.stdout, done.stderr)
    assert house.postern.stats()["auth.strike"] == struck + 2
    # A PIN that can be read but once is kept.
    kept = house.alice.start("keep", "alice", "quiet", "-4", f"--pin-file={right}")
    kept.wait_line("is open")
    right.unlink()
    until(lambda: len(house.postern.log_lines("granted client=alice")) >= 3, 10, "two more knocks")
    kept.signal(15)
    assert kept.popen.wait(10) == 0


# --- commands ---

COMMANDS = """
command "say" { run = {"/bin/echo", "said:"}  arguments = {"[a-z ;&$()]+"}  user = nobody }
command "who" { run = {"/bin/sh", "-c", "id -un; grep -E 'CapEff|NoNewPrivs' /proc/self/status"}  user = root }
command "fail" { run = {"/bin/sh", "-c", "echo broken; exit 9"}  user = nobody }
command "hang" { run = {"/bin/sleep", "1000"}  user = nobody  timeout = 1 }
command "flood" { run = {"/bin/sh", "-c", "head -c 1000000 /dev/zero | tr '\\\\0' x"}  user = nobody }
command "slow" { run = {"/bin/sh", "-c", "echo once >>MARK; sleep 2; echo over"}  user = root }
"""
ALL = ",".join(f"command={name}" for name in ("say", "who", "fail", "hang", "flood", "slow"))


def with_commands(house, options=ALL, more=""):
    begin(house, options, COMMANDS.replace("MARK", str(house.folder / "mark")) + more)


@SPARE
def test_a_command_and_what_it_says(house):
    with_commands(house)
    assert knock(house, "run", "alice", "say", "hello; id & $(id)") == "said: hello; id & $(id)\n"
    done = house.alice.postern("run", "alice", "fail")
    assert (done.returncode, done.stdout) == (FAILED, "broken\n")
    assert "ended with status 9" in done.stderr
    status, told = house.alice.json("run", "alice", "fail")
    assert (status, told["output"], told["exit_status"]) == (FAILED, "broken\n", 9)
    told = [(row["what"], row["arguments"], row["exit_status"]) for row in house.postern.ctl_json("log")["log"]]
    assert told[-3:] == [("say", "hello; id & $(id)", 0), ("fail", None, 9), ("fail", None, 9)]


@SPARE
def test_a_command_of_root_has_the_rights_of_root(house):
    with_commands(house)
    said = knock(house, "run", "alice", "who")
    own = (house.server.run("grep", "CapEff", "/proc/self/status").stdout).split()[1]
    assert said.startswith("root\n")
    assert f"CapEff:\t{own}" in said
    assert "NoNewPrivs:\t0" in said
    for role in ("capture", "auth"):  # but nobody else has more than before
        status = open(f"/proc/{house.postern.pid(role)}/status").read()
        assert "CapEff:\t0000000000000000" in status
        assert "NoNewPrivs:\t1" in status


@SPARE
def test_what_a_client_may_not_run(house):
    with_commands(house, "command=say")
    for words in (["fail"], ["nonsense"], ["say"], ["say", "UPPER"], ["say", "a", "b"], ["--command-line", "id"]):
        done = house.alice.postern("run", "alice", *words)
        assert done.returncode == DENIED, (words, done.stdout, done.stderr)
    assert not house.postern.log_lines(r"command id=")


@SPARE
def test_commands_that_hang_or_flood(house):
    with_commands(house)
    done = house.alice.postern("run", "alice", "hang")
    assert done.returncode == DENIED
    assert "took too long and was killed" in done.stderr
    said = knock(house, "run", "alice", "flood", "-4")
    assert 100 < len(said) <= 1025
    assert set(said) == {"x", "\n"}
    assert house.alice.postern("ping", "alice").returncode == GRANTED


FORKS = """
command "leave" { run = {"/bin/sh", "-c", "sleep 1000 & sleep 1000 & echo left"}  user = games  timeout = 6 }
command "breed" { run = {"/usr/bin/perl", "-e", "PERL"}  user = games  timeout = 8 }
command "count" { run = {"/bin/echo", "one"}  user = games }
"""
# As fast as it can; were there no limit, it would end with these.
BREED = "for (my $n = 0; $n < 2000;) { my $p = fork // next; $p || sleep(100) && exit; $n++ }"
LIMIT = 1024  # processes of one user
LEAVES_S = 6


def of_games():
    """The processes that live of a user whom nothing else here runs as."""
    uid, found = pwd.getpwnam("games").pw_uid, 0
    for folder in glob.glob("/proc/[0-9]*"):
        with contextlib.suppress(OSError):
            found += os.stat(folder).st_uid == uid and alive(int(folder[6:]))
    return found


@SPARE
def test_commands_that_fork(house):
    """What is left of a command is killed at its time; who forks without an end has so many, and stops nobody."""
    options = ",".join(f"command={name}" for name in ("leave", "breed", "count"))
    house.postern.directives["client-rate"] = 1000
    begin(house, options, FORKS.replace("PERL", BREED))
    begun = time.monotonic()
    assert knock(house, "run", "alice", "leave", "-4") == "left\n"
    assert of_games() == 2 and time.monotonic() - begun < LEAVES_S
    until(lambda: of_games() == 0, LEAVES_S + 10, "the end of what it left")
    breeding, bob, most = house.alice.start("run", "alice", "breed", "-4"), house.knocker(), 0
    while breeding.running():
        assert bob.open().verdict in ("ok", "refreshed")
        most = max(most, of_games())
    assert most == LIMIT
    assert breeding.popen.returncode == DENIED and "took too long and was killed" in breeding.output()
    until(lambda: of_games() == 0, 20, "the end of all")
    assert knock(house, "run", "alice", "count", "-4") == "one\n"


@SPARE
def test_a_slow_command_runs_once(house):
    """The client asks again and again while it waits; doors open meanwhile."""
    with_commands(house)
    serve(house.server)
    waiting = house.alice.start("run", "alice", "slow")
    until(lambda: (house.folder / "mark").exists(), 5, "its beginning")
    knock(house, "open", "alice", "ssh", "-4")
    assert state(house, 22) == "open"
    waiting.wait_line("over", 20)
    assert (house.folder / "mark").read_text() == "once\n"


SHELL_FORMS = """; @|& @|&& @|PIPE @|PIPEPIPE @|`@`|$(@)|NL@|CRNL@|'; @; '|"; @; "|\\; @|x;@#|aNL@NL|<(@)|>(@)|{ @; }|(@)|!@|PIPE&@|;;@|exec @|eval @|$'@'|-e @""".replace("NL", "\n").replace("CR", "\r").split("|")
SHELL_LINES = ("touch MARK", "touch${IFS}MARK", ">MARK", "/usr/bin/touch MARK")


@SPARE
def test_no_argument_reaches_a_shell(house):
    """A hundred strings that a shell would do something with, to a command that takes anything."""
    mark = house.folder / "shell-was-here"
    show = 'command "show" { run = {"/usr/bin/printf", "<%s>"}  arguments = {".*"}  user = root }\n'
    house.postern.directives["client-rate"] = 1000
    begin(house, "command=show", show)
    strings = [form.replace("PIPE", "|").replace("@", line.replace("MARK", str(mark)))
               for form in SHELL_FORMS for line in SHELL_LINES]
    assert len(strings) == len(set(strings)) == 100
    for string in strings:
        told = json.loads(knock(house, "run", "alice", "-4", "--json", "show", "--", string))
        assert told["output"].replace("\\x0d", "\r") == f"<{string}>", string
        assert not mark.exists(), string


@SPARE
def test_any_line_is_a_permission_of_its_own(house):
    with_commands(house, "command-line", "command-line-user = nobody\n")
    long = "echo " + 40 * "abcdefgh"
    assert knock(house, "run", "alice", "--command-line", "echo $((6*7)); id -un") == "42\nnobody\n"
    assert knock(house, "run", "alice", "--command-line", long) == 40 * "abcdefgh" + "\n"
    assert house.postern.ctl_json("log")["log"][-1]["arguments"] == long
    assert house.postern.log_lines("warning.*command-line-user: clients with the option command-line may run anything")


# --- elsewhere ---

DB = dict(name="db", proto="tcp", port=15432, hold=60, max_hold=60, forward='"10.99.0.5:5432"')
NET = 'gateway "net" { inside = eth0  outside = eth1 }\n'


@pytest.fixture
def inner(house):
    """Another network behind the server, with the backend in it."""
    for number, host, tail in ((21, house.server, 1), (25, house.backend, 5)):
        house.connect(host, "eth1", number)
        host.ip("addr", "add", f"10.99.0.{tail}/24", "dev", "eth1")
    house.server.sysctl("net.ipv4.ip_forward", 1)
    house.client.ip("route", "add", "10.99.0.0/24", "via", S4)
    serve(house.backend, 5432)
    yield house


@pytest.mark.house("backend", sshd=False, start=False, services=(SSH, DB))
def test_a_door_to_another_host(inner):
    begin(inner, "service=db")
    assert state(inner, 15432) == "silent"
    done = inner.alice.postern("open", "alice", "db")
    assert (done.returncode, state(inner, 15432)) == (GRANTED, "open"), done.stderr
    assert "no other end in this family" in done.stdout + done.stderr or "ipv6" in done.stdout + done.stderr
    assert connect.tcp(inner.attacker, S4, 15432) == "silent"
    knock(inner, "close", "alice", "db")
    assert state(inner, 15432) == "silent"


@pytest.mark.house("backend", sshd=False, start=False, services=(SSH,))
def test_out_through_a_gateway(inner):
    begin(inner, "service=net", NET)
    assert connect.tcp(inner.client, "10.99.0.5", 5432) == "silent"
    assert "gateway is open" in knock(inner, "open", "alice", "net", "-4")
    assert connect.tcp(inner.client, "10.99.0.5", 5432) == "open"
    assert inner.postern.sessions()[0]["port"] == 0
    knock(inner, "close", "alice", "net")
    assert connect.tcp(inner.client, "10.99.0.5", 5432) == "silent"
    # A client whose profile knows of it calls it by its name.
    gina = User(inner.client, "gina")
    gina.import_profile(inner.postern.add_client("gina", services=("ssh", "net"), server="server.lab"))
    inner.postern.reload_and_wait()
    assert "net (gateway) is open" in gina.postern("open", "gina", "-4").stdout
    assert "net (gateway) for another" in gina.postern("list", "gina", "-4").stdout
