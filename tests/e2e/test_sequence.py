"""Knocks in pieces along a secret sequence of ports, with others who send to the same ports."""

import itertools
import random
import socket
import struct
import subprocess
import time
import zlib
from concurrent.futures import ThreadPoolExecutor

import pytest
from PIL import Image
from lab import connect, nft, until
from lab.nat import Nat
from lab.network import v4, v6
from lab.process import cpu_s, resident_kib
from lab.programs import PLACES, build
from lab.record import Recording
from lab.sequencer import Sequencer
from lab.user import GRANTED, NO_ANSWER, User
from wire import frames, sequence

PORTS = [7001, 22222, 4099, 31000, 1234, 60001, 9]
LISTED = {"sequence": PORTS, "sequence_pieces": ["udp", "tcp", "clean"]}
RANGE = {"sequence_range": "20000-29999", "sequence_count": 6, "sequence_pieces": ["udp", "clean"]}
KINDS = ("udp", "clean")
SYSTEM = 5


def ports_of(house, low=20000, high=29999, count=6):
    return sequence.rolling_ports(house.card.doors, low, high, count, time.time())


def no_ports_of(house, low=20000, high=29999, count=6):
    """As many of the same range that no order of now, or of a step before or after, has at any place."""
    heard = {p for off in range(-2, 3) for p in sequence.rolling_ports(house.card.doors, low, high, count, time.time(), off)}
    return list(itertools.islice((p for p in range(low, high) if p not in heard), count))


def capture(house, name):
    return house.postern.counter("." + name)


DROPS = pytest.mark.house(alice=False, setup=lambda h: nft.load(h.server, nft.DROP_HOST), **LISTED)
ANSWERS = pytest.mark.house(alice=False, silence="closed", **LISTED)


@pytest.mark.parametrize(
    "silence", [pytest.param("drop", marks=DROPS), pytest.param("closed", marks=ANSWERS)]
)
def test_pieces_open_the_door(house, silence):
    """Both layouts, both families, in any order; the answer goes to the piece that came first."""
    for kind in KINDS:
        for six in (False, True):
            knocker = Sequencer(house.client, house.card, PORTS, kind, six)
            reply = knocker.open()
            assert reply and reply.verdict in ("ok", "refreshed"), (kind, six, house.postern.stats())
            assert knocker.answered == knocker.first.port
            if kind == "clean":  # what a closed port says
                assert knocker.acked == (knocker.first.seq + 1 + len(knocker.first.payload)) & 0xFFFFFFFF
            knocker.close()
    assert house.sshd.login(house.client, v4("server"))
    assert connect.tcp(house.attacker, v4("server"), 22) == ("silent" if silence == "drop" else "closed")


@pytest.mark.house(alice=False, **RANGE)
def test_ports_roll(house):
    for kind in KINDS:
        knocker = Sequencer(house.client, house.card, ports_of(house), kind)
        assert knocker.open().verdict in ("ok", "refreshed")
        assert all(20000 <= p <= 29999 for p in knocker.ports)
        wrong = Sequencer(house.client, house.card, no_ports_of(house), kind)
        assert wrong.open(seconds=0.3) is None


@pytest.mark.house(alice=False, **LISTED)
def test_other_ports_after_a_reload(house):
    knocker = Sequencer(house.client, house.card, PORTS)
    assert knocker.open().verdict == "ok"
    house.postern.directives |= {"sequence": PORTS[::-1] + [77]}
    house.postern.write_config()
    house.postern.reload_and_wait()
    assert knocker.open(seconds=0.3) is None  # the same ports, but for one; another order
    assert Sequencer(house.client, house.card, PORTS[::-1] + [77]).open().verdict == "refreshed"
    rules = nft.listing(house.server)
    assert "dport { 9, 77, 1234, 4099, 7001, 22222, 31000, 60001 }" in rules


NAMED = {
    "alpha": {"id": 1, "ports": [8001, 18181, 8765, 29876, 1111], "pieces": ["udp", "clean"]},
    "night": {"id": 2, "range": "23000-28999", "count": 6, "pieces": ["udp", "clean"]},
    "noon": {"id": 63, "range": "23000-28999", "count": 6, "pieces": ["udp", "clean"]},
}


def rolling(house, name):
    return sequence.rolling_ports(house.card.doors, 23000, 28999, 6, time.time(), id_=NAMED[name]["id"])


