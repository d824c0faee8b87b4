"""posternctl, and what posternd says of its configuration."""

import os
import re
import socket
import stat
import time

import pytest
from lab import nft, stays, until
from lab.network import v4, v6
from lab.programs import PLACES
from lab.user import GRANTED, NO_ANSWER, User


def posternd(house, *args):
    return house.server.run(house.postern.bin / PLACES["posternd"], *args, check=False)


def test_init_makes_what_is_needed_and_never_twice(house):
    etc = house.postern.etc
    for name in ("server.key", "door.key", "clients", "posternd.conf"):
        assert (etc / name).exists()
    for name in ("server.key", "door.key", "clients"):
        assert stat.S_IMODE((etc / name).stat().st_mode) == 0o600
    before = (etc / "server.key").read_bytes()
    done = house.postern.ctl("init", "--config-dir", etc, check=False)
    assert done.returncode != 0 and (etc / "server.key").read_bytes() == before


def test_client_add_keeps_no_private_key(house):
    profile = house.postern.add_client("carol", server="server.lab")
    assert stat.S_IMODE(profile.stat().st_mode) == 0o600
    values = dict(line.split(" = ") for line in profile.read_text().splitlines() if " = " in line)
    kept = "".join(p.read_text() for p in house.postern.etc.rglob("*") if p.is_file())
    private = [name for name, value in values.items() if len(value) == 44 and value not in kept]
    # The server's public key is not in its files either: only the private one, from which it comes.
    assert sorted(private) == ["private-key", "server-key"]
    done = house.postern.ctl("client", "add", "carol", "--service", "ssh", "--server", "x", check=False)
    assert done.returncode != 0 and "carol" in done.stderr


def test_client_add_takes_effect_at_once(house):
    """No knock of a new client is lost because somebody forgot to reload."""
    carol = User(house.client, "carol")
    carol.import_profile(house.postern.add_client("carol", server="server.lab"))
    if carol.postern("ping", "carol").returncode == NO_ANSWER:
        house.postern.reload_and_wait()
    assert carol.postern("open", "carol").returncode == GRANTED


def test_client_list_and_revoke(house):
    assert re.search(r"^alice\b.*ssh", house.postern.ctl("client", "list").stdout, re.M)
    house.postern.ctl("client", "revoke", "alice")
    assert house.postern.ctl("client", "revoke", "nobody", check=False).returncode != 0
    until(lambda: house.alice.postern("ping", "alice", "-4").returncode == NO_ANSWER, 10, "the end of alice")
    assert house.knocker().open().verdict == "ok"


def test_rotate_door_key(house):
    """Who had the old one is let in once more and gets the new one; two rotations later he is out."""
    house.postern.ctl("rotate-door-key")
    house.postern.reload_and_wait()
    old, bob = house.card, house.knocker()
    reply = bob.open()
    assert reply.verdict == "ok" and reply.door_key == house.postern.keys()[1][0] != old.door_key
    assert house.alice.postern("open", "alice", "-4").returncode == GRANTED
    # Whoever did not knock in between would be left behind, so a second rotation wants the first to be ended.
    assert house.postern.ctl("rotate-door-key", check=False).returncode != 0
    house.postern.ctl("rotate-door-key", "--forget-previous")
    until(lambda: bob.open(seconds=0.3) is None, 5, "the end of the old key")
    assert house.alice.postern("open", "alice", "-4").returncode == GRANTED  # she had learnt it


def test_sessions_and_close(house):
    assert house.alice.postern("open", "alice").returncode == GRANTED
    said = {row["address"]: row for row in house.postern.sessions()}
    assert set(said) == {v4("client"), v6("client")}
    four = said[v4("client")]
    assert (four["client"], four["service"], four["port"]) == ("alice", "ssh", 22)
    assert 50 < four["rest_s"] <= 60
    text = house.postern.ctl("sessions").stdout
    assert four["session"] in text and "alice" in text
    house.postern.ctl("close", four["session"])
    until(lambda: not house.is_open(), 10, "the closed door")
    assert house.is_open(six=True) and len(house.postern.sessions()) == 1
    assert house.postern.ctl("close", four["session"], check=False).returncode != 0
    house.postern.ctl("close", "--client", "alice")
    until(house.all_closed, 10, "the other")


def test_stats_count_every_reason(house):
    before = house.postern.stats()
    house.knocker().silent(b"x" * 400)
    now = house.postern.stats()
    assert now["capture.eth0.gate"] == before["capture.eth0.gate"] + 1
    assert {"auth.replay", "auth.label", "auth.client", "auth.dh"} <= set(now)


def test_only_root_may_open_the_control_socket(house):
    path = house.postern.run_dir / "control.sock"
    found = path.stat()
    assert found.st_uid == 0 and stat.S_IMODE(found.st_mode) & 0o077 == 0
    # Who is not root is told so, and not that there is no configuration.
    for program, *words in (("posternctl", "sessions"), ("posternd",), ("posternd", "--check")):
        for mode, said in ((0o700, "as root"), (0o755, "only root" if words == ["--check"] else "as root")):
            house.postern.etc.chmod(mode)
            done = house.alice.run(house.postern.bin / PLACES[program], "-c", house.postern.config, *words)
            assert done.returncode != 0 and said in done.stderr and "init" not in done.stderr, done.stderr
    house.postern.etc.chmod(0o700)


def test_without_a_daemon_it_says_so(house):
    house.postern.stop()
    done = house.postern.ctl("sessions", check=False)
    assert done.returncode != 0 and "posternd" in done.stderr and len(done.stderr.splitlines()) == 1


