"""A client that hides two hosts behind its address."""

from . import nft

HIDE = """table ip hide { chain post { type nat hook postrouting priority srcnat;
oifname eth0 masquerade %s
}
}"""


class Nat:
    """Two hosts behind the client's address, which only the client's table of connections can tell apart."""

    def __init__(self, house, ports="random"):
        """ports: how the client chooses those that the hosts are seen with; "" keeps their own where it can."""
        client = house.client
        self.hosts = [house._namespace(f"inner{n}") for n in (1, 2)]
        client.sysctl("net.ipv4.ip_forward", 1)
        for n, inner in enumerate(self.hosts, 1):
            inner.ip("link", "add", "eth0", "type", "veth", "peer", "name", f"down{n}")
            inner.ip("link", "set", f"down{n}", "netns", client.name)
            client.ip("addr", "add", f"10.99.{n}.1/24", "dev", f"down{n}")
            client.ip("link", "set", f"down{n}", "up")
            inner.ip("addr", "add", f"10.99.{n}.2/24", "dev", "eth0")
            inner.ip("link", "set", "eth0", "up")
            inner.ip("route", "add", "default", "via", f"10.99.{n}.1")
        nft.load(client, HIDE % ports)
