"""A laboratory of network namespaces: hosts, a switch between them, and the tools to look at both.

    with Lab() as lab:                      # hosts "server" and "client", IPv4 and IPv6
        lab.server.run("nft", "list", "ruleset")

Everything a Lab makes bears the process id in its name and is gone when it ends.
"""

from .network import Lab, sweep
from .wait import Timeout, stays, until

__all__ = ["Lab", "Timeout", "stays", "sweep", "until"]