def dropped(house):
    return [(row["client"], row["reason"]) for row in house.postern.ctl_json("log")["log"] if row["event"] == "dropped"]


@pytest.mark.house(start=False, alice=False, **LISTED)
def test_sequences_with_names(house):
    """Each client along its own, listed or rolling, and along no other's."""
    house.postern.sequences = NAMED
    house.postern.write_config()
    house.postern.start()
    for name, kind in (("alpha", "udp"), ("night", "clean")):
        user = User(house.client, name)
        user.capability = "net_raw"
        user.import_profile(house.postern.add_client(f"u-{name}", sequence=name, carrier="sequence"))
        house.postern.reload_and_wait()
        done = user.postern("open", "--carrier=sequence", f"--pieces={kind}", f"u-{name}", "ssh")
        assert done.returncode == GRANTED, done.stdout + done.stderr
        assert house.sshd.login(house.client, v4("server"))
        assert house.postern.log_lines(f"granted.*client=u-{name} .*sequence={name}$")
        house.postern.ctl("close", "--client", f"u-{name}")
        assert not house.is_open()
    cards = {name: house.postern.enrol(name, "service=ssh", f"sequence={name}") for name in NAMED}
    house.postern.reload_and_wait()
    ports = {"alpha": NAMED["alpha"]["ports"], "night": rolling(house, "night"), "noon": rolling(house, "noon")}
    number = 0
    for mine, others, kind in (
        ("night", ("alpha", "noon"), "udp"),
        ("alpha", ("noon", None), "clean"),
        (None, ("alpha",), "udp"),
    ):
        card = cards[mine] if mine else house.card
        for other in others:
            silent = Sequencer(house.client, card, ports[other] if other else PORTS, kind)
            assert silent.open(seconds=0.3) is None, (mine, other)
            number += 1
            until(lambda n=number: len(dropped(house)) == n, 5, "the record of it")
        assert dropped(house)[-1] == (mine or "bob", f"along a sequence that is not its own: {others[-1] or '-'}")
        assert not house.postern.doors()
        assert Sequencer(house.client, card, ports[mine] if mine else PORTS, kind).open().verdict == "ok"
        house.postern.ctl("close", "--client", mine or "bob")
    assert len(dropped(house)) == house.postern.counter("auth.sequence") == 5


@pytest.mark.parametrize("kind", ["udp", "clean"])
@pytest.mark.house(start=False, alice=False, sshd=False)
def test_ports_in_use_are_told(house, kind):
    """A port among those of the sequence where a program listens, and one that the kernel gives away."""
    house.postern.directives |= {"sequence_range": "20000-29999", "sequence_pieces": kind}
    house.postern.write_config()

    def notes():
        return house.postern.ctl("firewall", "check", check=False).stdout

    assert "of the sequence" not in notes()
    type_ = socket.SOCK_DGRAM if kind == "udp" else socket.SOCK_STREAM
    with house.server.socket(socket.AF_INET6, type_) as used:
        used.bind(("::", 23456))
        if kind != "udp":
            used.listen()
        assert "uses port 23456, one of the sequence" in notes()
        house.postern.sequences = {"night": {"id": 1, "range": "23000-24000", "pieces": kind}}
        house.postern.write_config()
        assert "uses port 23456, one of sequence night" in notes()
    house.postern.directives |= {"sequence_range": "20000-40000"}
    house.postern.write_config()
    assert ("name resolution" in notes()) == (kind == "udp")


@pytest.mark.house(alice=False, sequence=PORTS, sequence_pieces=["tcp"])
def test_plain_pieces_in_syns(house):
    knocker = Sequencer(house.client, house.card, PORTS, "tcp")
    assert knocker.open().verdict == "ok"
    assert Sequencer(house.client, house.card, PORTS, "udp").open(seconds=0.3) is None
    assert Sequencer(house.client, house.card, PORTS, "clean").open(seconds=0.3) is None


@pytest.mark.house(alice=False, **LISTED)
def test_not_in_one_packet_and_not_in_pieces(house):
    """An M1 that comes whole is not a sequence; an M3 in pieces is none of it either."""
    knocker = Sequencer(house.client, house.card, PORTS)
    knock = knocker.make()
    for port in PORTS:
        knocker.send_whole(knock.m1, port)
    assert knocker.reply_to(knock, 0.3) is None
    knock = knocker.make()
    knocker.send(knocker.pieces(knock.m1))
    assert knocker.reply_to(knock).verdict == "challenge"
    m3 = knock.answer()
    knocker.send(knocker.pieces(m3))
    assert knocker.reply_to(knock, 0.3) is None
    assert capture(house, "form") >= 2
    knocker.send_whole(knock.rewrap_m3(None))
    assert knocker.reply_to(knock).verdict == "ok"


