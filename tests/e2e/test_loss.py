"""A fifth of all packets is lost, or they come twice and in another order: the client gets in by its own retries."""

import contextlib
import os
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from lab import nft, web
from lab.combinations import CARRIERS, options
from lab.hybrid_house import HybridHouse
from lab.jumble import Jumble
from lab.network import v4
from lab.user import GRANTED

LOSS = 20
# The promise is 95 of 100. Where more is lost it is by chance: of 20 runs 6 may fail, for a client that fails twice in 100
# has 7 such once in 10^7 times; one that does not repeat what is lost, and so fails 36 times of 100, has them every second.
RUNS = int(os.environ.get("POSTERN_LOSS_RUNS", 20))
MAY_FAIL = RUNS * 5 // 100 if RUNS >= 100 else RUNS * 6 // 20
HOUSES = 5


def scene(photos):
    return HybridHouse(setup=lambda h: nft.load(h.server, nft.DROP_HOST), silence="drop", photos=photos)


def timed(house, preset):
    """How long one knock takes, from the command's start to its end; None when nobody gets in."""
    started = time.monotonic()
    done = house.alice.postern("open", "alice", "ssh", "--preset", preset, timeout=90)
    took = time.monotonic() - started
    return took if done.returncode == GRANTED else None


def several(house, preset, runs):
    assert house.alice.postern("ping", "alice", "--preset", "quick").returncode == GRANTED  # proven
    house.loss(LOSS)
    return [timed(house, preset) for _ in range(runs)]


@pytest.mark.alone
@pytest.mark.parametrize("preset, limit_s", [("quick", 5), ("hybrid", 30)])
def test_a_fifth_of_the_packets_is_lost(preset, limit_s):
    each = -(-RUNS // HOUSES)
    with contextlib.ExitStack() as stack, ThreadPoolExecutor(HOUSES) as pool:
        houses = [stack.enter_context(scene(each * 2 // 3 + 2)) for _ in range(HOUSES)]
        done = pool.map(several, houses, [preset] * HOUSES, [each] * HOUSES)
        times = [t for house in done for t in house][:RUNS]
    good = sorted(t for t in times if t is not None) or [0]
    late = [t for t in times if t is None or t > limit_s]
    said = f"{preset}: {len(late)} of {len(times)} late; median {good[len(good) // 2]:.1f} s, longest {good[-1]:.1f} s"
    print(said)
    assert len(late) <= MAY_FAIL, f"{said}: {late}"


WEB_HOST = nft.DROP_HOST.replace("tcp dport 22 accept", "tcp dport { 22, 80 } accept")
WAYS = {carrier: options("noise", "none", carrier, "reply") for carrier in CARRIERS} | {"hybrid": ("--preset", "hybrid")}


@pytest.fixture(scope="module")
def jumbled():
    with HybridHouse(
        setup=lambda h: nft.load(h.server, WEB_HOST), client={"envelope": "any", "address": "named"},
        silence="drop", tcp_port=14124, icmp="yes", http_port=80,
    ) as made:  # fmt: skip
        made.client.sysctl("net.ipv4.ping_group_range", "0 2147483647")
        web.Nginx(made.server, v4("server"))
        assert made.alice.postern("ping", "alice", "--preset", "quick").returncode == GRANTED
        with contextlib.closing(Jumble(made)) as made.jumble:
            yield made


@pytest.mark.parametrize("way", WAYS)
def test_packets_come_twice_and_in_another_order(jumbled, way):
    """It opens, once."""
    named = ("-a", v4("client")) if way == "http" else ()
    before = len(jumbled.postern.log_lines("granted client=alice"))
    twice, overtaken = jumbled.jumble.twice, jumbled.jumble.overtaken
    code, said = jumbled.alice.json("open", "alice", "ssh", "-4", *named, *WAYS[way])
    assert code == GRANTED, said
    assert jumbled.sshd.login(jumbled.client, v4("server"))
    assert jumbled.jumble.twice > twice and jumbled.jumble.overtaken > overtaken
    assert len(jumbled.postern.log_lines("granted client=alice")) == before + 1
    assert len(jumbled.postern.sessions()) == 1
    back = "hybrid" if way == "hybrid" else "udp"
    assert jumbled.alice.postern("close", "alice", "ssh", "-4", *WAYS[back]).returncode == GRANTED
    assert not jumbled.postern.sessions()
