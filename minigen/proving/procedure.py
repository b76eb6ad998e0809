"""The procedure of ``minigen prove``: six parts, in the order in which a fault of one would spoil the next.

1. programs   every `.cu` file compiles in float32 and float64, and all of its kernels load (on a GPU)
2. kernels    every kernel against the reference, on the calls of the table and on drawn shapes, and twice for its bits
3. gradients  every operation, layer and loss of the inventory, orders 1 and 2; on a GPU also against the CPU
4. models     three training steps of six models against the CPU, or on the CPU against the reference, and twice
5. memory     what all of this took goes back to the pool (on a GPU)

After a fault it goes on, to the end if it can. A device that no longer answers ends it with a row that says so.

Imports: inventory, device, proof, the other files of this room. Read next: ``kernel_checks.py``, ``record.py``.
"""

from __future__ import annotations

import difflib
import gc
import importlib.metadata
import platform
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

import minigen
from minigen import inventory
from minigen.device import check_device, cuda_memory_in_use, cuda_status, to_device
from minigen.inventory import Item
from minigen.proof import cuda_subject, digest_of_kernels, proof_path
from minigen.proving.kernel_checks import DRAWS, DTYPES, check_kernel
from minigen.proving.model_checks import SMALL, check_model
from minigen.proving.record import Fault, Proof, Row
from minigen.training.environment import describe_environment
from minigen_kernels import reference
from minigen_kernels.calls import NAMES
from minigen_kernels.cuda.backend import compile_all
from minigen_kernels.cuda.source import HERE as PROGRAMS

#: How closely gradients are looked at. One wrong number in a tensor moves every random direction: two will do here, and
#: ``minigen gradcheck --all --device cuda`` takes its time.
GRADCHECK = {"order": 2, "draws": 2, "directions": 2, "max_elements": 8}
#: Bytes that may stay in use: tables that are made once and kept.
KEPT = 2**20

Found = tuple[int, Fault | None]  # how many checks there were, the first fault


@dataclass(frozen=True)
class Step:
    """One row to be: `run` makes its checks."""

    part: str
    group: str
    what: str
    run: Callable[[], Found]


def prove(
    device: str = "auto",
    *,
    only: str | None = None,
    seed: int = 0,
    file: str | Path | None = None,
    show: Callable[[Proof, Row | None], None] = lambda proof, row: None,
) -> Proof:
    """Check that minigen computes right on `device`, "cuda", "cpu" or "auto": the GPU where it works.

    The proof is kept in the cache folder, where ``--device auto`` finds it, and in `file`, as JSON that is written anew
    after every row. `only` is a part ("kernels") or something in one ("conv2d", "ops.norm", "vae"), which is kept in
    `file` alone. `seed` draws shapes, numbers and images. `show` is called before each row, with None, and after it.

    RuntimeError: the GPU does not work. ValueError: there is nothing of the name `only`.
    """
    device = ("cuda" if cuda_status()[0] else "cpu") if device == "auto" else check_device(device)
    chosen = list(steps(device, seed))
    if only is not None:
        names = sorted({name for step in chosen for name in (step.part, step.what)})
        chosen = [step for step in chosen if only in (step.part, step.what)]
        if not chosen:
            raise ValueError(f"prove: there is nothing called {only!r} to prove{_hint(only, names, device)}")
    subject = cuda_subject() if device == "cuda" else cpu_subject()
    paths = [Path(file).absolute()] if file is not None else []
    paths += [proof_path(subject)] if only is None else []
    settings = {"backend": device, "only": only, "seed": seed, "draws": DRAWS, "gradcheck": GRADCHECK}
    proof = Proof(subject, {**settings, "environment": describe_environment()}, *paths)
    used = cuda_memory_in_use() if device == "cuda" else 0
    if device == "cuda" and only is None:
        chosen.append(Step("memory", "memory", "memory", partial(check_memory, used)))
    for step in chosen:
        proof.begin(f"{step.part}: {step.what}")
        show(proof, None)
        start = time.perf_counter()
        checks, fault = guarded(step.run)
        proof.add(Row(step.part, step.group, step.what, checks, time.perf_counter() - start, fault))
        show(proof, proof.rows[-1])
        if fault is not None and device == "cuda" and (silent := silence()):
            left = len(chosen) - len(proof.rows)
            text = f"the device no longer answers ({silent}): {left} more were not run"
            proof.add(Row("device", "device", "device", 1, 0.0, Fault(text)))
            show(proof, proof.rows[-1])
            break
    proof.finish()
    return proof


