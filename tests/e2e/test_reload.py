"""SIGHUP is all or nothing."""

import re

import pytest
from lab import stays, until
from lab.network import v4
from lab.postern import SSH, Postern
from lab.user import DENIED, GRANTED

WEB = ("web", "tcp", 80, 60, 60)


def change(house, **directives):
    house.postern.directives.update(directives)
    house.postern.write_config()


def refused(house, pattern):
    """The reload is refused with a sentence that has file and line; all goes on as before."""
    pids, bob = house.postern.pids(), house.knocker()
    house.postern.reload()
    until(lambda: house.postern.log_lines(pattern), 5, pattern)
    stays(lambda: house.postern.pids() == pids, 0.3, "the same processes")
    assert bob.open().verdict in ("ok", "refreshed")


@pytest.mark.parametrize(
    "broken, said",
    [
        ("hold = 60", r"posternd\.conf:\d+:"),
        ("udp-port", r"posternd\.conf:\d+:"),
        ("proto = tcp", r"posternd\.conf:\d+:"),
    ],
)
def test_a_wrong_configuration_changes_nothing(house, broken, said):
    text = house.postern.config_text().replace(broken, broken.replace(" = ", " = no-") if " = " in broken else "udp-prt")
    house.postern.write_config(text)
    refused(house, said)


def test_a_wrong_client_changes_nothing(house):
    good = (house.postern.etc / "clients").read_text()
    carol = house.postern.enrol("carol")
    with open(house.postern.etc / "clients", "a") as file:
        file.write("dave not-base64 not-base64 not-base64 service=ssh\n")
    refused(house, r"clients:\d+:")
    # Carol, whose line is right, is not in either: all or nothing.
    assert house.knocker(carol).open(seconds=0.3) is None
    (house.postern.etc / "clients").write_text(good)
    house.postern.reload_and_wait()


def test_a_lost_key_changes_nothing(house):
    (house.postern.etc / "door.key").rename(house.postern.etc / "door.away")
    refused(house, r"door\.key")


def test_a_user_that_is_not_there_changes_nothing(house):
    change(house, **{"capture-user": "postern-nobody-made-it"})
    refused(house, "user_missing")


def test_new_services_and_clients_come_and_go(house):
    carol = house.postern.enrol("carol", "service=ssh")
    assert house.knocker(carol).open(seconds=0.3) is None
    house.postern.services = [SSH, WEB]
    house.postern.write_config()
    house.postern.reload_and_wait()
    assert house.knocker(carol).open().verdict == "ok"
    until(lambda: not house.is_open(port=80), 10, "the new guard")
    assert house.alice.postern("open", "alice", "web").returncode == DENIED


def test_doors_stay_open_over_a_reload(house):
    assert house.alice.postern("open", "alice", "-4").returncode == GRANTED
    (before,) = house.postern.doors().values()
    for _ in range(3):
        house.postern.reload_and_wait()
        assert house.is_open()
    (after,) = house.postern.doors().values()
    assert 0 < after <= before
    assert house.alice.postern("list", "alice", "-4").returncode == GRANTED
    assert [row["client"] for row in house.postern.sessions()] == ["alice"]


def test_another_knock_port(house):
    assert house.knocker().ping().verdict == "ok"
    change(house, udp_port=Postern.PORT + 7)
    house.postern.directives["udp-port"] = house.postern.directives.pop("udp_port")
    house.postern.write_config()
    house.postern.reload_and_wait()
    bob = house.knocker()
    assert bob.ping(0.3) is None
    bob.port = Postern.PORT + 7
    until(lambda: bob.ping(0.5), 5, "the new port")


def test_a_reload_loses_no_knock(house):
    bob = house.knocker()
    for number in range(30):
        if number % 5 == 0:
            house.postern.reload()
        assert until(lambda: bob.open(seconds=0.5), 10, "an answer").verdict in ("ok", "refreshed")
    assert len(house.postern.doors()) == 1


def test_reload_by_posternctl_tells_how_it_went(house):
    carol = house.postern.enrol("carol")
    house.postern.ctl("reload")
    assert house.knocker(carol).open().verdict == "ok"
    change(house, window=0)
    done = house.postern.ctl("reload", check=False)
    assert done.returncode != 0 and re.search(r"posternd\.conf:\d+: .*window", done.stdout + done.stderr)
    del house.postern.directives["window"]
    house.postern.write_config()
    # Also what the monitor alone sees.
    clients = house.postern.etc / "clients"
    clients.chmod(0o644)
    done = house.postern.ctl("reload", check=False)
    assert f"{clients}: others can read it (mode 0644): run chmod 0600 on it" in done.stderr
    assert "what was in force stays in force" in done.stderr
    clients.chmod(0o600)
    change(house, **{"capture-user": "postern-nobody-made-it"})
    done = house.postern.ctl("reload", check=False)
    assert "the user that capture-user names is not there" in done.stderr
    del house.postern.directives["capture-user"]
    house.postern.write_config()
    house.postern.ctl("reload")


def test_a_revoked_client_is_out_after_the_reload(house):
    lines = (house.postern.etc / "clients").read_text().splitlines(keepends=True)
    (house.postern.etc / "clients").write_text("".join(x for x in lines if not x.startswith("bob ")))
    assert house.knocker().open().verdict == "ok"
    house.postern.reload_and_wait()
    assert house.knocker().open(seconds=0.5) is None
    until(lambda: (v4("client"), "tcp", 22) not in house.postern.doors(), 5, "the end of his door")