@pytest.mark.parametrize("off, heard", [(-3, False), (-1, True), (1, True), (3, False)])
@pytest.mark.house(alice=False, **LISTED)
def test_clocks_apart_by_a_step(house, off, heard):
    left = sequence.STEP_S - time.time() % sequence.STEP_S
    if left < 5:
        time.sleep(left)  # else it may arrive in the next one
    knocker = Sequencer(house.client, house.card, PORTS)
    knock = knocker.make()
    knocker.send(knocker.pieces(knock.m1, time_s=time.time() + off * sequence.STEP_S))
    assert (knocker.finish(knock, 2 if heard else 0.3) is not None) == heard


@pytest.mark.house(alice=False, **LISTED)
def test_duplicates_replays_and_leftovers(house):
    knocker = Sequencer(house.client, house.card, PORTS)
    knock = knocker.make()
    pieces = knocker.pieces(knock.m1)
    for piece in pieces[:-1]:
        knocker.send([piece] * 5)
    knocker.send(pieces[-1:])
    assert knocker.finish(knock).verdict == "ok"
    before = house.postern.stats()["auth.received"]
    kept = capture(house, "piece")
    record = Recording(house.client, "udp and src host " + v4("server"))
    for _ in range(20):
        knocker.send(random.sample(pieces, len(pieces)))
    until(lambda: capture(house, "set-old") == 20 * len(pieces), 10, "all of them")
    assert house.postern.stats()["auth.received"] == before
    assert capture(house, "piece") == kept  # no assembly
    assert record.frames() == []


def mutations(knocker, piece):
    """What somebody can make of a piece that he saw."""
    payload = bytearray(piece.payload)
    yield sequence.Piece(piece.port, bytes(payload[:-1]) + bytes([payload[-1] ^ 1]), piece.seq, piece.tsval)
    yield sequence.Piece(piece.port, bytes(payload), piece.seq ^ 1, piece.tsval) if knocker.clean else (
        sequence.Piece(piece.port, bytes([payload[0] ^ 1]) + bytes(payload[1:]))
    )
    yield sequence.Piece(piece.port, random.randbytes(len(payload)), *(random.getrandbits(32) for _ in "ab"))
    yield sequence.Piece(random.choice(knocker.ports), bytes(payload), piece.seq, piece.tsval ^ 64)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.house(alice=False, **LISTED)
def test_forgeries_at_a_hundred_times_the_rate(house, kind):
    """From our own address and port, to the same ports, made of what was seen; and all of it again."""
    knocker = Sequencer(house.client, house.card, PORTS, kind)
    assert knocker.open().verdict == "ok"  # proven from here on
    mac, own = house.server.mac("eth0"), house.attacker.mac("eth0")
    knock = knocker.make(size=1200)
    pieces = knocker.pieces(knock.m1)
    for piece in random.sample(pieces, len(pieces)):
        knocker.send_piece(piece)
        forged = [m for _ in range(25) for m in mutations(knocker, piece)]
        house.attacker.inject("eth0", [frames.ethernet(mac, own, knocker.packet(m)) for m in forged])
    reply = knocker.finish(knock)
    assert reply and reply.verdict == "refreshed", house.postern.stats()
    until(lambda: capture(house, "piece-tag") >= 90 * len(pieces), 5, "those behind the last piece")


@pytest.mark.house(alice=False, **LISTED)
def test_a_scan_of_all_ports_in_the_middle(house):
    """A SYN to each of the 65,535 ports, from the same address, when all but one of the pieces are there."""
    knockers = [Sequencer(house.client, house.card, PORTS, kind) for kind in KINDS]
    knocks = [knocker.make(size=1200) for knocker in knockers]
    pieces = [knocker.pieces(knock.m1) for knocker, knock in zip(knockers, knocks)]
    for knocker, parts in zip(knockers, pieces):
        knocker.send(parts[:-1])
    mac, own = house.server.mac("eth0"), house.client.mac("eth0")
    source, server = v4("client"), v4("server")
    house.client.inject(
        "eth0",
        (
            frames.ethernet(
                mac, own, frames.packet(source, server, frames.TCP, frames.tcp_syn(source, 55555, server, p))
            )
            for p in range(1, 65536)
        ),
    )
    for knocker, knock, parts in zip(knockers, knocks, pieces):

        def finished(knocker=knocker, knock=knock, parts=parts):
            knocker.send(parts[-1:])  # and again, as a client repeats it: so many packets at once may cost one
            return knocker.finish(knock, 2)

        assert until(finished, 20, knocker.kind).verdict in ("ok", "refreshed")


