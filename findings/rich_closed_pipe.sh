#!/usr/bin/env bash
# rich 15.0.0: a Console whose pipe is closed ends the program. Console.print catches BrokenPipeError itself and raises
# SystemExit(1), so `except Exception` around it, or a handler for BrokenPipeError, never sees it: a program that prints
# its progress with rich and is piped into `head -1` stops in the middle of its work, with exit code 1 and no message.
#
# What helps: a subclass that overrides Console.on_broken_pipe.
#
# Run: bash findings/rich_closed_pipe.sh. It makes a virtual environment in a temporary folder. Exit code 0: as seen.
#
# Seen:
#   exit code of the program whose pipe was closed: 1, its work done: no
#   with on_broken_pipe overridden: 0, its work done: yes
#   as seen before
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install -q --disable-pip-version-check rich==15.0.0

cat > work.py <<'PYTHON'
import sys

from rich.console import Console


class Patient(Console):
    def on_broken_pipe(self):
        self.file = open("/dev/null", "w")


console = Patient() if sys.argv[1] == "patient" else Console()
for step in range(20_000):
    try:
        console.print(f"step {step}")
    except Exception:  # a program that means to go on without an audience
        pass
open(f"{sys.argv[1]}.done", "w").close()
PYTHON

run() {  # the exit code of the program in front of the pipe, and whether it came to its end
  set +e
  venv/bin/python work.py "$1" 2>/dev/null | head -1 >/dev/null
  code=${PIPESTATUS[0]}
  set -e
  if [ -e "$1.done" ]; then finished=yes; else finished=no; fi
}
run plain; plain="$code, its work done: $finished"
run patient; patient="$code, its work done: $finished"
echo "exit code of the program whose pipe was closed: $plain"
echo "with on_broken_pipe overridden: $patient"
if [ "$plain" = "1, its work done: no" ] && [ "$patient" = "0, its work done: yes" ]; then
  echo "as seen before"
else
  echo "rich behaves otherwise now"; exit 1
fi
