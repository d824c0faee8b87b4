"""What `ninja install` leaves behind, used as a stranger would use it."""

import os
import re
import shutil
import subprocess

import pytest
from test_hardening import ROOT, library

SOURCE = ROOT.parents[2]
UNIT = "usr/lib/systemd/system/posternd.service"
PAGES = [
    *("postern.1", "posternctl.8", "posternd.8", "libpostern.3"),  # each program, and the library
    *("posternd.conf.5", "postern-clients.5", "postern-profile.5"),  # each file
]


def run(*words, **more):
    return subprocess.run([str(w) for w in words], text=True, capture_output=True, **more)


@pytest.mark.parametrize("page", PAGES)
def test_each_program_and_each_file_has_its_page(page):
    name, section = page.rsplit(".", 1)
    text = (ROOT / f"usr/share/man/man{section}/{page}").read_text()
    assert re.search(rf'^\.TH "{re.escape(name)}" "{section}"', text, re.M)
    assert "SEE ALSO" in text and len(text) > 1500


def pkg_config(*options):
    env = {**os.environ, "PKG_CONFIG_SYSROOT_DIR": str(ROOT), "PKG_CONFIG_LIBDIR": str(library().parent / "pkgconfig")}
    return run("pkg-config", *options, "libpostern", env=env, check=True).stdout.split()


def test_the_example_builds_with_what_is_installed_and_runs(tmp_path):
    """With no header or library but the installed ones; it has no profile and says so."""
    source = shutil.copy(SOURCE / "examples/open.c", tmp_path)
    done = run("cc", "-Wall", "-Werror", source, *pkg_config("--cflags", "--libs"), "-o", tmp_path / "open")
    assert done.returncode == 0, done.stderr
    env = {"LD_LIBRARY_PATH": str(library().parent), "HOME": str(tmp_path)}
    done = run(tmp_path / "open", "nosuch", "ssh", env=env)
    assert done.returncode == 4 and "nosuch" in done.stderr and len(done.stderr.splitlines()) == 1
    needed = run("readelf", "-d", tmp_path / "open").stdout
    assert "[libpostern.so.1]" in needed


def test_the_client_stands_on_the_library_alone():
    """The program has nothing of the protocol in it: it calls what everybody may call."""
    symbols = run("nm", "-D", ROOT / "usr/bin/postern").stdout
    assert "U postern_knock_run" in symbols
    assert not re.search(r"\b(veil|noise|envelope|request|reply)_", run("nm", "-D", library()).stdout)
    needed = run("readelf", "-d", ROOT / "usr/bin/postern").stdout
    assert "libsodium" not in needed


@pytest.fixture
def system(tmp_path):
    """A root file system with our unit in it, and what the unit calls beside posternd."""
    root = tmp_path / "root"
    shutil.copytree(ROOT, root, symlinks=True)
    (root / "bin").mkdir()
    shutil.copy("/bin/kill", root / "bin")
    return root


def test_systemd_finds_nothing_wrong_with_the_unit(system):
    done = run("systemd-analyze", "verify", "--man=no", f"--root={system}", f"/{UNIT}")
    assert (done.returncode, done.stdout + done.stderr) == (0, "")
    unit = system / UNIT
    unit.write_text(unit.read_text().replace("Type=notify", "Type=nonsense"))
    assert "nonsense" in run("systemd-analyze", "verify", "--man=no", f"--root={system}", f"/{UNIT}").stderr


def test_the_units_sandbox_is_tight(system):
    text = (system / UNIT).read_text()
    assert "Type=notify" in text and "ExecReload=" in text
    done = run("systemd-analyze", "security", "--offline=true", f"--root={system}", "--threshold=35", "posternd.service")
    assert done.returncode == 0, done.stdout + done.stderr  # exposure at most 3.5 of 10