@pytest.mark.house(alice=False, **LISTED)
def test_two_behind_one_address_at_the_same_moment(house):
    other = house.postern.enrol("carol")
    house.postern.reload_and_wait()
    for kind in KINDS:
        two = [Sequencer(house.client, card, PORTS, kind) for card in (house.card, other)]
        knocks = [knocker.make() for knocker in two]
        packets = [
            (knocker, piece) for knocker, knock in zip(two, knocks) for piece in knocker.pieces(knock.m1)
        ]
        random.shuffle(packets)
        for knocker, piece in packets:
            knocker.send_piece(piece)
        for knocker, knock in zip(two, knocks):
            assert knocker.finish(knock).verdict in ("ok", "refreshed")
            knocker.close()


@pytest.mark.house(alice=False, **LISTED)
def test_a_copy_that_comes_first(house):
    """The whole of an M1 is in one clean piece: somebody sends it on, quicker, with another number."""
    knocker = Sequencer(house.client, house.card, PORTS, "clean")
    knock = knocker.make(size=600)
    (piece,) = knocker.pieces(knock.m1)
    knocker.send_piece(sequence.Piece(piece.port, piece.payload, piece.seq ^ 1, piece.tsval))
    knocker.send_piece(piece)
    assert knocker.finish(knock).verdict == "ok"
    assert capture(house, "form") == 1


# --- the client program ---


@pytest.mark.house(**LISTED)
def test_the_client_without_privilege(house):
    """Datagrams by a user who may nothing; both families, dummies and pauses."""
    done = house.alice.postern("open", "alice", "ssh", "--carrier", "sequence", "--dummies", "3-9", "--gap", "20")
    assert done.returncode == GRANTED, done.stderr + done.stdout
    for address in house.addresses():
        assert house.sshd.login(house.client, address)
        assert connect.tcp(house.attacker, address, 22) == "silent"
    assert capture(house, "piece-tag") >= 6
    for pieces in ("tcp", "clean"):
        done = house.alice.postern("ping", "alice", "--carrier", "sequence", "--pieces", pieces)
        assert done.returncode == SYSTEM
        assert "setcap cap_net_raw" in done.stderr, done.stderr


def as_root(house, *words):
    return house.client.run(house.alice.program, *words, env=house.alice.env, check=False)


@pytest.mark.parametrize(
    "silence",
    [
        pytest.param("drop", marks=pytest.mark.house(**LISTED)),
        pytest.param("closed", marks=pytest.mark.house(silence="closed", **LISTED)),
    ],
)
def test_the_client_by_syns(house, silence):
    """On a host that answers, the kernel's own resets come first."""
    profile = house.profile.read_text()
    house.client.run("mkdir", "-p", house.alice.home / ".config/postern/profiles")
    root = house.alice.home / ".config/postern/profiles/root"
    root.write_text(profile.replace("name = alice", "name = root"))
    root.chmod(0o600)
    for pieces in ("tcp", "clean"):
        done = as_root(house, "open", "root", "ssh", "--carrier=sequence", f"--pieces={pieces}", "--dummies=2-4")
        assert done.returncode == GRANTED, done.stderr + done.stdout
    assert {key[0] for key in house.postern.doors()} == {v4("client"), v6("client")}
    assert house.sshd.login(house.client, v4("server"))


@pytest.mark.house(**LISTED)
def test_two_behind_a_nat_at_the_same_moment(house):
    nat = Nat(house)
    users = [User(inner, f"u{n}") for n, inner in enumerate(nat.hosts)]
    for n, user in enumerate(users):
        user.import_profile(house.postern.add_client(f"u{n}", server="server.lab"))
    house.postern.reload_and_wait()
    words = ("ping", "-4", "--carrier=sequence")
    with ThreadPoolExecutor(2) as pool:
        for pieces in KINDS:

            def knock(user, pieces=pieces):
                name = user.home.name[-2:]
                argv = (user.program, *words, f"--pieces={pieces}", name)
                if pieces == "udp":
                    return user.run(*argv)
                home = user.home / ".config/postern/profiles" / name
                user.host.run("chown", "0", home)
                env = user.env | {"XDG_STATE_HOME": str(user.home / "root")}
                return user.host.run(*argv, env=env, check=False)

            for done in pool.map(knock, users):
                assert done.returncode == GRANTED, done.stderr
                assert v4("client") in done.stdout


