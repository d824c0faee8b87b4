"""The hybrid knock, whole: signed and encrypted by OpenPGP, in a picture, in SYNs, challenged. And what others see."""

import collections
import itertools
import struct
import time
import zlib

import pytest
from lab import connect, dissect, nft, record, stays, until
from lab.hybrid_house import PORTS, HybridHouse
from lab.network import v4
from lab.user import GRANTED, NO_ANSWER, PROFILE, USAGE
from PIL import Image
from wire import frames, openpgp, png, sequence, veil
from wire import request as rq
from wire.keys import CLIENT_TO_SERVER, SERVER_TO_CLIENT

HYBRID = ("--preset", "hybrid")
SYSTEM = 5
SYN, ANSWER = 0x02, 0x14  # RST|ACK, what a closed port says
GRAM = 8
FIELDS = ("frame.protocols", "_ws.malformed", "tcp.checksum.status", "tcp.len")


@pytest.fixture(name="house")
def hybrid_house(request):
    mark = request.node.get_closest_marker("house")
    options = {"silence": "drop", "sequence_pieces": ["clean"], "sequence_cover": ["png"]}
    with HybridHouse(
        setup=lambda h: nft.load(h.server, nft.DROP_HOST), **(options | (mark.kwargs if mark else {}))
    ) as made:
        yield made


Segment = collections.namedtuple("Segment", "out sport dport seq ack flags tsval payload")


def segment(house, frame):
    """A TCP segment of a frame between client and server, its checksum looked at."""
    six = frame[12:14] == b"\x86\xdd"
    if six:
        length = int.from_bytes(frame[18:20], "big")
        at, ends = 54, frame[22:54]
        pseudo = ends + struct.pack(">II", length, frames.TCP)
    else:
        length = int.from_bytes(frame[16:18], "big") - 20
        at, ends = 34, frame[26:34]
        pseudo = ends + struct.pack(">BBH", 0, frames.TCP, length)
        assert frames.checksum(frame[14:34]) == 0
    tcp = frame[at : at + length]
    assert frames.checksum(pseudo + tcp) == 0
    sport, dport, seq, ack, words, flags = struct.unpack(">HHIIBB", tcp[:14])
    head = (words >> 4) * 4
    tsval = int.from_bytes(tcp[28:32], "big") if flags == SYN else 0
    return Segment(frame[6:12] == mac(house.client), sport, dport, seq, ack, flags, tsval, tcp[head:])


def mac(host):
    return bytes.fromhex(host.mac("eth0").replace(":", ""))


class Seen:
    """What a recorder on the wire has of one command."""

    def __init__(self, house, *words):
        filter_ = "tcp and not port 22 or icmp or udp"
        seen = record.Recording(house.client, filter_)
        self.done = house.alice.json(*words, timeout=90)
        until(lambda: len(seen.frames()) > 40, 5, "the knock")
        time.sleep(0.3)  # resets and repeats that are on their way
        self.frames = [frame for _, frame in seen.stop()]
        self.file = seen.file
        self.segments = [segment(house, f) for f in self.frames]
        self.sets, self.others = {}, []
        self.doors = house.by_hand().doors
        for one in self.segments:
            self._sort(one)

    def _sort(self, one):
        now = sequence.step(time.time())
        said = one.flags == SYN and sequence.open_clean(
            self.doors, one.seq, one.tsval, one.payload, range(now - 2, now + 2)
        )
        if said:
            assert one.dport == PORTS[said[1] % len(PORTS)]
            self.sets.setdefault(said[0], {})[said[1]] = one.payload
            self.count = said[2]
        elif one not in self.others:
            self.others.append(one)

    def pictures(self):
        return [b"".join(slices[i] for i in sorted(slices)) for slices in self.sets.values()]

    def messages(self):
        """Of M2 to M4: the segments whose payload the door key opens, in their order."""
        for one in self.others:
            direction = CLIENT_TO_SERVER if one.out else SERVER_TO_CLIENT
            try:
                yield one, veil.open_veil(self.doors, direction, veil.SEQUENCE, one.payload)
            except (veil.Forged, veil.Malformed):
                continue