@pytest.mark.house(start=False)
def test_firewall_install_show_and_remove(house):
    assert house.is_open()
    shown = house.postern.ctl("firewall", "show").stdout
    assert "table inet postern" in shown
    house.postern.ctl("firewall", "install")
    assert house.all_closed() and "table inet postern" in nft.listing(house.server)
    house.postern.ctl("firewall", "install")  # again is fine
    house.postern.ctl("firewall", "remove")
    assert house.is_open() and nft.listing(house.server) == ""


@pytest.mark.house(start=False)
def test_firewall_try_takes_itself_back(house):
    start = time.monotonic()
    house.postern.ctl("firewall", "try", "--for", "3")
    assert not house.is_open()
    until(house.is_open, 8, "the host as it was")
    assert 2 < time.monotonic() - start < 6


@pytest.mark.house(start=False)
def test_firewall_try_confirmed_stays(house):
    house.postern.ctl("firewall", "try", "--for", "3")
    house.postern.ctl("firewall", "confirm")
    end = time.monotonic() + 4
    stays(lambda: not house.is_open(), end - time.monotonic(), "the guard", 0.3)
    assert house.postern.ctl("firewall", "confirm", check=False).returncode != 0


@pytest.mark.house(start=False)
def test_firewall_try_warns_when_it_would_cut_the_session_that_it_runs_in(house):
    inside = {"SSH_CONNECTION": f"{v4('client')} 50000 {v4('server')} 22"}
    program = house.postern.bin / PLACES["posternctl"]
    command = (program, "-c", house.postern.config, "firewall", "try", "--for", "2")
    warned = house.server.run(*command, check=False, env=inside, stdin="")
    plain = house.server.run(*command, check=False, env={"SSH_CONNECTION": ""}, stdin="")
    assert "ssh" in warned.stderr + warned.stdout
    assert warned.stdout + warned.stderr != plain.stdout + plain.stderr


def test_check_tells_every_fault_with_its_line(house):
    text = house.postern.config_text()
    bad = text.replace("hold = 60", "hold = 0").replace("udp-port = ", "udp-port = 99")
    house.postern.write_config(bad)
    with open(house.postern.etc / "clients", "a") as file:
        file.write("dave x y z\n")
    done = posternd(house, "--check", "-c", house.postern.config)
    said = done.stdout + done.stderr
    assert done.returncode != 0
    lines = bad.splitlines()
    for word in ("udp-port", "hold"):
        number = next(i for i, line in enumerate(lines, 1) if line.strip().startswith(word + " "))
        assert re.search(rf"posternd\.conf:{number}: .*{word}", said), said
    house.postern.write_config()
    done = posternd(house, "--check", "-c", house.postern.config)
    assert done.returncode != 0 and re.search(r"clients:\d+:", done.stdout + done.stderr)


def test_check_is_quiet_about_what_is_right(house):
    done = posternd(house, "--check", "-c", house.postern.config)
    assert done.returncode == 0


def test_check_warns_of_a_program_that_is_not_there(house):
    text = house.postern.config_text()
    lines = ['command "x" { run = {"/no/such"}  user = nobody }', 'event-script = /etc']
    house.postern.write_config("\n".join([text, *lines, ""]))
    done = posternd(house, "--check", "-c", house.postern.config)
    at = len(text.splitlines()) + 2
    assert done.returncode == 0
    assert f"posternd.conf:{at}: warning: run: /no/such: No such file or directory; install it" in done.stderr
    assert "warning: event-script: /etc: not a program" in done.stderr


def test_print_config_reads_back_the_same(house):
    first = posternd(house, "--print-config", "-c", house.postern.config)
    assert first.returncode == 0
    house.postern.write_config(first.stdout)
    again = posternd(house, "--print-config", "-c", house.postern.config)
    assert again.stdout == first.stdout


def everything_in(folder):
    return {p: p.read_bytes() if p.is_file() else None for p in folder.rglob("*")}


@pytest.mark.house(start=False)
def test_dry_run_decides_logs_and_changes_nothing(house):
    before, stored = nft.listing(house.server), everything_in(house.postern.state)
    house.postern.start("--dry-run")
    bob = house.knocker()
    assert bob.silent(bob.make().m1) and bob.silent(bob.make(("nosuch",)).m1)
    until(lambda: house.postern.log_lines("granted client=bob service=ssh"), 5, "what it would have done")
    until(lambda: house.postern.log_lines("client=bob .*verdict=denied"), 5, "what it would not")
    assert house.is_open()  # no guard
    assert nft.listing(house.server) == before
    assert everything_in(house.postern.state) == stored
    # Nor is the knock remembered as spent.
    house.postern.stop()
    house.postern.start()
    assert bob.open().verdict == "ok"


@pytest.mark.house(start=False)
def test_as_a_daemon_and_ready_for_systemd(house):
    """Without -f it goes to the background when it is ready; with NOTIFY_SOCKET it says so."""
    path = str(house.folder / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
        s.bind(path)
        os.chmod(path, 0o666)
        s.settimeout(10)
        program = house.postern.bin / PLACES["posternd"]
        process = house.server.start(program, "-f", "-c", house.postern.config, env={"NOTIFY_SOCKET": path})
        assert b"READY=1" in s.recv(1000)
        assert house.knocker().ping().verdict == "ok"
        process.stop()
    done = house.server.run(program, "-c", house.postern.config, check=False)
    assert done.returncode == 0
    assert until(lambda: house.knocker().ping(0.3), 5, "the daemon").verdict == "ok"


def test_a_second_daemon_is_refused(house):
    done = posternd(house, "-f", "-c", house.postern.config)
    assert done.returncode != 0
    assert house.knocker().ping().verdict == "ok"
