"""The Python client on a host of the laboratory."""

import socket
import time

from wire import request as rq
from wire.knock import Knock

from .connect import family

ANSWER_S = 5  # in which an answer comes that is to come, however busy the machine


class Knocker:
    """Knocks at a server from a host; one UDP socket, so that source address and port stay the same."""

    def __init__(self, host, card, server, port, source=None):
        self.host, self.card, self.server, self.port = host, card, server, port
        self.socket = host.socket(family(server), socket.SOCK_DGRAM)
        self.socket.bind((source or "", 0))
        self.last_t = 0

    def next_t(self):
        self.last_t = max(self.last_t + 1, time.time_ns())
        return self.last_t

    def make(self, services=("ssh",), t=None, size=None, plain=None, **fields):
        """A Knock that is not sent yet."""
        request = rq.Request(services=tuple(services), **fields)
        return Knock(self.card, request, t=self.next_t() if t is None else t, size=size, plain=plain)

    def send(self, packet):
        try:
            self.socket.sendto(packet, (self.server, self.port))
        except ConnectionRefusedError:  # an ICMP error about an earlier packet, told now
            self.socket.sendto(packet, (self.server, self.port))

    def receive(self, seconds):
        """One datagram, or None; ICMP errors are not heard on an unconnected socket."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            self.socket.settimeout(left)
            try:
                return self.socket.recv(4096)
            except ConnectionRefusedError:
                continue
            except TimeoutError:
                break
        return None

    def reply_to(self, knock, seconds=ANSWER_S):
        """The first packet that is an answer to this knock; None for silence."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            packet = self.receive(left)
            if packet is not None and knock.read(packet):
                return knock.reply
        return None

    def exchange(self, packet, knock, seconds=ANSWER_S):
        self.send(packet)
        return self.reply_to(knock, seconds)

    def open(self, services=("ssh",), seconds=ANSWER_S, **fields):
        """A whole honest knock, challenge and all: the last reply, or None."""
        knock = self.make(services, **fields)
        reply = self.exchange(knock.m1, knock, seconds)
        if reply and reply.verdict == "challenge":
            reply = self.exchange(knock.answer(t=self.next_t()), knock, seconds)
        return reply

    def ping(self, seconds=ANSWER_S, **fields):
        return self.open((), seconds, verb=rq.PING, **fields)

    def silent(self, packet, seconds=0.5):
        """Sends, and says whether nothing at all came back."""
        self.send(packet)
        return self.receive(seconds) is None

    def close(self):
        self.socket.close()
