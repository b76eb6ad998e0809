#!/usr/bin/env bash
# Pillow 13.0.0: a grey PNG of 2 or 4 bits with one transparent grey (chunk tRNS) is opened with its pixels scaled to
# 0..255 but info["transparency"] left on the scale of the file. convert("RGBA") compares the two, finds no pixel of that
# grey (or a wrong one), and gives an opaque picture. With 8 bits, where there is nothing to scale, it is right.
#
# Who meets it: readers of small icons and drawn digits, whose background turns from transparent to a grey.
#
# What helps: scale the value of info["transparency"] by 255 / (2^bits - 1) before the conversion; the bits stand in the
# PNG's header.
#
# Run: bash findings/pillow_transparent_low_bit_grey.sh. It makes a virtual environment in a temporary folder. Exit code
# 0: as seen; 1: Pillow behaves otherwise.
#
# Seen: pixels of grey 1 (transparent) and of the largest grey, as (grey, alpha) after convert("RGBA")
#   2 bits: [(85, 255), (255, 255)]
#   4 bits: [(17, 255), (255, 255)]
#   8 bits: [(1, 0), (255, 255)]
#   as seen before
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install -q --disable-pip-version-check pillow==13.0.0
venv/bin/python - <<'PYTHON'
import io
import struct
import sys
import zlib

from PIL import Image


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(bits):
    """A row of two pixels: grey 1, which is transparent, and the largest grey."""
    values = (1, 2**bits - 1)
    row = bytes(values) if bits == 8 else bytes([values[0] << (8 - bits) | values[1] << (8 - 2 * bits)])
    header = struct.pack(">IIBBBBB", 2, 1, bits, 0, 0, 0, 0)
    parts = (b"IHDR", header), (b"tRNS", struct.pack(">H", 1)), (b"IDAT", zlib.compress(b"\0" + row)), (b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(kind, data) for kind, data in parts)


found = {}
print('pixels of grey 1 (transparent) and of the largest grey, as (grey, alpha) after convert("RGBA")')
for bits in (2, 4, 8):
    with Image.open(io.BytesIO(png(bits))) as image:
        rgba = image.convert("RGBA")
        found[bits] = [(rgba.getpixel((x, 0))[0], rgba.getpixel((x, 0))[3]) for x in range(2)]
    print(f"  {bits} bits: {found[bits]}")
as_seen = {bits: pixels[0][1] for bits, pixels in found.items()} == {2: 255, 4: 255, 8: 0}
print("as seen before" if as_seen else "Pillow behaves otherwise now")
sys.exit(0 if as_seen else 1)
PYTHON
