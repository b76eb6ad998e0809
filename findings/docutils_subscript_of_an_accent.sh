#!/usr/bin/env bash
# docutils 0.22.4, its converter from LaTeX to MathML: a subscript of a letter with an accent, \hat{x}_i, lands under the
# letter, as if it were the limit of a sum: <munderover> x i hat. The text of a brace, \underbrace{x}_y, which LaTeX sets
# below the brace, lands beside it: <msub>. A superscript, \hat{x}^2, is right. Nothing is said of it.
#
# Why: what a script is put on decides where it goes. The accent makes its element an <mover>, and to that a subscript is
# added as the missing lower part; the brace is a <munder>, which is complete, so that the script is put beside it.
#
# What helps: turn <munderover> whose last part is an accent into <msub><mover>..., and <msub> on a brace into <munder>,
# as docs/make/formulas.py of minigen does.
#
# Run: bash findings/docutils_subscript_of_an_accent.sh. It makes a virtual environment in a temporary folder (20 MB).
# Exit code 0: as seen.
#
# Seen:
#   \hat{x}_i: munderover mi mi mo
#   \hat{x}^2: msup mover mi mo mn
#   \underbrace{x}_y: msub munder mi mo mi
#   as seen before
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install -q --disable-pip-version-check docutils==0.22.4

cat > seen.py <<'PYTHON'
import re
import sys

from docutils.utils.math.latex2mathml import tex2mathml

WANTED = {
    r"\hat{x}_i": "munderover mi mi mo",
    r"\hat{x}^2": "msup mover mi mo mn",
    r"\underbrace{x}_y": "msub munder mi mo mi",
}
found = {formula: " ".join(re.findall(r"<(m\w+)", tex2mathml(formula))[1:]) for formula in WANTED}
for formula, elements in found.items():
    print(f"{formula}: {elements}")
print("as seen before" if found == WANTED else "docutils converts otherwise now")
sys.exit(found != WANTED)
PYTHON
venv/bin/python seen.py
