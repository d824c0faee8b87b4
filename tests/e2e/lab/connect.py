"""Can a connection be made, quickly and without a program to start: what a door is for."""

import errno
import socket
import time

from .wait import until


def family(address):
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def tcp(client, address, port, timeout=0.3, source=None):
    """"open", "closed" (reset) or "silent"."""
    with client.socket(family(address), socket.SOCK_STREAM) as s:
        s.settimeout(timeout)
        if source:
            s.bind((source, 0))
        try:
            s.connect((address, port))
            return "open"
        except ConnectionRefusedError:
            return "closed"
        except TimeoutError:
            return "silent"
        except OSError as problem:
            return errno.errorcode.get(problem.errno, "error")


def is_open(client, address, port=22, timeout=0.3):
    return tcp(client, address, port, timeout) == "open"


def opens(client, address, port=22, seconds=5):
    return until(lambda: is_open(client, address, port, 0.2), seconds, f"a door to {address} {port}")


def closes(client, address, port=22, seconds=5):
    return until(lambda: not is_open(client, address, port, 0.2), seconds, "the door's end")


def held(client, address, port=22, timeout=2):
    """A connection."""
    s = client.socket(family(address), socket.SOCK_STREAM)
    s.settimeout(timeout)
    try:
        s.connect((address, port))
    except BaseException:
        s.close()
        raise
    return s


def udp_answer(client, address, port, data=b"?", timeout=0.5, source=None, echo=None):
    """The answer to one datagram; None for silence; "refused" for port unreachable.

    echo: the UdpEcho that may answer: what has reached it is waited for.
    """
    before = echo.heard() if echo else 0
    with client.socket(family(address), socket.SOCK_DGRAM) as s:
        s.settimeout(timeout)
        if source:
            s.bind(source)
        s.connect((address, port))
        try:
            s.send(data)
            return s.recv(2048)
        except ConnectionRefusedError:
            return "refused"
        except TimeoutError:
            if not echo or not echo.has_got(before):
                return None
        s.settimeout(10)
        return s.recv(2048)


class UdpEcho:
    """A UDP service that answers everything, on all addresses, to broadcasts and multicasts too."""

    # Two sockets: one for both families would not hear IPv4 multicasts.
    SCRIPT = (
        "import select,socket,sys\n"
        "four=socket.socket(socket.AF_INET,socket.SOCK_DGRAM)\n"
        "six=socket.socket(socket.AF_INET6,socket.SOCK_DGRAM)\n"
        "six.setsockopt(socket.IPPROTO_IPV6,socket.IPV6_V6ONLY,1)\n"
        "for s in four,six: s.bind(('',int(sys.argv[1])))\n"
        "print('ready',flush=True)\n"
        "while True:\n"
        "    for s in select.select([four,six],[],[])[0]:\n"
        "        d,a=s.recvfrom(65535)\n"
        "        print('got',a[0],len(d),flush=True)\n"
        "        s.sendto(b'echo:'+d,a)\n"
    )

    def __init__(self, host, port):
        self.host, self.port = host, port
        self.process = host.start("/usr/bin/python3", "-c", self.SCRIPT, port, name="udpecho")
        self.process.wait_line("^ready")

    def heard(self):
        """How many datagrams reached the service."""
        return self.process.output().count("got ")

    def has_got(self, before):
        """Whether more than so many datagrams came to it, read or not."""
        with self.host.inside():
            rows = [row.split() for table in ("udp", "udp6") for row in open(f"/proc/thread-self/net/{table}")]
        waiting = [row for row in rows if row[1].endswith(f":{self.port:04X}") and int(row[4].split(":")[1], 16)]
        return bool(waiting) or self.heard() > before


def turns(client, address, seconds, port=22, to_open=False, step=0.02):
    """When a port became silent, or open: (not before, not after), by connecting all the time.

    Both hold however long this program is held up: at the first something was begun that found it as it was, at the
    second something was over that found it as it is. None stands for what was not found.
    """
    before = after = None
    end = time.monotonic() + seconds
    while after is None and (begin := time.monotonic()) < end:
        found, over = is_open(client, address, port, 0.1), time.monotonic()
        # Silence may be a machine that is busy: it is asked for longer.
        if found == to_open and (to_open or not is_open(client, address, port, 0.5)):
            after = over
        else:
            before = begin
            time.sleep(step)
    return before, after
