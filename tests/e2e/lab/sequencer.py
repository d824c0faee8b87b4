"""A Python client that knocks by a sequence: pieces in the test's hands, in datagrams or in SYNs."""

import itertools
import random
import socket
import struct
import time

from wire import frames, sequence, veil
from wire import request as rq
from wire.knock import Knock

from .connect import family
from .network import v4, v6

_sports = itertools.cycle(range(30001, 32001))  # each another one, and none that the kernel gives away by itself


class Sequencer:
    """One source address and port. `ports` are those of the server, in their order."""

    def __init__(self, host, card, ports, kind="udp", six=False, sport=None):
        self.host, self.card, self.ports, self.kind = host, card, ports, kind
        self.server = v6("server") if six else v4("server")
        self.source = (v6 if six else v4)(host.role)
        self.clean = kind == "clean"
        self.sport = sport or next(_sports)
        self.answered = None
        # Any to begin with, and then each another one: the pieces of a set that was are not looked at.
        self.set_ids = itertools.count(random.getrandbits(19 if self.clean else 63))
        if kind == "udp":
            self.socket = host.socket(family(self.server), socket.SOCK_DGRAM)
            self.socket.bind((self.source, self.sport))
        else:
            self.socket = host.socket(family(self.server), socket.SOCK_RAW, socket.IPPROTO_TCP)

    def make(self, services=("ssh",), size=None, **fields):
        request = rq.Request(services=tuple(services), **fields)
        return Knock(self.card, request, carrier=veil.SEQUENCE, size=size)

    def pieces(self, bytes_, set_id=None, time_s=None):
        set_id = next(self.set_ids) if set_id is None else set_id
        return sequence.pieces(
            self.card.doors, self.ports, bytes_, set_id, time_s or time.time(), self.clean
        )

    def segment(self, piece):
        return frames.tcp_syn(
            self.source, self.sport, self.server, piece.port, piece.seq, piece.payload, piece.tsval
        )

    def packet(self, piece):
        """The same as a whole IP packet, for somebody else to send in our name."""
        if self.kind == "udp":
            return frames.udp_packet(self.source, self.sport, self.server, piece.port, piece.payload)
        return frames.packet(self.source, self.server, frames.TCP, self.segment(piece))

    def send_piece(self, piece):
        if self.kind == "udp":
            self.socket.sendto(piece.payload, (self.server, piece.port))
        else:
            self.socket.sendto(self.segment(piece), (self.server, 0))

    def send(self, pieces):
        for piece in pieces:
            self.send_piece(piece)

    def send_whole(self, bytes_, port=None):
        """What follows M1: one packet, to the port that answered."""
        seq, tsval = random.getrandbits(32), random.getrandbits(32)
        self.send_piece(sequence.Piece(port or self.answered, bytes_, seq, tsval))

    def _receive(self):
        """(payload, the port that it came from); payload None when it is not for us."""
        data, where = self.socket.recvfrom(4096)
        if self.kind == "udp":
            return data, where[1]
        if self.socket.family == socket.AF_INET:
            data = data[(data[0] & 15) * 4 :]
        sport, dport, _, self.acked, words, flags = struct.unpack(">HHIIBB", data[:14])
        ours = dport == self.sport and flags == 0x14
        return (data[(words >> 4) * 4 :] or None) if ours else None, sport

    def reply_to(self, knock, seconds=2.0):
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            self.socket.settimeout(left)
            try:
                payload, port = self._receive()
            except TimeoutError:
                break
            if payload and knock.read(payload):
                self.answered = port
                return knock.reply
        return None

    def open(self, seconds=2.0, shuffle=True, **fields):
        """A whole honest knock, challenge and all: the last reply, or None."""
        knock = self.make(**fields)
        pieces = self.pieces(knock.m1)
        if shuffle:
            random.shuffle(pieces)
        self.send(pieces)
        self.first = pieces[0]
        return self.finish(knock, seconds)

    def finish(self, knock, seconds=2.0):
        reply = self.reply_to(knock, seconds)
        if reply and reply.verdict == "challenge":
            self.send_whole(knock.answer())
            reply = self.reply_to(knock, seconds)
        return reply

    def close(self):
        self.socket.close()
