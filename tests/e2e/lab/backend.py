"""daemon/monitor/firewall.h by hand on a host of the laboratory, through firewall_tool: no daemon needed."""

import subprocess

from .programs import PLACES, build


class Backend:
    """One process with the firewall open. Services are (name, protocol, port)."""

    KNOCK = 14123

    def __init__(self, host, services=(("ssh", 6, 22), ("echo", 17, 5353)), silence="drop", wrap=(), env=None):
        self.host, self.services, self.silence = host, list(services), silence
        command = [*wrap, build() / PLACES["firewall_tool"], *self._words()]
        self.process = subprocess.Popen(
            host.argv(command),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=open(host.folder / "firewall_tool.log", "ab"),
            text=True,
            bufsize=1,
            env=env,
        )

    def _words(self):
        return [self.silence, str(self.KNOCK), *(f"{n}:{proto}:{port}" for n, proto, port in self.services)]

    def do(self, *words):
        """One command: its line of answer."""
        self.process.stdin.write(" ".join(map(str, words)) + "\n")
        answer = self.process.stdout.readline().strip()
        if not answer:
            raise RuntimeError(f"firewall_tool ended at {words}: {self.log()}")
        return answer

    def ok(self, *words):
        answer = self.do(*words)
        assert answer == "ok", f"{words}: {answer}: {self.log()}"

    def configure(self, services=None, silence=None):
        self.services = list(self.services if services is None else services)
        self.silence = silence or self.silence
        self.ok("config", *self._words())

    def doors(self):
        """{(prefix, protocol, port): rest in seconds}"""
        self.process.stdin.write("list\n")
        out = {}
        while (line := self.process.stdout.readline().strip()) != "ok":
            prefix, proto, port, rest = line.split()
            out[prefix, int(proto), int(port)] = int(rest) / 1000
        return out

    def log(self):
        return (self.host.folder / "firewall_tool.log").read_text()

    def die(self):
        """As by kill -9: nothing of ours is left but what the kernel has."""
        self.process.kill()
        self.process.wait()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.die()
