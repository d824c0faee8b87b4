"""The cover png: what the client makes is a picture to everybody, and a veil to whoever has the key."""

import base64
import hashlib
import io
import json
import os
import subprocess

import pytest
from lab.programs import build
from PIL import Image
from wire import png
from wire.primitives import random

KEY = bytes(range(32))
SET = 0x123456789
TOOLS = build() / "tests" / "stego"


def run(*command, **more):
    return subprocess.run([str(word) for word in command], check=True, capture_output=True, timeout=60, **more)


def photograph(path, seed, width=800, height=400):
    path.write_bytes(run(TOOLS / "make_scene", seed, width, height).stdout)
    return path


@pytest.fixture(scope="module")
def carriers(tmp_path_factory):
    """A few, of JPEG and PNG photographs, RGB and RGBA; each with its veil."""
    folder = tmp_path_factory.mktemp("pictures")
    with Image.open(photograph(folder / "a.jpg", 8)) as jpeg:
        jpeg.save(folder / "b.png")
        alpha = jpeg.copy()
        alpha.putalpha(Image.linear_gradient("L").resize(jpeg.size))
        alpha.save(folder / "c.png")
    made = []
    for name, state in (("a.jpg", "s1"), ("b.png", "s2"), ("c.png", "s3")):
        veil = random(500)
        out = run(TOOLS / "make_carrier", KEY.hex(), SET, veil.hex(), folder / name, folder / state).stdout
        made.append((veil, out))
    return made


def test_another_implementation_reads_the_veil(carriers):
    for veil, carrier in carriers:
        got = png.unwrap(KEY, SET, carrier)
        assert got[: len(veil)] == veil and not any(got[len(veil) :])
        assert png.unwrap(KEY, SET + 1, carrier)[: len(veil)] != veil


def test_pillow_shows_the_same_picture(carriers):
    modes = []
    for _, carrier in carriers:
        with Image.open(io.BytesIO(carrier)) as image:
            image.verify()
        with Image.open(io.BytesIO(carrier)) as image:
            width, height, channels, samples = png.decode(carrier)
            assert image.size == (width, height) and image.tobytes() == bytes(samples)
            assert image.info == {}  # nothing about programs, times or places
            modes.append((image.mode, channels))
    assert modes == [("RGB", 3), ("RGB", 3), ("RGBA", 4)]


PAGE = """<!doctype html><meta charset=utf-8><pre id=out>waiting</pre><script>
const files = %s;
async function look(name) {
  const image = new Image();
  image.src = "data:image/png;base64," + name;
  await image.decode();
  const canvas = document.createElement("canvas");
  canvas.width = image.naturalWidth; canvas.height = image.naturalHeight;
  const context = canvas.getContext("2d", {colorSpace: "srgb"});
  context.drawImage(image, 0, 0);
  const d = context.getImageData(0, 0, canvas.width, canvas.height).data;
  const hash = await crypto.subtle.digest("SHA-256", d);
  return [canvas.width, canvas.height, Array.from(new Uint8Array(hash))];
}
Promise.all(files.map(look)).then(all => out.textContent = JSON.stringify(all), e => out.textContent = "failed " + e);
</script>"""


def test_chromium_shows_the_same_picture(carriers, tmp_path):
    """Pixel by pixel, of those without transparency (a canvas keeps those multiplied by it)."""
    opaque = [carrier for _, carrier in carriers if png.decode(carrier)[2] == 3]
    page = tmp_path / "page.html"
    page.write_text(PAGE % json.dumps([base64.b64encode(carrier).decode() for carrier in opaque]))
    # Root has no sandbox of Chromium's; it sees one page of our own, without a network.
    done = run(
        "unshare", "--net", "chromium", "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
        f"--user-data-dir={tmp_path}/profile", "--virtual-time-budget=10000", "--dump-dom", page.as_uri(),
        env={**os.environ, "HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path)},
    )  # fmt: skip
    shown = json.loads(done.stdout.decode().split("<pre id=\"out\">")[1].split("</pre>")[0])
    for carrier, (width, height, digest) in zip(opaque, shown, strict=True):
        w, h, _, samples = png.decode(carrier)
        rgba = bytearray(b"\xff" * (w * h * 4))
        for c in range(3):
            rgba[c::4] = samples[c::3]
        assert (width, height) == (w, h) and bytes(digest) == hashlib.sha256(rgba).digest()


def postern(home, *words):
    env = {**os.environ, "HOME": str(home), "XDG_STATE_HOME": str(home / "state")}
    return subprocess.run([build() / "client" / "postern", *map(str, words)], env=env, capture_output=True, timeout=60)


def test_cover_check_counts_knocks(tmp_path):
    photos = tmp_path / "photos"
    photos.mkdir()
    photograph(photos / "good.jpg", 8)
    photograph(photos / "small.jpg", 8, 300, 300)
    (photos / "notes.txt").write_text("no picture")
    with Image.open(photos / "good.jpg") as image:
        image.convert("L").save(photos / "grey.jpg")
    done = postern(tmp_path, "cover", "check", photos, "--json")
    said = json.loads(done.stdout)
    assert done.returncode == 0 and said["knocks"] == 2
    why = {photo["file"]: photo.get("why", "") for photo in said["photos"]}
    assert not why["good.jpg"] and "colour" in why["grey.jpg"]
    assert "smaller" in why["small.jpg"] and "not a PNG or JPEG" in why["notes.txt"]
    text = postern(tmp_path, "cover", "check", photos).stdout.decode()
    assert "good.jpg: 2 knocks left, 0 used\n" in text and text.endswith(": good for 2 knocks\n")


def test_cover_show_puts_three_pictures_side_by_side(tmp_path):
    photo = photograph(tmp_path / "a.jpg", 8)
    out = tmp_path / "out.png"
    done = postern(tmp_path, "cover", "show", photo, "-o", out, "--json")
    said = json.loads(done.stdout)
    assert done.returncode == 0, done.stderr
    with Image.open(out) as image:
        panel = said["width"] * 2
        assert image.size == (3 * panel + 32, said["height"] * 2)
        crop, carrier, difference = (
            image.crop((n * (panel + 16), 0, n * (panel + 16) + panel, image.height)) for n in range(3)
        )
    half = (said["width"], said["height"])
    was, now, shown = (
        list(part.resize(half, Image.NEAREST).getdata()) for part in (crop, carrier, difference)
    )
    steps = [tuple(b - a for a, b in zip(p, q)) for p, q in zip(was, now)]
    assert {s for step in steps for s in step} == {-1, 0, 1}
    assert sum(step != (0, 0, 0) for step in steps) == said["changed"] < len(steps) // 10
    assert all(pixel == tuple(128 + 127 * s for s in step) for pixel, step in zip(shown, steps))
    # That crop is used up; nothing is written over; and when none is left it says what to do.
    assert b"is there already" in postern(tmp_path, "cover", "show", photo, "-o", out).stderr
    assert postern(tmp_path, "cover", "show", photo, "-o", tmp_path / "two.png").returncode == 0
    last = postern(tmp_path, "cover", "show", photo, "-o", tmp_path / "three.png")
    assert last.returncode == 5 and b"no picture is left" in last.stderr