def photographs(house, count=2):
    """Pictures like photographs, which everybody may read."""
    folder = house.folder / "photos"
    folder.mkdir()
    for seed in range(count):
        with open(folder / f"{seed}.jpg", "wb") as out:
            subprocess.run([build() / PLACES["make_scene"], str(seed), "1280", "960"], stdout=out, check=True)
    return folder


def syns(recording):
    """(destination, sequence number, timestamp, payload) of each IPv4 SYN, after its checksum was looked at."""
    for _, frame in recording.stop():
        segment = frame[34 : 14 + int.from_bytes(frame[16:18], "big")]
        pseudo = frame[26:34] + struct.pack(">BBH", 0, frames.TCP, len(segment))
        assert frames.checksum(pseudo + segment) == 0
        words, flags = segment[12] >> 4, segment[13]
        assert (words, flags) == (10, 2)
        seq = int.from_bytes(segment[4:8], "big")
        tsval, echo = struct.unpack(">II", segment[28:36])
        assert segment[20:28] == bytes.fromhex("020405b40402080a") and echo == 0
        yield int.from_bytes(segment[2:4], "big"), seq, tsval, segment[40:]


PICTURES = {"sequence": PORTS, "sequence_pieces": ["udp", "tcp", "clean"], "sequence_cover": "png"}


@pytest.mark.house(**PICTURES)
def test_pictures(house):
    """M1 hidden in a crop of a photograph, as slices of it in SYNs; who knows the key can put it together."""
    folder = photographs(house)
    config = house.alice.home / ".config/postern/profiles"
    for name in ("root", "alice"):
        text = house.profile.read_text().replace("name = alice", f"name = {name}")
        (config / name).write_text(text + f"photos = {folder}\n")
        house.client.run("chown", "0" if name == "root" else "65534", config / name)
        (config / name).chmod(0o600)
    hidden = ("--carrier=sequence", "--cover=png")
    done = house.alice.postern("open", "alice", "ssh", *hidden)
    assert done.returncode == GRANTED, done.stderr
    assert house.alice.postern("ping", "alice", "--carrier=sequence", "--retries=0").returncode == NO_ANSWER
    assert capture(house, "cover") >= 1  # what is no picture is not looked at

    record = Recording(house.client, "ip and tcp and dst host " + v4("server"), direction="out")
    env = house.alice.env | {"XDG_STATE_HOME": str(house.folder / "state-of-root")}
    words = ("open", "root", "ssh", "-4", "--pieces=clean", "--dummies=4-8", *hidden)
    done = house.client.run(house.alice.program, *words, env=env, check=False)
    assert done.returncode == GRANTED, done.stderr
    now, slices, others = sequence.step(time.time()), {}, set()
    for port, seq, tsval, payload in syns(record):
        said = sequence.open_clean(house.card.doors, seq, tsval, payload, range(now - 1, now + 2))
        if said is None:
            others.add(seq)
        if said is not None:
            assert port == PORTS[said[1] % len(PORTS)]
            slices.setdefault(said[0], {})[said[1]] = payload
    ((_, found),) = slices.items()
    picture = b"".join(found[i] for i in sorted(found))
    (house.folder / "found.png").write_bytes(picture)
    with Image.open(house.folder / "found.png") as image:
        image.load()
        assert image.format == "PNG" and max(image.size) <= 256
    assert 1 <= len(others) <= 8  # those that are behind the last piece are not sent when the answer is there


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def picture(data, *others, width=160, height=144, depth=8, colour=2):
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + b"".join(others) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def hostile_pictures():
    rows = zlib.compress(b"".join(b"\0" + random.randbytes(60) + bytes(420) for _ in range(144)))
    good = picture(rows)
    yield from (good[:8] + random.randbytes(3000), good[:-20], good + b"more", good[:60] + b"\1" + good[61:])
    yield picture(zlib.compress(bytes(50_000_000), 9))
    yield from (picture(rows, width=65535, height=65535), picture(rows, width=256, height=256), picture(rows[:500]))
    yield from (picture(rows, depth=16), picture(rows, colour=3), picture(zlib.compress(b"\7" * 144 * 481)))
    yield picture(rows, chunk(b"iCCP", b"x\0\0" + zlib.compress(bytes(20_000_000), 9)))
    yield picture(rows, chunk(b"zTXt", b"x\0\0" + zlib.compress(bytes(20_000_000), 9)))
    yield good[:33] + struct.pack(">I", 0xFFFFFFF0) + good[37:]


