"""A house in which alice can knock in every way that there is: OpenPGP keys, photographs, raw sockets."""

import os
import subprocess

from .pgp_house import PgpHouse
from .programs import PLACES, build

PORTS = [27183, 31416, 24243, 61234, 18181, 62026, 29979]  # no program that tshark knows speaks there
ALL = {"sequence": PORTS, "sequence_pieces": ["udp", "tcp", "clean"], "sequence_cover": ["none", "png"]}


def photographs(folder, count=2, width=1280, height=960):
    """Pictures like photographs, which everybody may read; 6 knocks each, of this size."""
    folder.mkdir()
    for seed in range(count):
        with open(folder / f"{seed}.jpg", "wb") as out:
            words = [build() / PLACES["make_scene"], str(seed), str(width), str(height)]
            subprocess.run(words, stdout=out, check=True)
    return folder


class HybridHouse(PgpHouse):
    def __init__(self, *extra, photos=2, raw=True, **more):
        super().__init__(*extra, **({"client": {"envelope": "any"}} | ALL | more))
        try:
            if raw:
                self.alice.capability = "net_raw"
            self.photos = photographs(self.folder / "photos", photos)
            self.in_profile(f"photos = {self.photos}")
        except BaseException:
            self.close()
            raise

    def profile_file(self):
        return self.alice.home / ".config/postern/profiles/alice"

    def in_profile(self, *lines):
        """More lines at the end of alice's profile."""
        with open(self.profile_file(), "a") as file:
            file.writelines(f"{line}\n" for line in lines)
        os.chmod(self.profile_file(), 0o600)
