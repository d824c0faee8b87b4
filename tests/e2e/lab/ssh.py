"""A real sshd on port 22 of a host, and logging in to it."""

import subprocess

from .namespace import sh
from .network import v4
from .wait import until

CONFIG = """\
Port {port}
HostKey {folder}/host_key
AuthorizedKeysFile {folder}/user_key.pub
StrictModes no
UsePAM no
PasswordAuthentication no
PermitRootLogin prohibit-password
PidFile none
MaxStartups 1000
LoginGraceTime 30
Subsystem sftp internal-sftp
"""


class Sshd:
    def __init__(self, host, port=22):
        self.host, self.port = host, port
        self.folder = host.folder / f"sshd-{host.role}-{port}"
        self.folder.mkdir()
        for name in ("host_key", "user_key"):
            sh("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(self.folder / name))
        config = self.folder / "sshd_config"
        config.write_text(CONFIG.format(port=port, folder=self.folder))
        # Its privilege separation wants /run/sshd; this /run is seen by nobody else.
        start = 'mount -t tmpfs tmpfs /run && mkdir /run/sshd && exec /usr/sbin/sshd -D -e -f "$1"'
        self.process = host.start("sh", "-c", start, "sh", config, name="sshd")
        self.process.wait_line("Server listening on 0.0.0.0")
        self.process.wait_line("Server listening on ::")
        public = (self.folder / "host_key.pub").read_text()
        (self.folder / "known_hosts").write_text(f"* {public}")

    def command(self, address=None, *more, key=None):
        """The ssh command line that logs in to this sshd."""
        options = {
            "IdentityFile": key or self.folder / "user_key",
            "UserKnownHostsFile": self.folder / "known_hosts",
            "GlobalKnownHostsFile": "/dev/null",
            "BatchMode": "yes",
            "ConnectTimeout": 3,
        }
        words = [w for k, v in options.items() for w in ("-o", f"{k}={v}")]
        target = f"root@{address or v4(self.host.role)}"
        return ["ssh", "-F", "none", "-p", str(self.port), *words, *map(str, more), target, "echo in"]

    def login(self, client, address=None, *more):
        """Does a login over the network work, now?"""
        done = client.run(*self.command(address, *more), check=False)
        return done.returncode == 0 and done.stdout == "in\n"

    def login_soon(self, client, address=None, seconds=5):
        return until(lambda: self.login(client, address), seconds, "a login")


class Login:
    """A login that stays: what is said to it comes back. argv: what Sshd.command() gave."""

    def __init__(self, host, argv, env=None):
        self.process = host.start(*argv[:-1], "cat", env=env, stdin=subprocess.PIPE, name="ssh")

    def says(self, word):
        self.process.popen.stdin.write(f"{word}\n".encode())
        self.process.popen.stdin.flush()
        self.process.wait_line(f"^{word}$")

    def end(self):
        """Its exit status."""
        self.process.popen.stdin.close()
        return self.process.popen.wait(5)