def grams(payloads):
    return {p[i : i + GRAM] for p in payloads for i in range(len(p) - GRAM + 1)}


def heads(picture):
    """Of its chunks, with all grams that a byte of one is in: a picture has several, and all of them are alike."""
    at = 8
    while at < len(picture):
        yield picture[at - GRAM + 1 : at + 8 + GRAM - 1]
        at += 12 + int.from_bytes(picture[at : at + 4], "big")


@pytest.mark.parametrize("family", [4, 6])
def test_open_and_close(house, family):
    address = house.addresses()[family == 6]
    for verb, is_open in (("open", True), ("close", False)):
        seen = Seen(house, verb, "alice", "ssh", f"-{family}", *HYBRID)
        code, said = seen.done
        assert code == GRANTED and said["answers"][0]["challenged"], said
        assert said["answers"][0]["carrier"] == "sequence"
        assert house.is_open(six=family == 6) == is_open
        assert not is_open or house.sshd.login(house.client, address)
        assert connect.tcp(house.attacker, address, 22) == "silent"

        # Nothing but segments, of the right form: SYNs with data there, what a closed port says back.
        lines = dissect.fields(house.server, seen.file, *FIELDS)
        assert len(lines) == len(seen.segments)
        for protocols, malformed, status, length in lines:
            assert protocols.startswith("eth:ethertype:ip") and protocols.split(":")[3] == "tcp", protocols
            assert not malformed and status == "1" and int(length) > 0, (protocols, malformed, status)
        for one in seen.segments:
            assert one.flags == (SYN if one.out else ANSWER)
            assert (one.dport if one.out else one.sport) in PORTS

        # Of the slices a picture can be made, and in the picture is the request, for one who has the key.
        for set_id, picture in zip(seen.sets, seen.pictures()):
            (house.folder / "found.png").write_bytes(picture)
            with Image.open(house.folder / "found.png") as image:
                image.load()
                assert image.format == "PNG" and max(image.size) <= 256 and not image.info
            veiled = png.unwrap(seen.doors.picture, set_id, picture)
            opened = veil.open_veil(seen.doors, CLIENT_TO_SERVER, veil.SEQUENCE, veiled)
            assert opened.kind == openpgp.PGP_REQUEST
        kinds = [opened.kind for _, opened in seen.messages()]
        # What is slow may be repeated.
        assert [kind for kind, _ in itertools.groupby(kinds)] == [
            openpgp.PGP_CHALLENGE, openpgp.PGP_ANSWER, openpgp.PGP_RESULT
        ]  # fmt: skip
        # The dummies: 4 at least, but those behind the last piece are not sent when the answer is there.
        assert 1 <= len(seen.others) - len(kinds) <= 12
    assert house.all_closed() and not house.postern.doors()


def chi_squared(data):
    expected = len(data) / 256
    return sum((n - expected) ** 2 for n in collections.Counter(data).values()) / expected + expected * (
        256 - len(set(data))
    )


def test_nothing_has_structure_or_comes_twice(house):
    two = [Seen(house, verb, "alice", "ssh", "-4", *HYBRID) for verb in ("open", "close")]
    assert [seen.done[0] for seen in two] == [GRANTED, GRANTED]
    # From one knock to the next nothing comes again, but for what all pictures have.
    pictures = [picture for seen in two for picture in seen.pictures()]
    known = grams([p[:64] for p in pictures] + [head for p in pictures for head in heads(p)])
    first, second = ({one.payload for one in seen.segments} for seen in two)
    assert not first & second
    assert not (grams(first) & grams(second)) - known
    for name in ("seq", "tsval"):
        first, second = ({getattr(one, name) for one in seen.segments if one.out} for seen in two)
        assert len(first & second) <= 1, name  # of 32 bits one may be the same once in a million times
    # What is no picture is like chance: M2 to M4, in all lengths.
    rest = [one.payload for seen in two for one, _ in seen.messages()]
    assert len(rest) >= 6 and len(set(map(len, rest))) > 2
    assert all(len(zlib.compress(p, 9)) > len(p) for p in rest)
    assert chi_squared(b"".join(rest)) < 420  # of 255 degrees of freedom: once in 10^9
    assert len(grams(rest)) == sum(len(p) - GRAM + 1 for p in rest)
    assert chi_squared(bytes(range(128)) * 30) > 420


