"""The journal, who is suspended and why, and scripts that hear of it: with the real programs."""

import base64
import json
import os
import re
import time

import pytest
from lab import until
from lab.network import v4
from lab.programs import PLACES
from lab.user import DENIED, GRANTED
from wire import veil
from wire.keys import CLIENT_TO_SERVER

USAGE, REFUSED = 2, 4
STRICT = pytest.mark.house(suspend_after=3, suspend_for=600)


def log(house, *args):
    return house.postern.ctl_json("log", *args)["log"]


def brief(rows):
    return [(row["event"], row["client"], row["what"], row["verdict"]) for row in rows]


def test_journal_outlives_restarts_and_kills(house):
    alice = house.alice
    assert alice.postern("open", "alice", "-4").returncode == GRANTED
    rows = log(house)
    assert brief(rows) == [("challenged", "alice", "ssh", "challenge"), ("granted", "alice", "ssh", "ok")]
    granted = rows[1]
    assert granted["from"] == granted["address"] == v4("client")
    assert granted["sessions"] == [row["session"] for row in house.postern.sessions()]
    house.postern.kill_all()
    house.postern.start()
    assert log(house) == rows
    house.postern.ctl("close", "--client", "alice")
    until(lambda: log(house)[-1]["event"] == "closed", 10, "the record of the closed door")
    house.postern.kill("auth")
    until(lambda: house.postern.ctl("sessions", check=False).returncode == 0, 5, "auth again")
    assert alice.postern("open", "alice", "nothing", "-4").returncode == DENIED
    assert [row["number"] for row in log(house)] == [1, 2, 3, 4]
    # What chooses among them.
    assert brief(log(house, "--verdict", "denied")) == [("answered", "alice", "nothing", "denied")]
    assert [row["number"] for row in log(house, "--service", "ssh", "--last", "2")] == [2, 3]
    assert log(house, "--client", "bob") == [] and len(log(house, "--since", "1h")) == 4
    assert log(house, "--since", "2099-01-01") == []
    text = house.postern.ctl("log", "--last", "1").stdout
    assert re.search(r"^TIME +EVENT.*\n\S+Z +answered +alice .*nothing +denied", text)
    for wrong, status in (("--since=soon", USAGE), ("--last=0", USAGE), ("--verdict=nice", REFUSED)):
        assert house.postern.ctl("log", wrong, check=False).returncode == status


def test_follow_goes_on_through_a_restart(house):
    argv = [house.postern.bin / PLACES["posternctl"], "-c", house.postern.config, "--json", "log", "--follow"]
    follow = house.server.start(*argv, name="follow")
    assert house.alice.postern("open", "alice", "-4").returncode == GRANTED
    follow.wait_line('"granted"')
    house.postern.kill_all()
    house.postern.start()
    assert house.alice.postern("open", "alice", "nothing", "-4").returncode == DENIED
    line = follow.wait_line('^.*"denied".*$').group()
    assert json.loads(line)["what"] == "nothing"


FORGED = 50  # of each kind


def made_up(house, knock, m3):
    """What a neighbour sends who saw a knock and has the door key, as each client has, but no client's secrets."""
    seen = [veil.open_veil(knock.card.doors, CLIENT_TO_SERVER, veil.UDP, packet) for packet in (knock.m1, m3)]
    names = [line.split()[1] for line in (house.postern.etc / "clients").read_text().splitlines() if line[0] != "#"]
    for n in range(FORGED):
        yield from (knock.m1, m3, os.urandom(384 + n))
        for one in seen:
            yield veil.seal(knock.card.doors, veil.UDP, one.kind, one.label, one.body, 700)
            for cid in map(base64.b64decode, names):
                label = veil.Label(cid, time.time_ns(), os.urandom(8))
                body = os.urandom(len(one.body)) if n % 2 else one.body
                yield veil.seal(knock.card.doors, veil.UDP, one.kind, label, body, 700)


@STRICT
def test_suspended_by_forbidden_services_and_by_nobody_else(house):
    alice = house.alice
    assert alice.postern("open", "alice", "-4").returncode == GRANTED
    knocker = house.knocker()
    knock = knocker.make(("nothing",))
    assert knocker.exchange(knock.m1, knock).verdict == "challenge"
    m3 = knock.answer(t=knocker.next_t())
    assert knocker.exchange(m3, knock).verdict == "denied"
    # What a neighbour saw, and sends again and again, is nothing; nor is what he makes up.
    before = house.postern.stats()
    for host in (house.attacker, house.client):
        neighbour = house.knocker(host=host)
        house.feed(neighbour, made_up(house, knock, m3))
        assert neighbour.receive(0.3) is None
    after = house.postern.stats()
    assert after["auth.strike"] == before["auth.strike"] == 1
    assert after["auth.label"] - before["auth.label"] == 2 * 2 * 2 * FORGED  # hosts, kinds, clients
    for _ in range(2):
        assert knocker.open(("nothing",)).verdict == "denied"
    assert knocker.open().verdict == "expired"
    assert alice.postern("open", "alice", "-4").returncode == GRANTED
    (told,) = house.postern.log_lines("error: suspended")
    assert "why=forbidden" in told and f"from={v4('client')}" in told
    name = re.search(r"client=(\S+)", told).group(1)
    house.postern.kill_all()
    house.postern.start()
    assert knocker.open().verdict == "expired"
    assert "let in again" in house.postern.ctl("client", "resume", name).stdout
    assert knocker.open().verdict == "ok"
    assert house.postern.ctl("client", "resume", "nobody-here", check=False).returncode == REFUSED
    events = [row["event"] for row in log(house, "--client", name)]
    assert events.count("suspended") == 1 and events.count("resumed") == 1


SCRIPT = """#!/bin/sh
echo "$POSTERN_EVENT $POSTERN_CLIENT $POSTERN_ADDRESS $POSTERN_WHAT $POSTERN_VERDICT $POSTERN_REASON $(id -un) $#" >>{heard}
[ -e {slow} ] && exec sleep 100
exit 0
"""


@pytest.mark.house(start=False, suspend_after=1)
def test_a_script_hears_of_it(house):
    folder = house.postern.etc.parent / "heard"
    folder.mkdir(mode=0o777)
    folder.chmod(0o777)
    heard, script = folder / "heard", folder / "script"
    script.write_text(SCRIPT.format(heard=heard, slow=folder / "slow"))
    script.chmod(0o755)
    house.postern.write_config(house.postern.config_text() + f'event-script = "{script}"\n')
    house.postern.start()

    def lines():
        return heard.read_text().splitlines() if heard.exists() else []

    assert house.alice.postern("open", "alice", "-4").returncode == GRANTED
    until(lambda: lines(), 5, "the script")
    (folder / "slow").touch()  # from now on it hangs, and nobody waits for it
    house.postern.ctl("close", "--client", "alice")
    assert house.alice.postern("open", "alice", "nothing", "-4").returncode == DENIED
    until(lambda: len(lines()) == 3, 5, "three events")
    address = v4("client")
    assert sorted(lines()) == [
        f"closed alice {address} ssh  withdrawn nobody 0",
        f"granted alice {address} ssh ok  nobody 0",
        f"suspended alice {address} nothing  forbidden nobody 0",
    ]
