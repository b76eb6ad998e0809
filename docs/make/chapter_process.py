"""The process that runs the blocks of one chapter, in a folder of its own: ``guide.py`` starts it.

It reads the blocks as JSON from a file and writes a line of JSON for each block that ended: what it printed, the error
if it raised one, its seconds of processor time. All Python blocks share one namespace, that of ``__main__``.

Imports: nothing but the standard library. Read next: ``guide.py``.
"""

from __future__ import annotations

import contextlib
import io
import json
import linecache
import os
import re
import shlex
import subprocess
import sys
import traceback
import types
from pathlib import Path

COMPILING = re.compile(r"^minigen: compiling kernels, .*\n", re.M)  # where they are not compiled yet; it is no output


def main(words: list[str]) -> None:
    """Run the blocks in the file of the first word, write to the file of the second."""
    blocks = json.loads(Path(words[0]).read_text(encoding="utf-8"))
    namespace = types.ModuleType("__main__")
    sys.modules["__main__"], sys.argv = namespace, ["chapter"]
    sys.path[0] = ""  # what the chapter writes can be imported, and nothing beside this file
    with open(words[1], "w", encoding="utf-8") as results:
        for block in blocks:
            started = sum(os.times()[:4])  # of this process and of the commands
            run = run_python if block["language"] == "python" else run_commands
            printed, error = run(block, namespace)
            printed = COMPILING.sub("", printed)
            seconds = sum(os.times()[:4]) - started
            results.write(json.dumps({"printed": printed, "error": error, "seconds": seconds}) + "\n")
            results.flush()
            if error:
                return


def run_python(block: dict[str, str], namespace: types.ModuleType) -> tuple[str, str | None]:
    """What the block prints, warnings included, and the traceback of its error."""
    name = f"<{block['page']}>"  # its lines are those of the page, so that a traceback names them
    code = "\n" * (int(block["line"]) - 1) + block["code"]
    linecache.cache[name] = (len(code), None, code.splitlines(keepends=True), name)
    printed = io.StringIO()
    try:
        with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
            exec(compile(code, name, "exec", dont_inherit=True), namespace.__dict__)
    except (Exception, SystemExit) as error:
        frames = error.__traceback__
        if not isinstance(error, SyntaxError) and frames is not None:
            error.__traceback__ = frames.tb_next
        return printed.getvalue(), "".join(traceback.format_exception(error))
    return printed.getvalue(), None


def run_commands(block: dict[str, str], namespace: types.ModuleType) -> tuple[str, str | None]:
    """What the commands print. Each ends with code 0, or with the one that its comment says: ``# exit 1``."""
    printed = ""
    for line in block["code"].replace("\\\n", " ").splitlines():
        words = shlex.split(line, comments=True)
        if not words:
            continue
        if words[0] != "minigen":
            return printed, f"{line}: only commands that begin with minigen are run"
        done = subprocess.run(
            [sys.executable, "-m", "minigen", *words[1:]], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False
        )
        printed += done.stdout.decode("utf-8").replace("\r\n", "\n")
        said = re.search(r"# exit (\d+)\s*$", line)
        wanted = int(said[1]) if said else 0
        if done.returncode != wanted:
            return printed, f"{line}\nended with exit code {done.returncode}, wanted {wanted}\n{printed}"
    return printed, None


if __name__ == "__main__":
    main(sys.argv[1:])