def test_replay_of_everything(house):
    """All that was seen, again: at once, after a restart, after kill -9; from the same host and from others."""
    seen = [Seen(house, verb, "alice", "ssh", "-4", *HYBRID) for verb in ("open", "close")]
    assert [one.done[0] for one in seen] == [GRANTED, GRANTED]
    packets = [f for one in seen for f, s in zip(one.frames, one.segments) if s.out]
    resent = [f[:26] + frames.addr(v4("attacker")) + f[30:] for f in packets]

    def again():
        back = record.Recording(house.server, "tcp or udp", direction="out")
        goal = house.postern.heard() + 2 * len(packets)
        for host, those in ((house.client, packets), (house.attacker, [resum(f) for f in resent])):
            for frame in those:
                host.inject("eth0", [frame])
                time.sleep(0.001)
        until(lambda: house.postern.heard() >= goal, 5, "the replay's arrival")
        stays(lambda: not house.postern.doors() and house.all_closed(), 0.5, "silence")
        ports = {int.from_bytes(f[34:36], "big") for _, f in back.stop()}
        assert not ports & set(PORTS)

    again()
    house.postern.stop()
    house.start()
    again()
    assert house.postern.counter(".matched") >= 2  # now the pieces are put together again, and it is old
    house.postern.kill_all()
    house.start()
    again()
    assert house.alice.postern("open", "alice", "ssh", *HYBRID).returncode == GRANTED


def resum(frame):
    """With another source address, and sums that hold."""
    ip, tcp = bytearray(frame[14:34]), bytearray(frame[34 : 14 + int.from_bytes(frame[16:18], "big")])
    ip[10:12] = tcp[16:18] = bytes(2)
    pseudo = bytes(ip[12:20]) + struct.pack(">BBH", 0, frames.TCP, len(tcp))
    ip[10:12] = frames.checksum(bytes(ip)).to_bytes(2, "big")
    tcp[16:18] = frames.checksum(pseudo + bytes(tcp)).to_bytes(2, "big")
    return frame[:14] + bytes(ip) + bytes(tcp)


DEAF = """table netdev deaf
delete table netdev deaf
table netdev deaf {{
	chain back {{
		type filter hook ingress device "server-eth0" priority 0; policy accept;
		{rule}
	}}
}}
"""


def test_a_wrong_answer_opens_nothing(house):
    """The client does not hear the challenge; somebody answers in its place, with all but the secret."""
    alice = house.by_hand()
    alice.carrier = veil.SEQUENCE
    house.switch.run("nft", "-f", "-", stdin=DEAF.format(rule="tcp flags == rst|ack drop"))
    seen = record.Recording(house.server, "tcp", direction="out")
    knocking = house.alice.start("open", "alice", "ssh", "-4", "--retries=15", *HYBRID)
    challenge = until(lambda: [f for _, f in seen.frames() if len(f) > 300], 10, "a challenge")[0]
    m2 = segment(house, challenge)
    veiled = veil.open_veil(alice.doors, SERVER_TO_CLIENT, veil.SEQUENCE, m2.payload)
    assert veiled.kind == openpgp.PGP_CHALLENGE
    alice.ciphertext, alice.secret = veiled.body, bytes(32)
    plain = rq.encode_answer(1, time.time_ns(), v4("client"))
    before = house.postern.stats()
    wrong = [
        alice.packet(openpgp.answer(bytes([n]) * 32, veiled.body, plain), kind=openpgp.PGP_ANSWER) for n in range(8)
    ]
    wrong.append(alice.packet(bytes(80), kind=openpgp.PGP_ANSWER))
    own, server = house.client.mac("eth0"), house.server.mac("eth0")
    for payload in wrong:
        syn = frames.tcp_syn(v4("client"), m2.dport, v4("server"), m2.sport, 77, payload, 99)
        packet = frames.packet(v4("client"), v4("server"), frames.TCP, syn)
        house.client.inject("eth0", [frames.ethernet(server, own, packet)])
    until(lambda: house.postern.stats()["auth.received"] >= before["auth.received"] + len(wrong), 5, "their arrival")
    assert not house.postern.doors() and house.all_closed()
    # It is the answer that was wrong: the client, when it hears again, gets in.
    house.switch.run("nft", "-f", "-", stdin=DEAF.format(rule=""))
    until(lambda: house.postern.doors(), 20, "the door")
    assert knocking.popen.wait(10) == GRANTED


