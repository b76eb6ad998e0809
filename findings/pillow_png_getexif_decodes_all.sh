#!/usr/bin/env bash
# Pillow 13.0.0: getexif() of a PNG without EXIF data decodes all of its pixels, since such a chunk may follow them. So a
# program that looks at headers alone - sizes and orientations of many files - does the work of reading every picture;
# of a file that is cut it raises "image file is truncated" where only the header was wanted; and verify(), which checks
# the checksums, is refused after it. JPEG files are not decoded.
#
# Who meets it: whoever lists the sizes of a folder of pictures as they will be seen, turned by their EXIF data.
#
# What helps: PIL.Image.Image.getexif(picture), the method of the base class, which takes what stands before the pixels
# (where eXIf usually is); or verify() first, on a file that is opened once more.
#
# Run: bash findings/pillow_png_getexif_decodes_all.sh. It makes a virtual environment in a temporary folder. Exit code
# 0: as seen; 1: Pillow behaves otherwise.
#
# Seen:
#   PNG, getexif(): decoded; then verify(): RuntimeError: verify must be called directly after open
#   PNG, Image.Image.getexif(): not decoded; then verify(): no error
#   cut PNG, getexif(): OSError: image file is truncated
#   cut PNG, Image.Image.getexif(): no error
#   JPEG, getexif(): not decoded; then verify(): no error
#   as seen before
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install -q --disable-pip-version-check pillow==13.0.0
venv/bin/python - <<'PYTHON'
import io
import sys

from PIL import Image


def saved(kind):
    out = io.BytesIO()
    Image.effect_noise((500, 500), 50).save(out, kind)
    return out.getvalue()


def error_of(function, *arguments):
    try:
        function(*arguments)
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return "no error"


WAYS = {"getexif()": lambda picture: picture.getexif(), "Image.Image.getexif()": Image.Image.getexif}
found = []
for kind, name in (("PNG", "getexif()"), ("PNG", "Image.Image.getexif()"), ("JPEG", "getexif()")):
    calls = []
    with Image.open(io.BytesIO(saved(kind))) as picture:
        load = picture.load
        picture.load = lambda: calls.append(1) or load()
        WAYS[name](picture)
        del picture.load
        decoded = "decoded" if calls else "not decoded"
        found.append(f"{kind}, {name}: {decoded}; then verify(): {error_of(picture.verify)}")
for name, way in WAYS.items():
    with Image.open(io.BytesIO(saved("PNG")[:2000])) as picture:
        found.append(f"cut PNG, {name}: {error_of(way, picture)}")
found[2:] = found[3:] + found[2:3]
print(*(f"  {line}" for line in found), sep="\n")
as_seen = found == [
    "PNG, getexif(): decoded; then verify(): RuntimeError: verify must be called directly after open",
    "PNG, Image.Image.getexif(): not decoded; then verify(): no error",
    "cut PNG, getexif(): OSError: image file is truncated",
    "cut PNG, Image.Image.getexif(): no error",
    "JPEG, getexif(): not decoded; then verify(): no error",
]
print("as seen before" if as_seen else "Pillow behaves otherwise now")
sys.exit(0 if as_seen else 1)
PYTHON
