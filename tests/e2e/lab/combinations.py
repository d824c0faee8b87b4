"""Every envelope, cover, carrier (with its kind of pieces) and way to confirm; which do not fit together, and why."""

import itertools

ENVELOPES = ("noise", "openpgp")
COVERS = ("none", "png")
CARRIERS = ("udp", "tcp", "icmp", "http", "sequence/udp", "sequence/tcp", "sequence/clean")
CONFIRMS = ("reply", "challenge", "none")

PICTURE = "a picture has no room but in a sequence"  # the others bring 1,200 bytes at most, all of them at once
WEB = "over http only the web server answers, so nothing brings a challenge"

# The first that is true of a combination is the reason why it does not fit; all others fit.
MISFITS = (
    (lambda envelope, cover, carrier, confirm: cover == "png" and not carrier.startswith("sequence"), PICTURE),
    (lambda envelope, cover, carrier, confirm: carrier == "http" and confirm == "challenge", WEB),
)


def why_not(*combination):
    return next((why for applies, why in MISFITS if applies(*combination)), None)


ALL = list(itertools.product(ENVELOPES, COVERS, CARRIERS, CONFIRMS))
FITS = [c for c in ALL if not why_not(*c)]
OUT = [c for c in ALL if why_not(*c)]


def options(envelope, cover, carrier, confirm):
    """The client's."""
    carrier, _, pieces = carrier.partition("/")
    words = ("--envelope", envelope, "--cover", cover, "--carrier", carrier, "--confirm", confirm)
    return words + (("--pieces", pieces) if pieces else ())
