"""The release binaries: what the linker and the compiler were to put into them is in them."""

import re
import subprocess
from pathlib import Path

import pytest

BUILD = Path(__file__).resolve().parents[2] / "build" / "release"
ROOT = BUILD / "root"
PROGRAMS = ["usr/sbin/posternd", "usr/bin/postern", "usr/sbin/posternctl"]


def library():
    (found,) = [p for p in ROOT.rglob("libpostern.so.*") if not p.is_symlink()]
    return found


def binaries():
    return [*PROGRAMS, "libpostern"]


def path(name):
    return library() if name == "libpostern" else ROOT / name


def readelf(name, *options):
    return subprocess.run(
        ["readelf", "-W", *options, path(name)], text=True, capture_output=True, check=True
    ).stdout


@pytest.mark.parametrize("name", PROGRAMS)
def test_position_independent(name):
    assert re.search(r"Type:\s+DYN", readelf(name, "-h"))
    assert "INTERP" in readelf(name, "-l")


@pytest.mark.parametrize("name", binaries())
def test_relocations_are_read_only_and_bound_at_start(name):
    assert "GNU_RELRO" in readelf(name, "-l")
    assert re.search(r"FLAGS.*\bBIND_NOW\b|FLAGS_1.*\bNOW\b", readelf(name, "-d"))


@pytest.mark.parametrize("name", binaries())
def test_nothing_is_writable_and_executable(name):
    for line in readelf(name, "-l").splitlines():
        if re.match(r"\s+(LOAD|GNU_STACK)\s", line):
            assert "RWE" not in line.replace(" ", ""), line
    assert "TEXTREL" not in readelf(name, "-d")


@pytest.mark.parametrize("name", binaries())
def test_no_search_path_is_built_in(name):
    assert not re.search(r"\b(RPATH|RUNPATH)\b", readelf(name, "-d"))


@pytest.mark.parametrize("name", binaries())
def test_stack_protector_and_fortify(name):
    symbols = readelf(name, "--dyn-syms")
    assert "__stack_chk_fail" in symbols
    assert re.search(r"__\w+_chk@", symbols)


@pytest.mark.parametrize("name", binaries())
def test_indirect_branches_land_on_endbr(name):
    """The note that says so for the whole file is not there: Debian's start files lack it."""
    code = subprocess.run(["objdump", "-d", path(name)], text=True, capture_output=True, check=True).stdout
    assert code.count("endbr64") > 20


@pytest.mark.parametrize("name", binaries())
def test_no_fault_hooks(name):
    assert b"POSTERN_FAULT" not in path(name).read_bytes()


def test_the_library_exports_what_its_header_says():
    header = (Path(__file__).resolve().parents[2] / "include" / "postern.h").read_text()
    declared = set(re.findall(r"\b(postern_\w+)\(", re.sub(r"/\*.*?\*/", "", header, flags=re.S)))
    lines = [line.split() for line in readelf("libpostern", "--dyn-syms").splitlines()]
    exported = {w[7].split("@")[0] for w in lines if len(w) > 7 and w[6] not in ("UND", "ABS", "Ndx")}
    assert exported == declared
    versions = {w[7].split("@@")[1] for w in lines if len(w) > 7 and "@@" in w[7] and w[6] not in ("UND", "ABS")}
    assert versions and all(v.startswith("LIBPOSTERN") or v.startswith("POSTERN") for v in versions)


def test_what_is_installed():
    """Programs, library, header, pkg-config file, manual pages, unit."""
    names = {p.name for p in ROOT.rglob("*") if not p.is_dir()}
    wanted = {"posternd", "postern", "posternctl", "postern.h", "posternd.service"}
    assert wanted <= names
    assert any(n.endswith(".pc") for n in names)
    pages = {n.removesuffix(".gz") for n in names}
    assert {"posternd.8", "postern.1", "posternctl.8", "posternd.conf.5"} <= pages