def steps(device: str, seed: int) -> Iterator[Step]:
    """All rows but that of the memory, in order."""
    if device == "cuda":
        for path in sorted(PROGRAMS.glob("*.cu")):
            yield Step("programs", path.name, path.name, partial(check_program, path.name))
    for name in NAMES:
        family = f"{getattr(reference, name).__module__.rpartition('.')[2]}.py"
        yield Step("kernels", family, name, partial(check_kernel, name, device, seed))
    for item in inventory.ITEMS:
        group = item.name.partition(".")[0] if item.name.startswith(("ops.", "nn.", "losses.")) else "operators"
        yield Step("gradients", group, item.name, partial(check_gradients, item, device, seed))
    for name in SMALL:
        yield Step("models", name, name, partial(check_model, name, device, seed))


def _hint(only: str, names: list[str], device: str) -> str:
    if only == "memory":
        return " alone: a whole proof on a GPU ends with it"
    if device == "cpu" and (only == "programs" or (PROGRAMS / only).suffix == ".cu"):
        return " on the CPU: the programs are those of a GPU, --device cuda"
    near = [name for name in names if name.lower() == only.lower() or name.lower().endswith("." + only.lower())]
    near = near or difflib.get_close_matches(only, names, 1)
    if near:
        return f"; did you mean {' or '.join(map(repr, near))}?"
    return ": expected a part (kernels, gradients, models), a kernel, ops.NAME, nn.NAME, losses.NAME or a model"


def guarded(run: Callable[[], Found]) -> Found:
    """An exception is a fault like any other."""
    try:
        with np.errstate(all="ignore"):
            return run()
    except Exception as error:
        return 1, Fault(f"{type(error).__name__}: {error}", {"error": repr(error)})


def check_program(file: str) -> Found:
    """It compiles in both dtypes, and every kernel in it loads."""
    return sum(compile_all(file, dtype) for dtype in DTYPES), None


def check_gradients(item: Item, device: str, seed: int) -> Found:
    """Every case of an item of the inventory."""
    outcome = inventory.check(item, "cuda" if device == "cuda" else "cpu", seed=seed, **GRADCHECK)
    checks = len(outcome.reports) * int(GRADCHECK["order"])
    for i, report in enumerate(outcome.reports, start=1):
        if report.failure is not None:
            return checks, Fault(f"{item.name}, case {i}: {report.failure}", {"report": report.to_dict()})
    return checks, None


def check_memory(before: int) -> Found:
    """What arrays hold on the device is what they held before, or little more."""
    gc.collect()
    left = cuda_memory_in_use() - before
    return 1, Fault(f"{left:,} bytes are still in use at the end") if left > KEPT else None


def silence() -> str:
    """Why the device no longer answers; "" if it does."""
    try:
        return "" if float((to_device(np.ones(2), "cuda") + 1).sum()) == 4 else "1 + 1 is not 2"
    except Exception as error:
        return f"{type(error).__name__}: {error}".partition("\n")[0]


def cpu_subject() -> dict[str, str]:
    """What a proof on the CPU is of."""
    return {
        "device": str(describe_environment()["processor"]),
        "system": platform.platform(),
        "NumPy": np.__version__,
        "Numba": importlib.metadata.version("numba"),
        "kernels": digest_of_kernels("cpu"),
        "minigen": minigen.__version__,
    }
