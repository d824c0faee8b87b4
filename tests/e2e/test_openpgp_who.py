"""PINs and one-time codes of a client that knocks by OpenPGP: the same as by noise, the whole way through gpg."""

import pytest
from lab import until
from lab.pgp_house import PgpHouse
from lab.user import DENIED, GRANTED
from test_who import PIN, Codes, pin_file, set_pin


@pytest.fixture(name="house")
def pgp_house(request):
    mark = request.node.get_closest_marker("house")
    with PgpHouse(**(mark.kwargs if mark else {})) as made:
        yield made


def knock(house, pin, code=None):
    """The exit status and the verdict that came; who is asked answers so."""
    secrets = (pin_file(house, pin), *(("--code", code) if code else ()))
    status, said = house.alice.json("open", "alice", "ssh", "-4", *secrets)
    return status, said["answers"][0].get("verdict")


def strikes(house):
    return house.postern.stats()["auth.strike"]


REFUSED = (DENIED, "code-or-pin")


def test_wrong_and_right_and_used(house):
    set_pin(house)
    codes = Codes(house)
    code = codes.now
    assert knock(house, PIN, codes.wrong) == REFUSED and strikes(house) == 1
    # A code that was right is used, though the PIN was wrong.
    assert knock(house, "sesame 47,12", codes.before) == REFUSED and strikes(house) == 2
    assert knock(house, PIN, codes.before) == REFUSED and strikes(house) == 3
    assert not house.is_open() and not house.postern.doors()
    assert knock(house, PIN, code) == (GRANTED, "ok")
    assert house.is_open()
    assert knock(house, PIN, code) == REFUSED
    house.postern.kill_all()
    house.start()
    assert knock(house, PIN, code) == REFUSED
    assert knock(house, PIN, codes.next)[0] == GRANTED
    # What opens nothing asks for nothing; and where nobody can be asked, it is said what is wanted.
    assert house.alice.postern("ping", "alice", "-4").returncode == GRANTED
    done = house.alice.postern("open", "alice", "ssh", "-4")
    assert done.returncode == DENIED and "asks for a PIN and a one-time code" in done.stderr
    # Neither is in what a reader of the log or the clients file finds.
    log, clients = house.postern.log(), (house.postern.etc / "clients").read_text()
    assert PIN not in log and code not in log and PIN not in clients


def test_where_no_answer_comes_back(house):
    """They are in the message that gpg opens then, and a replay of it finds the code used."""
    assert house.alice.postern("open", "alice", "ssh", "-4").returncode == GRANTED  # the mark is proven
    assert house.alice.postern("close", "alice", "--all", "-4").returncode == GRANTED
    set_pin(house)
    codes = Codes(house)

    def silent(*secrets):
        return house.alice.postern("open", "alice", "ssh", "-4", "--confirm", "none", *secrets)

    silent("--retries=1", pin_file(house), "--code", codes.wrong)
    until(lambda: len(house.postern.log_lines("verdict=code-or-pin")) == 2, 5, "both messages")
    assert strikes(house) == 1 and not house.is_open()
    code = codes.now
    assert silent(pin_file(house), "--code", code).returncode == GRANTED
    assert until(house.is_open, 10, "the door")
    assert house.alice.postern("close", "alice", "--all", "-4").returncode == GRANTED
    silent("--retries=1", pin_file(house), "--code", code)
    until(lambda: len(house.postern.log_lines("verdict=code-or-pin")) == 4, 5, "both messages")
    assert strikes(house) == 2 and not house.is_open()


@pytest.mark.house(suspend_after=3, suspend_for=600)
def test_suspended(house):
    """Wrong PINs of somebody who has all keys."""
    set_pin(house)
    for _ in range(3):
        assert knock(house, "wrong") == REFUSED
    assert knock(house, PIN) == (DENIED, "expired")
    assert not house.postern.doors()
    house.postern.ctl("client", "resume", "alice")
    assert knock(house, PIN)[0] == GRANTED and house.is_open()
