"""Starts a process for each library, lets them take turns, and puts together what they measured.

Imports: NumPy, steps. Read next: ``tables.py``, ``run.py``.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from minigen_bench.steps import STEPS

Say = Callable[[str], None]

#: The peers: what has to be installed, and the file that measures it.
PEERS = {
    "minigen-compiled": "minigen",
    "minigen-captured": "minigen",
    "torch": "torch",
    "torch-tuned": "torch",
    "torch-compile": "torch",
    "jax": "jax",
}
DEFAULT_PEERS = {
    "cpu": ("minigen-compiled", "torch", "torch-tuned", "torch-compile", "jax"),
    "cuda": ("minigen-captured", "torch", "torch-compile", "jax"),
}
#: Python that ends with a reason if a library finds no GPU.
FINDS_NO_GPU = {
    "minigen": "from minigen.device import cuda_status as s; import sys; sys.exit(None if s()[0] else s()[1])",
    "torch": "import torch, sys; sys.exit(None if torch.cuda.is_available() else 'this PyTorch finds no GPU')",
    "jax": "import jax; jax.devices('cuda')",
}
ADAM_NUMBERS = 7  # read p, g, m, v and write p, m, v
SLOW, SLOW_ROUNDS = 3, 3  # what takes so many times as long as the fastest takes part in so many rounds only
AGREEMENT = 1e-3  # of the losses of the first updates: float32 sums in another order, then moved by Adam


class WorkerEndedError(Exception):
    """A worker ended before it had answered; the text says why."""


class DisagreementError(Exception):
    """Two libraries computed different losses: what is compared are different things."""


@dataclass(frozen=True)
class Settings:
    """How it is measured: `rounds` of about `seconds` for each library, or of `steps`; `batch` instead of the steps'.

    `hold` is a command that runs while a round is timed, such as one that waits for a lock of the machine: it is given
    a command that prints a line and ends when its input ends.
    """

    threads: int = 1
    rounds: int = 10
    seconds: float = 0.3
    steps: int | None = None
    batch: int | None = None
    device: str = "cpu"
    hold: Sequence[str] = field(default=())


def environment(threads: int, device: str = "cpu") -> tuple[dict[str, str], list[str]]:
    """The environment of every worker, and what was removed from this one's.

    Some machines set OPENBLAS_CORETYPE, which makes OpenBLAS run kernels for another processor, at half the speed.
    """
    removed = sorted(name for name in os.environ if name.startswith("OPENBLAS_"))
    env = {name: value for name, value in os.environ.items() if name not in removed}
    for library in ("OMP", "OPENBLAS", "MKL", "NUMBA", "VECLIB_MAXIMUM"):
        env[f"{library}_NUM_THREADS"] = str(threads)
    many = "true" if threads > 1 else "false"
    env["XLA_FLAGS"] = f"--xla_cpu_multi_thread_eigen={many} intra_op_parallelism_threads={threads}"
    env["JAX_PLATFORMS"] = device
    if device == "cuda":  # float32 means float32, in every library
        env |= {"NVIDIA_TF32_OVERRIDE": "0", "JAX_DEFAULT_MATMUL_PRECISION": "highest"}
    env["PYTHONPATH"] = os.pathsep.join([*map(str, import_folders()), env.get("PYTHONPATH", "")])
    return env, [f"{name}={os.environ[name]}" for name in removed if not name.endswith("_THREADS")]


def import_folders() -> list[Path]:
    """Where this package, minigen and its kernels are found, in a checkout as well as installed."""
    here = Path(__file__).resolve().parent.parent
    return [here, *([kernels] if (kernels := here / "kernels").is_dir() else [])]


class Worker:
    """A process that measures one library (or the machine) on one step; see ``worker.py``."""

    def __init__(self, kind: str, step: str, settings: Settings, weights: Path) -> None:
        batch = settings.batch or STEPS[step].batch
        words = [kind, step, str(batch), str(settings.threads), settings.device, str(weights)]
        env, _ = environment(settings.threads, settings.device)
        self.kind = kind
        self.errors = weights.with_name(f"{kind}.txt")
        module = "machine" if kind == "machine" else f"in_{PEERS.get(kind, kind)}"
        with open(self.errors, "wb") as errors:
            self.process = subprocess.Popen(
                [sys.executable, "-m", f"minigen_bench.{module}", *words],
                env=env,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )
        try:
            self.first = self._answer()
        except BaseException:
            self.stop()
            raise
        self.times: list[Any] = []

    def round(self, steps: int) -> None:
        """Make that many steps, and keep the answer."""
        self.times.append(self._ask(steps))

    def peak_bytes(self) -> int:
        """End the process; the most memory that it held."""
        return self._ask(0)["peak_bytes"]

    def stop(self) -> None:
        """End the process, whatever it does."""
        self.process.kill()
        self.process.communicate()

    def _ask(self, steps: int) -> Any:
        assert self.process.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # it has ended: the answer says so
            print(json.dumps({"steps": steps}), file=self.process.stdin, flush=True)
        return self._answer()

    def _answer(self) -> Any:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            said = self.errors.read_text(encoding="utf-8", errors="replace").strip()
            last = said.rpartition("\n")[2]
            raise WorkerEndedError(f"the worker for {self.kind} ended with code {self.process.wait()}: {last}")
        return json.loads(line)


@contextlib.contextmanager
def held(command: Sequence[str]) -> Iterator[None]:
    """Inside, this command runs, once it has begun."""
    if not command:
        yield
        return
    with subprocess.Popen([*command, "sh", "-c", "echo; cat >&2"], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as it:
        assert it.stdin is not None and it.stdout is not None
        it.stdout.readline()
        try:
            yield
        finally:
            it.stdin.close()


def measure(step: str, peers: Sequence[str], settings: Settings, say: Say) -> dict[str, Any]:
    """One step in all libraries, in turns. A peer whose worker ends at the start is left out; the result says why."""
    of = STEPS[step]
    without = {peer: of.cannot[peer] for peer in peers if peer in of.cannot}
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        workers: dict[str, Worker] = {}
        for kind in ("minigen", "machine", *(peer for peer in peers if peer not in without)):
            say(f"{step}: {kind} ...")
            try:
                workers[kind] = Worker(kind, step, settings, Path(folder) / "weights.npz")
            except WorkerEndedError as error:
                if kind in ("minigen", "machine"):
                    raise
                without[kind] = str(error)
                continue
            stack.callback(workers[kind].stop)
        machine = workers.pop("machine")
        check_losses(step, workers)
        steps = {
            kind: settings.steps or max(1, round(settings.seconds / worker.first["step_seconds"]))
            for kind, worker in workers.items()
        }
        fastest = min(worker.first["step_seconds"] for worker in workers.values())
        for i in range(settings.rounds):
            say(f"{step}: round {i + 1} of {settings.rounds}")
            with held(settings.hold):
                machine.round(1)
                for kind, worker in workers.items():
                    if i < SLOW_ROUNDS or worker.first["step_seconds"] < SLOW * fastest:
                        worker.round(steps[kind])
        runs = {kind: summary(worker, steps[kind]) for kind, worker in workers.items()}
    best = best_rates(machine.times)
    batch, size = settings.batch or of.batch, 8 if of.dtype == "float64" else 4
    moved = ADAM_NUMBERS * size * machine.first["parameters"] if of.trains else 0
    rates = {key: max(by.values()) for key, by in best.items()}
    return {
        "title": of.title,
        "batch": batch,
        "dtype": of.dtype,
        "flops": batch * of.flops,
        "parameters": machine.first["parameters"],
        "sgemm": rates["product"],
        "copy": rates["copy"],
        "rates": best,
        "floor_ms": 1000 * (batch * of.flops / rates["product"] + moved / rates["copy"]),
        "runs": runs,
        "left_out": without,
        "facts": machine.first["facts"],
    }


def best_rates(rounds: list[dict[str, dict[str, float]]]) -> dict[str, dict[str, float]]:
    """Of product and copy: the best rate of each library over all rounds."""
    return {
        key: {library: max(answer[key][library] for answer in rounds) for library in rounds[0][key]}
        for key in ("product", "copy")
    }


def summary(worker: Worker, steps: int) -> dict[str, Any]:
    """What the rounds of one library came to."""
    ms = [1000 * answer["seconds"] / steps for answer in worker.times]
    return {
        "min_ms": min(ms),
        "median_ms": float(np.median(ms)),
        "rounds_ms": ms,
        "host_ms": float(np.median([1000 * answer["host_seconds"] / steps for answer in worker.times])),
        "on_core": sum(a["cpu_seconds"] for a in worker.times) / sum(a["seconds"] for a in worker.times),
        "steps_a_round": steps,
        "first_seconds": worker.first["first_seconds"],
        "peak_mb": worker.peak_bytes() / 1e6,
        "losses": worker.first["losses"],
        "versions": worker.first["versions"],
        "remark": worker.first["remark"],
    }


def check_losses(step: str, workers: dict[str, Worker]) -> None:
    """All libraries must have computed the same."""
    own = workers["minigen"].first["losses"]
    for kind, worker in workers.items():
        for update, (a, b) in enumerate(zip(own, worker.first["losses"], strict=True)):
            if any(abs(x - y) > AGREEMENT * max(1, abs(x)) for x, y in zip(a, b, strict=True)):
                raise DisagreementError(f"{step}: the losses of update {update} differ: minigen {a}, {kind} {b}")


def missing_peers(peers: Sequence[str], device: str) -> dict[str, str]:
    """The peers that cannot take part, each with the reason."""
    found = {p: f"{PEERS[p]} is not installed" for p in peers if not installed(PEERS[p])}
    if device == "cuda":
        reasons = {library: without_gpu(library) for library in {PEERS[p] for p in peers if p not in found}}
        found |= {p: reason for p in peers if p not in found and (reason := reasons[PEERS[p]])}
    return found


def without_gpu(library: str) -> str | None:
    """Why a library cannot use a GPU here, in one line; None if it can. Asked in a process of its own."""
    env, _ = environment(1, "cuda")
    done = subprocess.run([sys.executable, "-c", FINDS_NO_GPU[library]], env=env, capture_output=True, text=True)
    return done.stderr.strip().split("\n")[-1] if done.returncode else None


def installed(library: str) -> bool:
    """Whether a library is there; minigen always is."""
    return library == "minigen" or importlib.util.find_spec(library) is not None


def processor() -> str:
    """The processor's name, as precisely as the system tells it."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextlib.contextmanager
def on_cores(threads: int) -> Iterator[None]:
    """Inside, this process and all that it starts have so many cores, and nobody one more."""
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, sorted(before)[-threads:])
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)