@pytest.mark.house(alice=False, sequence=PORTS, sequence_pieces=["clean"], sequence_cover=["none", "png"])
def test_hostile_pictures(house):
    """Bombs, sizes that lie, junk, chunks of other kinds, all tags right: little time, little memory, few lines."""
    knocker = Sequencer(house.client, house.card, PORTS, "clean")
    assert knocker.open().verdict == "ok"
    pid = house.postern.pid("capture")
    before, lines, used = resident_kib(pid), len(house.postern.log_lines("capture")), cpu_s(pid)
    for n, body in enumerate(hostile_pictures()):
        assert len(body) <= 65536
        knocker.send(knocker.pieces(body))
        until(lambda: capture(house, "cover") + capture(house, "gate") == n + 1, 10, "its end")
    assert capture(house, "cover") >= 12
    said = house.postern.log_lines("capture")[lines:]
    assert len(said) <= 5 and all("dropped reason=cover" in line for line in said)
    assert house.postern.pid("capture") == pid
    assert resident_kib(pid) - before < 4096 and cpu_s(pid) - used < 0.5
    assert knocker.open().verdict == "refreshed"


@pytest.mark.house(**RANGE, udp_port=0)
def test_the_profile_says_how(house):
    """Enrolled where nothing but a rolling sequence is heard, the client takes it by itself."""
    code, said = house.alice.json("open", "alice", "ssh")
    assert code == GRANTED, said
    assert capture(house, "matched") >= 2


@pytest.mark.house(**LISTED)
def test_a_fifth_of_the_packets_is_lost(house):
    assert house.alice.postern("ping", "alice").returncode == GRANTED  # proven
    house.loss(20)
    for _ in range(3):
        # Each of sixteen is in vain, by its answer alone, once in five times.
        done = house.alice.postern("ping", "alice", "-4", "--carrier=sequence", "--retries=15", timeout=120)
        assert done.returncode == GRANTED, house.postern.stats()


@pytest.mark.house(**LISTED)
def test_silence_ends(house):
    """Nobody hears: four rounds, then an end."""
    house.postern.stop()
    started = time.monotonic()
    done = house.alice.postern("ping", "alice", "-4", "--carrier=sequence", "--retries=0")
    assert done.returncode == NO_ANSWER
    assert 2.5 < time.monotonic() - started < 8


@pytest.mark.house(alice=False, sequence=PORTS, sequence_pieces=["clean"])
def test_memory_with_the_door_key_in_the_wrong_hands(house):
    """Sets without an end, of the largest size, from thousands of addresses."""
    knocker = Sequencer(house.client, house.card, PORTS, "clean")
    assert knocker.open().verdict == "ok"
    pid = house.postern.pid("capture")
    before = resident_kib(pid)
    mac, own = house.server.mac("eth0"), house.attacker.mac("eth0")
    server = v4("server")
    body = random.randbytes(64 * 1024)

    def flood():
        for n in range(400):
            source = f"10.88.{1 + n // 250}.{1 + n % 250}"
            for piece in sequence.pieces(
                house.card.doors, PORTS, body, random.getrandbits(20), time.time(), True
            )[: 40 if n % 2 else 63]:
                syn = frames.tcp_syn(source, 5, server, piece.port, piece.seq, piece.payload, piece.tsval)
                yield frames.ethernet(mac, own, frames.packet(source, server, frames.TCP, syn))

    house.attacker.inject("eth0", flood())
    until(lambda: house.postern.counter(".seen") >= 400 * 40, 60, "most of them")
    grown = resident_kib(pid) - before
    assert capture(house, "set-lost") > 100
    assert grown < 9.5 * 1024, grown
    reply = knocker.open()  # and an honest one comes through when he rests
    assert reply and reply.verdict == "refreshed"
