"""The administrator's own rules, and a look at ours."""

import json


def load(host, rules):
    host.run("nft", "-f", "-", stdin=rules)


def listing(host, *what):
    """A ruleset without counters and elements, byte for byte comparable."""
    return host.run("nft", "-s", "list", *(what or ("ruleset",))).stdout


def others(host):
    """All tables but postern's own."""
    names = json.loads(host.run("nft", "-j", "list", "tables").stdout)["nftables"]
    tables = [t["table"] for t in names if "table" in t and t["table"]["name"] != "postern"]
    return "".join(listing(host, "table", t["family"], t["name"]) for t in tables)


def elements(host, name, kind="set"):
    """The elements of a set or map of ours: address, protocol, port and rest of time in seconds."""
    done = host.run("nft", "-j", "list", kind, "inet", "postern", name, check=False)
    if done.returncode:
        return []
    (found,) = (o[kind] for o in json.loads(done.stdout)["nftables"] if kind in o)
    return found.get("elem", [])


# A host that drops whatever it does not know, as most servers do.
DROP_HOST = """
table inet host {
	chain input {
		type filter hook input priority filter; policy drop
		ct state established,related accept
		iif lo accept
		ip protocol 1 accept
		meta l4proto 58 accept
		tcp dport 22 accept
		udp dport 5353 accept
	}
}
"""

# The same without services: a host on which nothing is to be seen.
DARK_HOST = DROP_HOST.replace("\t\ttcp dport 22 accept\n\t\tudp dport 5353 accept\n", "")
assert DARK_HOST != DROP_HOST

DOCKER_LIKE = """
table ip nat {
	chain PREROUTING {
		type nat hook prerouting priority dstnat; policy accept
		fib daddr type local counter jump DOCKER
	}
	chain DOCKER {
		tcp dport %(outer)d counter dnat to %(inner)s
	}
	chain POSTROUTING {
		type nat hook postrouting priority srcnat; policy accept
	}
}
"""

UFW_LIKE = """
table ip filter {
	chain ufw-before-logging-input {
	}
	chain ufw-before-input {
		iifname "lo" counter accept
		ct state related,established counter accept
		ct state invalid counter jump ufw-logging-deny
		ct state invalid counter drop
		icmp type echo-request counter accept
		counter jump ufw-user-input
	}
	chain ufw-logging-deny {
		limit rate 3/minute burst 10 packets counter log prefix "[UFW BLOCK] "
	}
	chain ufw-user-input {
		tcp dport 22 counter accept
	}
	chain INPUT {
		type filter hook input priority filter; policy drop
		counter jump ufw-before-logging-input
		counter jump ufw-before-input
	}
}
"""

FIREWALLD_LIKE = """
table inet firewalld {
	ct helper helper-netbios-ns-udp {
		type "netbios-ns" protocol udp
		l3proto ip
	}
	chain mangle_PREROUTING {
		type filter hook prerouting priority mangle + 10; policy accept
		jump mangle_PREROUTING_ZONES
	}
	chain mangle_PREROUTING_ZONES {
	}
	chain filter_INPUT {
		type filter hook input priority filter + 10; policy accept
		ct state { established, related } accept
		ct status dnat accept
		iifname "lo" accept
		ct state invalid drop
		jump filter_IN_public
		reject with icmpx admin-prohibited
	}
	chain filter_IN_public {
		tcp dport 22 accept
		ip6 daddr fe80::/64 udp dport 546 accept
		meta l4proto { icmp, ipv6-icmp } accept
	}
}
"""
