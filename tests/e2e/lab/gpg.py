"""A person's keyring, by the gpg program alone."""

import os
import subprocess


class Keyring:
    """gpg with a folder of its own; `uid` is whose it is."""

    def __init__(self, folder, uid=None):
        self.folder, self.uid = folder, uid
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        (folder / "gpg.conf").write_text("trust-model always\ndisable-dirmngr\n")
        (folder / "gpg-agent.conf").write_text("disable-scdaemon\nallow-loopback-pinentry\n")
        self._own()

    def _own(self):
        if self.uid is not None:
            for path in (self.folder, *self.folder.rglob("*")):
                if not path.is_socket():
                    os.chown(path, self.uid, self.uid)

    def gpg(self, *args, data=b"", check=True, user=True):
        words = ["gpg", "--homedir", self.folder, "--batch", "--yes", "--no-tty", *map(str, args)]
        if self.uid is not None and user:
            words = ["setpriv", f"--reuid={self.uid}", f"--regid={self.uid}", "--clear-groups", *words]
        done = subprocess.run(words, input=data, capture_output=True, timeout=60)
        if check and done.returncode:
            raise RuntimeError(f"{words}: {done.stderr.decode(errors='replace')}")
        return done.stdout

    def make(self, name, sign="ed25519", encrypt="cv25519", passphrase="", until="never", more=()):
        """A new key pair; its fingerprint. more: options of gpg."""
        secret = ["--passphrase", passphrase, "--pinentry-mode", "loopback", *more]
        self.gpg(*secret, "--quick-gen-key", name, sign, "cert,sign", until)
        key = self.fingerprint(name)
        self.gpg(*secret, "--quick-add-key", key, encrypt, "encr", until)
        return key

    def fingerprint(self, name):
        lines = self.gpg("--list-keys", "--with-colons", name).decode().splitlines()
        return next(line.split(":")[9] for line in lines if line.startswith("fpr:"))

    def export(self, key, file):
        """The public key, in a file."""
        file.write_bytes(self.gpg("--export", key))
        return file

    def take(self, data):
        self.gpg("--import", data=data)

    def seal(self, plain, own, to, *more):
        """Signed by one (or several), encrypted to the other, as postern does it."""
        signers = [w for key in ([own] if isinstance(own, str) else own) for w in ("-u", key)]
        return self.gpg("-z", "0", *signers, "-r", to, *more, "--sign", "--encrypt", data=plain)

    def open(self, message):
        return self.gpg("--decrypt", data=message)

    def close(self):
        subprocess.run(["gpgconf", "--homedir", self.folder, "--kill", "all"], capture_output=True)
