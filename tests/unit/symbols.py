#!/usr/bin/python3
"""Hold what libpostern exports, with its version, against what postern.h declares.

usage: symbols.py LIBRARY HEADER
"""
import re
import subprocess
import sys

library, header = sys.argv[1:]

with open(header, encoding="ascii") as f:
    text = re.sub(r"/\*.*?\*/", "", f.read(), flags=re.S)
text = re.sub(r"^\s*#.*$", "", text, flags=re.M)
declared = set(re.findall(r"\b(postern_\w+)\s*\(", text))

lines = subprocess.run(["nm", "-D", "--defined-only", library], check=True, capture_output=True,
                       text=True).stdout.splitlines()
kinds = {name: kind for kind, name in (line.split()[-2:] for line in lines)}
kinds.pop("POSTERN_1", None)
exported = {name.removesuffix("@@POSTERN_1") for name in kinds}

for name in sorted(declared - exported):
    print(f"{name}: declared, but not exported as {name}@@POSTERN_1: add it to postern.map")
for name in sorted(exported - declared):
    print(f"{name}: exported, but not declared in the header")
for name, kind in sorted(kinds.items()):
    if kind != "T":
        print(f"{name}: is not a function (nm says {kind})")
if not declared or declared != exported or any(kind != "T" for kind in kinds.values()):
    sys.exit(1)
print(f"{len(declared)} symbols, each declared and exported")
