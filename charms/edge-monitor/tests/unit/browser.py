"""Show a page in headless Chromium, and report what of it a person can see."""

import html
import json
import pathlib
import re
import shutil
import struct
import subprocess
import tempfile
import zlib

CHROMIUM = shutil.which("chromium")
QUIET = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
)
DARK, LIGHT = "--blink-settings=preferredColorScheme=0", "--blink-settings=preferredColorScheme=1"

# Only in the copy that is looked at: the page itself has no script. It notes where each text is
# that can be seen, and how large the curves are.
_PROBE = """
<script>
addEventListener("load", () => {
  const texts = [];
  const walker = document.createTreeWalker(document.querySelector("main"), NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const text = walker.currentNode.textContent.trim().replace(/\\s+/g, " ");
    const range = document.createRange();
    range.selectNodeContents(walker.currentNode);
    const box = range.getBoundingClientRect();
    const shown = walker.currentNode.parentElement.checkVisibility();
    if (text && shown && box.width && box.height) {
      texts.push({text, left: box.left, right: box.right, top: box.top, bottom: box.bottom,
                  size: parseFloat(getComputedStyle(walker.currentNode.parentElement).fontSize)});
    }
  }
  const lines = [...document.querySelectorAll("svg polyline")].map(e => e.getBoundingClientRect())
    .map(b => ({width: b.width, height: b.height}));
  const strips = [...document.querySelectorAll("svg.strip")].map(strip =>
    [...strip.querySelectorAll("rect")].map(e => e.getBoundingClientRect())
      .map(b => ({left: b.left, right: b.right, height: b.height})));
  const wide = document.documentElement.scrollWidth;
  const report = {texts, lines, strips, wide, window: innerWidth};
  document.body.setAttribute("data-report", JSON.stringify(report));
});
</script>
"""


def _run(page, *options):
    with tempfile.TemporaryDirectory() as folder:
        file = pathlib.Path(folder) / "page.html"
        file.write_text(page)
        profile = pathlib.Path(folder) / "profile"
        command = (CHROMIUM, *QUIET, f"--user-data-dir={profile}", *options, file.as_uri())
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)


def look(page, *, width, height=1200, scheme=LIGHT):
    """Return what can be seen of a page: texts with their places, lines, and its width."""
    probed = page.replace("</body>", f"{_PROBE}</body>")
    said = _run(probed, f"--window-size={width},{height}", scheme, "--dump-dom").stdout
    return json.loads(html.unescape(re.search(r'data-report="([^"]*)"', said)[1]))


def shoot(page, target, *, width, height, scheme=LIGHT):
    """Write a picture of a page; return its pixels as rows of (red, green, blue)."""
    _run(page, f"--window-size={width},{height}", scheme, f"--screenshot={target}")
    return pixels(target.read_bytes())


def pixels(png):
    """Return the rows of a picture with 8 bits for each of three or four channels."""
    at, packed, width, channels = 8, b"", 0, 0
    while at < len(png):
        (length,), kind = struct.unpack(">I", png[at : at + 4]), png[at + 4 : at + 8]
        body = png[at + 8 : at + 8 + length]
        if kind == b"IHDR":
            width, _, depth, colour = struct.unpack(">IIBB", body[:10])
            channels = {2: 3, 6: 4}[colour]
            assert depth == 8
        packed += body if kind == b"IDAT" else b""
        at += 12 + length
    return _rows(zlib.decompress(packed), width * channels, channels)


def _rows(data, stride, channels):
    rows, former = [], bytearray(stride)
    for start in range(0, len(data), stride + 1):
        row = bytearray(data[start + 1 : start + 1 + stride])
        _unfilter(data[start], row, former, channels)
        rows.append([tuple(row[i : i + 3]) for i in range(0, stride, channels)])
        former = row
    return rows


def _unfilter(kind, row, former, channels):
    for i in range(len(row)):
        left = row[i - channels] if i >= channels else 0
        corner = former[i - channels] if i >= channels else 0
        guess = (0, left, former[i], (left + former[i]) // 2, _paeth(left, former[i], corner))
        row[i] = (row[i] + guess[kind]) & 255


def _paeth(left, up, corner):
    guess = left + up - corner
    return min((left, up, corner), key=lambda value: abs(guess - value))
