"""A user with the client program, on a host; needs no root, so it is never run as root."""

import json
import os

from .programs import PLACES

NOBODY = 65534
GRANTED, DENIED, NO_ANSWER, USAGE, PROFILE = 0, 1, 2, 3, 4


class User:
    capability = None  # that its programs have, such as "net_raw"

    def __init__(self, host, name="user"):
        self.host = host
        self.home = host.folder / f"home-{host.role}-{name}"
        self.home.mkdir(mode=0o700)
        os.chown(self.home, NOBODY, NOBODY)
        self.program = host.folder / "build" / PLACES["postern"]
        self.env = {"HOME": str(self.home)}
        for variable, folder in (("CONFIG", ".config"), ("STATE", ".local/state")):
            self.env[f"XDG_{variable}_HOME"] = str(self.home / folder)

    def argv(self, *words):
        ids = [f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]
        caps = ["--inh-caps=-all"]
        if self.capability:
            caps = [f"--{kind}-caps=-all,+{self.capability}" for kind in ("inh", "ambient")]
        return ["setpriv", *ids, "--no-new-privs", *caps, *words]

    def postern(self, *args, clock=None, timeout=60):
        """Runs `postern ARGS`; the CompletedProcess, whatever its exit status."""
        env = self.env | (clock.env(self.host.folder / "build") if clock else {})
        return self.host.run(*self.argv(self.program, *args), env=env, check=False, timeout=timeout)

    def start(self, *args, name="postern"):
        return self.host.start(*self.argv(self.program, *args), env=self.env, name=name)

    def run(self, *args, check=False):
        """Any other command as this user, with `postern` in its PATH."""
        env = self.env | {"PATH": f"{self.program.parent}:{os.environ['PATH']}"}
        return self.host.run(*self.argv(*args), env=env, check=check)

    def give(self, path):
        """A file becomes the user's own, readable by nobody else."""
        os.chown(path, NOBODY, NOBODY)
        os.chmod(path, 0o600)
        return path

    def import_profile(self, path, check=True):
        done = self.postern("import", self.give(path))
        assert not check or done.returncode == GRANTED, done.stdout + done.stderr
        return done

    def json(self, *args, **more):
        done = self.postern(*args, "--json", **more)
        return done.returncode, json.loads(done.stdout)
