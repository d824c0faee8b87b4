#!/usr/bin/env python3
"""Hold the bytes in doc/protocol.md to the golden file: check_doc.py GOLDEN DOCUMENT

A block of the document that stands under `<!-- golden: PATH -->` says in
hexadecimal what the golden file has at that path. Spaces and line ends do not
count, what stands behind a `|` explains, and `00 x 180` is a byte so many times.
Under a path that ends in `.*` each line has a name and its value.
"""

import json
import re
import sys
from pathlib import Path

BLOCK = re.compile(r"<!-- golden: (\S+) -->\n```\n(.*?)```", re.S)
# What must be shown; the rest may be.
NEEDED = {
    "keys.*",
    *(f"openpgp.{part}" for part in ("signed_request", "signed_challenge", "answer_body", "result_body")),
    "judgements",
    *(f"exchanges.{name}.0.{part}" for name in ("open", "challenge") for part in ("plain", "body", "packet")),
    *(f"exchanges.open.1.{part}" for part in ("plain", "body", "packet")),
    *(f"exchanges.challenge.{n}.{part}" for n in (1, 2, 3) for part in ("plain", "packet")),
    "requests.open_with_everything",
    "replies.run",
    "datagrams.v4",
    "datagrams.v6",
    "answers.tcp_v4",
    "answers.icmp_v6",
    "sequences.plain.pieces.0",
    "sequences.clean.*",
    "sequences.rolling.now",
    "sequences.named.now",
    "sequences.reset_v4",
    *(f"picture.{part}" for part in ("nonce", "stream", "order", "bits", "png")),
}


def look_up(golden, path):
    at = golden
    for step in path.split("."):
        if isinstance(at, list) and not step.isdigit():
            at = next(x for x in at if x["name"] == step)["messages"]
        else:
            at = at[int(step) if step.isdigit() else step]
    return at


def plain_hex(line):
    shown = "".join(line.split("|")[0].split(" x ")[0].split())
    times = re.search(r" x (\d+)", line.split("|")[0])
    return shown * int(times[1]) if times else shown


def shown(text):
    return "".join(plain_hex(line) for line in text.splitlines())


def problems(golden, document):
    blocks = BLOCK.findall(document)
    seen = set()
    for path, text in blocks:
        seen.add(path)
        try:
            if path.endswith(".*"):
                got = dict(line.split() for line in text.splitlines())
                want = {name: str(value) for name, value in look_up(golden, path[:-2]).items()}
            elif path == "judgements":
                got = [tuple(part.strip() for part in line.split("|")) for line in text.splitlines()]
                want = [(c["request"], f"{c['judgement']}: {c['why']}") for c in look_up(golden, path)]
            elif path.startswith(("sequences.rolling.", "sequences.named.")):
                got, want = [int(word) for word in text.split()], look_up(golden, path)
            else:
                got, want = shown(text), look_up(golden, path)
        except (KeyError, IndexError, StopIteration, ValueError) as error:
            yield f"{path}: cannot be compared ({error!r})"
            continue
        if got != want:
            yield f"{path}: the document says {got}, the golden file {want}"
    for path in sorted(NEEDED - seen):
        yield f"{path}: is not shown"
    if document.count("<!-- golden:") != len(blocks):
        yield "a mark without a block under it"


def main():
    golden_path, document_path = sys.argv[1:]
    with open(golden_path) as golden, open(document_path) as document:
        whole = json.load(golden)
        whole["picture"] = json.loads((Path(golden_path).parent / "png.json").read_text())
        whole["openpgp"] = json.loads((Path(golden_path).parent / "openpgp.json").read_text())
        found = list(problems(whole, document.read()))
    for problem in found:
        print(f"{document_path}: {problem}", file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
