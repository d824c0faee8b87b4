"""nmap's view of a host."""

import xml.etree.ElementTree as xml


class Result(dict):
    """(protocol, port) to state; equal when nmap would say the same."""

    def states(self):
        return set(self.values())


def nmap(client, address, *options, rate=500, timeout=120):
    """One scan: a Result of state, reason and TTL of each port."""
    six = ["-6"] if ":" in address else []
    done = client.run(
        "nmap", *six, "-n", "-Pn", "-T4", "--min-rate", rate, "--max-retries", "3", "--reason",
        "-d", "-oX", "-", *options, address, timeout=timeout,
    )
    result = Result()
    for port in xml.fromstring(done.stdout).iter("port"):
        state = port.find("state")
        key = port.get("protocol"), int(port.get("portid"))
        result[key] = state.get("state"), state.get("reason"), state.get("reason_ttl")
    return result


def syn(client, address, ports, **more):
    return nmap(client, address, "-sS", "-p", ports, **more)


def udp(client, address, ports, **more):
    return nmap(client, address, "-sU", "-p", ports, **more)
