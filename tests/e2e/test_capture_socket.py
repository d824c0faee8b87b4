"""Capture by a plain UDP socket: the one that listens."""

import json

import pytest
from lab.network import v4, v6
from lab.postern import Postern
from lab.programs import PLACES
from lab.user import GRANTED
from test_capture import SECOND, opens_both, second_cable, works


def start(house, **directives):
    house.postern.directives.update(directives)
    house.postern.write_config()
    house.postern.start()


def check(house):
    return json.loads(house.postern.ctl("--json", "firewall", "check", check=False).stdout)


@pytest.mark.parametrize("silence", ["drop", "closed"])
@pytest.mark.house(start=False, capture="udp", interface=["any"])
def test_the_socket_opens_the_real_door(house, silence):
    start(house, silence=silence)
    assert house.postern.log_lines("warning: socket_listens")
    if silence == "drop":
        opens_both(house)
    else:
        assert house.alice.postern("open", "alice", "ssh").returncode == GRANTED
        assert all(house.sshd.login(house.client, address) for address in house.addresses())


@pytest.mark.house(setup=second_cable, start=False, alice=False, sshd=False, capture="udp")
def test_a_socket_hears_its_own_interface_alone(house):
    start(house, interface=["eth0"])
    assert works(house, v4("server")) and works(house, v6("server"))
    assert not works(house, SECOND["server"][0], 0.4)
    house.postern.directives["interface"] = ["eth0", "eth1"]
    house.postern.write_config()
    house.postern.reload_and_wait()
    assert all(works(house, address) for address in (v4("server"), *SECOND["server"]))


@pytest.mark.house(start=False, alice=False, sshd=False, capture="udp", interface=["any"], silence="closed")
def test_the_check_says_what_it_shows_and_needs(house):
    start(house)
    found = check(house)
    assert found["as_configured"] is True
    assert any("open|filtered" in one["text"] for one in found["advice"])
    # Knocks must come in; the one rule that is told lets them.
    rules = "table inet admin {\nchain input {\ntype filter hook input priority 0; policy drop\niif lo accept\n"
    house.server.run("nft", "-f", "-", stdin=rules + "meta l4proto ipv6-icmp accept\n}\n}\n")
    assert not works(house, v4("server"), 0.4)
    (one,) = (one for one in check(house)["advice"] if one.get("about") == "knocks")
    assert str(Postern.PORT) in one["command"]
    house.server.run("sh", "-c", one["command"])
    assert works(house, v4("server")) and works(house, v6("server"))
    assert not [one for one in check(house)["advice"] if one.get("about") == "knocks"]


@pytest.mark.house(start=False, capture="udp", interface=["any"])
def test_a_container_without_raw_sockets(house):
    """Knocks come by the socket, and answers leave by others at the same port that hear nothing."""
    postern = house.postern
    postern.write_config()
    program = [postern.bin / PLACES["posternd"], "-f", "-c", postern.config]
    postern.process = house.server.start("setpriv", "--bounding-set", "-net_raw", *program, name="posternd")
    postern.process.wait_line("^monitor: ready")
    assert postern.log_lines("no-raw-socket")
    opens_both(house)
    for number in range(16):  # none of them goes to a socket that is deaf
        bob = house.knocker(six=number % 2 == 1)
        assert bob.ping().verdict == "ok"
        bob.close()