@pytest.mark.house(raw=False)
def test_it_says_what_is_missing(house):
    def told(*lines, code=USAGE):
        house.profile_file().write_text("".join(lines))
        done = house.alice.postern("open", "alice", "ssh", "-4", *HYBRID)
        assert done.returncode == code, done.stderr
        return done.stderr

    whole = house.profile_file().read_text().splitlines(keepends=True)
    assert "setcap cap_net_raw" in told(*whole, code=SYSTEM)
    bare = [s for s in whole if not s.startswith(("photos", "sequence", "openpgp", "envelope"))]
    said = told(*bare)
    for part in ("photos: is missing", "openpgp needs openpgp-key", "sequence: is missing"):
        assert part in said, said
    assert len(said.splitlines()) <= 4
    empty = house.folder / "empty"
    empty.mkdir()
    house.alice.capability = "net_raw"
    photos = [f"photos = {empty}\n" if s.startswith("photos") else s for s in whole]
    assert "no picture is left" in told(*photos, code=SYSTEM)
    assert told(*whole, code=GRANTED) == ""


def test_parts_of_it_can_be_changed(house):
    """Single options count for more than the preset, wherever they stand; quick is what a profile does by itself."""
    house.in_profile("preset = hybrid")
    code, said = house.alice.json("open", "alice", "ssh", "-4")
    assert code == GRANTED and said["answers"][0]["carrier"] == "sequence" and said["answers"][0]["challenged"]
    code, said = house.alice.json("ping", "alice", "-4", "--envelope", "noise", *HYBRID, "--confirm", "reply")
    assert code == GRANTED and not said["answers"][0]["challenged"]
    code, said = house.alice.json("ping", "alice", "-4", "--preset", "quick", "--envelope", "openpgp")
    assert code == GRANTED and said["answers"][0]["carrier"] == "udp" and said["answers"][0]["packets"] <= 3
    # The server hears no sequence without a picture.
    done = house.alice.postern("ping", "alice", "-4", "--cover", "none", "--retries", "0")
    assert done.returncode == NO_ANSWER
    done = house.alice.postern("ping", "alice", "--preset", "hybrid", "--carrier", "udp")
    assert done.returncode == USAGE and "a picture has no room but in a sequence" in done.stderr


def test_ssh_knocks_so_by_itself(house):
    proxy = f"ProxyCommand={' '.join(map(str, (house.alice.program, 'connect', '--preset', 'hybrid', '%h', '%p')))}"
    key = house.alice.give(house.sshd.folder / "user_key")
    words = house.sshd.command("server.lab", "-o", proxy, key=key)
    done = house.alice.run(*words)
    assert done.stdout == "in\n", done.stderr


def test_where_nothing_else_is_heard_the_profile_says_so(house):
    house.postern.directives |= {"udp-port": 0}
    house.postern.write_config()
    public = house.ring.export(house.ring.make("carol"), house.folder / "carol.pub")
    profile = house.postern.add_client("carol", server="server.lab", openpgp=public)
    house.postern.reload_and_wait()
    done = house.alice.import_profile(profile, check=False)
    assert done.returncode == PROFILE and "add 'photos = FOLDER'" in done.stderr
    with open(profile, "a") as file:
        file.write(f"photos = {house.photos}\n")
    assert "\npreset = hybrid\n" in profile.read_text() and "carrier" not in profile.read_text()
    house.alice.import_profile(profile)
    code, said = house.alice.json("open", "carol", "ssh")
    assert code == GRANTED and said["answers"][0]["carrier"] == "sequence", said
