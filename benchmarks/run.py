"""How fast is one training step, against PyTorch, JAX and the arithmetic alone?

    python benchmarks/run.py --peers torch,torch-tuned,jax --threads 1

Times six models in minigen and in its peers, each library in a process of its own, in turns (about five minutes).
Writes ``benchmarks/results/speed-<cpu>-<threads>-threads.json`` and ``docs/performance.md``. With ``--models`` (only
some of the models) it just prints, unless ``--out`` names a folder: what is kept is one whole run.

    python benchmarks/run.py --peers torch --models conv-ae,dcgan --rounds 3

    python benchmarks/run.py --device cuda --peers minigen-captured,torch,torch-compile,jax

A peer that is not installed, has no GPU where one is asked for, or ends with an error is left out, and the result says
so. ``torch-tuned`` is PyTorch with channels-last convolutions and its fused Adam, ``torch-compile`` with compiled
networks (it cannot differentiate twice, so it is left out of WGAN-GP), ``minigen-captured`` minigen with each step
recorded as a CUDA graph. On a GPU all compute in full float32, without TF32. How the measuring works, and what the
floor is, stands in ``speed/report.py``; ``on_a_gpu.sh`` runs this and all else that a GPU should be asked.

Imports: NumPy, ``speed``. Read next: ``speed/work.py``.
"""

from __future__ import annotations

import argparse
import contextlib
import datetime
import importlib.util
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from speed import report
from speed.work import WORKS

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
MODELS = tuple(WORKS)
PEERS = {
    "minigen-captured": "minigen",
    "torch": "torch",
    "torch-tuned": "torch",
    "torch-compile": "torch",
    "jax": "jax",
}  # fmt: skip - what has to be installed
DEFAULT_PEERS = {"cpu": "torch,torch-tuned,jax", "cuda": "torch,torch-compile,jax"}
CANNOT = {("torch-compile", "wgan-gp")}  # its compiled networks have no second derivatives
#: Python that ends with a reason if a library finds no GPU.
FINDS_NO_GPU = {
    "minigen": "from minigen.device import cuda_status as s; import sys; sys.exit(None if s()[0] else s()[1])",
    "torch": "import torch, sys; sys.exit(None if torch.cuda.is_available() else 'this PyTorch finds no GPU')",
    "jax": "import jax; jax.devices('cuda')",
}
ADAM_BYTES = 28  # read p, g, m, v and write p, m, v, in float32
AGREEMENT = 1e-3  # of the losses of the first updates: float32 sums in another order, then moved by Adam


def worker_environment(threads: int, device: str = "cpu") -> tuple[dict[str, str], list[str]]:
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
    env["PYTHONPATH"] = os.pathsep.join([str(HERE), str(ROOT), str(ROOT / "kernels"), env.get("PYTHONPATH", "")])
    return env, [f"{name}={os.environ[name]}" for name in removed if not name.endswith("_THREADS")]


class WorkerEndedError(Exception):
    """A worker ended before it had answered; the text says why."""


class Worker:
    """A process that measures one library (or the machine) on one model; see ``speed/worker.py``."""

    def __init__(self, kind: str, model: str, options: argparse.Namespace, weights: Path) -> None:
        words = [kind, model, str(options.batch_size), str(options.threads), options.device, str(weights)]
        env, _ = worker_environment(options.threads, options.device)
        self.kind = kind
        self.errors = weights.with_name(f"{kind}.txt")
        with open(self.errors, "wb") as errors:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "speed.worker", *words],
                env=env,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )
        self.first = self._answer()
        self.times: list[Any] = []

    def round(self, steps: int) -> None:
        """Run that many steps, and keep the answer."""
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
        print(json.dumps({"steps": steps}), file=self.process.stdin, flush=True)
        return self._answer()

    def _answer(self) -> Any:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            said = self.errors.read_text(encoding="utf-8", errors="replace").strip()
            print(said[-4000:], file=sys.stderr)
            last = said.rpartition("\n")[2]
            raise WorkerEndedError(f"the worker for {self.kind} ended with code {self.process.wait()}: {last}")
        return json.loads(line)


def measure(model: str, peers: list[str], options: argparse.Namespace) -> dict[str, Any]:
    """One model in all libraries, in turns. A peer whose worker ends at the start is left out of this model."""
    without: dict[str, str] = {}
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        workers: dict[str, Worker] = {}
        for kind in ("minigen", "machine", *(peer for peer in peers if (peer, model) not in CANNOT)):
            say(f"{model}: {kind} ...")
            try:
                workers[kind] = Worker(kind, model, options, Path(folder) / "weights.npz")
            except WorkerEndedError as error:
                if kind in ("minigen", "machine"):
                    raise
                without[kind] = str(error)
                continue
            stack.callback(workers[kind].stop)
        machine = workers.pop("machine")
        check_losses(model, workers)
        steps = {
            kind: options.steps or max(1, round(options.seconds / worker.first["step_seconds"]))
            for kind, worker in workers.items()
        }
        for i in range(options.rounds):
            say(f"{model}: round {i + 1} of {options.rounds}")
            machine.round(1)
            for kind, worker in workers.items():
                worker.round(steps[kind])
        runs = {kind: summary(worker, steps[kind]) for kind, worker in workers.items()}
    sgemm, copy = (max(rates[key] for rates in machine.times) for key in ("sgemm", "copy"))
    return {"runs": runs, "sgemm": sgemm, "copy": copy, "left_out": without, **machine.first}


def summary(worker: Worker, steps: int) -> dict[str, Any]:
    """What the rounds of one library came to."""
    ms = [1000 * answer["seconds"] / steps for answer in worker.times]
    return {
        "min_ms": min(ms),
        "median_ms": statistics.median(ms),
        "rounds_ms": ms,
        "host_ms": statistics.median(1000 * answer["host_seconds"] / steps for answer in worker.times),
        "on_core": sum(a["cpu_seconds"] for a in worker.times) / sum(a["seconds"] for a in worker.times),
        "steps_a_round": steps,
        "first_seconds": worker.first["first_seconds"],
        "peak_mb": worker.peak_bytes() / 1e6,
        "losses": worker.first["losses"],
        "versions": worker.first["versions"],
        "remark": worker.first["remark"],
    }


def check_losses(model: str, workers: dict[str, Worker]) -> None:
    """All libraries must have computed the same: else what is compared are different things."""
    own = workers["minigen"].first["losses"]
    for kind, worker in workers.items():
        for step, (a, b) in enumerate(zip(own, worker.first["losses"], strict=True)):
            if any(abs(x - y) > AGREEMENT * max(1, abs(x)) for x, y in zip(a, b, strict=True)):
                sys.exit(f"run.py: {model}: the losses of update {step} differ: minigen {a}, {kind} {b}")


def without_gpu(library: str) -> str | None:
    """Why a library cannot use a GPU here, in one line; None if it can. Asked in a process of its own."""
    env, _ = worker_environment(1, "cuda")
    done = subprocess.run([sys.executable, "-c", FINDS_NO_GPU[library]], env=env, capture_output=True, text=True)
    return done.stderr.strip().split("\n")[-1] if done.returncode else None


def left_out(options: argparse.Namespace) -> dict[str, str]:
    """The peers that cannot take part, each with the reason."""
    found = {p: f"{PEERS[p]} is not installed" for p in options.peers if not installed(PEERS[p])}
    if options.device == "cuda":
        reasons = {library: without_gpu(library) for library in {PEERS[p] for p in options.peers if p not in found}}
        found |= {p: reason for p in options.peers if p not in found and (reason := reasons[PEERS[p]])}
    return found


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


def say(text: str) -> None:
    """Progress, on one line of the error stream."""
    if sys.stderr.isatty():
        print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peers", help=f"of {', '.join(PEERS)}, with commas between (default: those for the device)")
    parser.add_argument("--models", default=",".join(MODELS), help=f"of {', '.join(MODELS)}, with commas between")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--steps", type=int, help="steps of a round (default: what --seconds allow)")
    parser.add_argument("--seconds", type=float, default=0.3, help="about how long a round lasts")
    parser.add_argument("--batch-size", type=int, default=128)
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--note", default="", help="a remark that is kept with the result")
    parser.add_argument("--out", type=Path, help="folder for the result and the page")
    options = parser.parse_args()
    options.peers = DEFAULT_PEERS[options.device] if options.peers is None else options.peers
    for name, known in (("models", MODELS), ("peers", PEERS)):
        given = [word for word in getattr(options, name).split(",") if word]
        if unknown := [word for word in given if word not in known]:
            parser.error(f"--{name}: {', '.join(unknown)} is not known; choose from {', '.join(known)}")
        setattr(options, name, given)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    for name, most in (("threads", cores), ("rounds", None), ("steps", None), ("batch_size", None)):
        value = getattr(options, name)
        if value is not None and (value < 1 or (most and value > most)):
            parser.error(f"--{name.replace('_', '-')}: expected from 1{f' to {most}' if most else ' on'}, got {value}")
    if options.batch_size < 2:
        parser.error("--batch-size: batch norm needs at least 2")
    if options.device == "cuda" and (reason := without_gpu("minigen")):
        parser.error(f"--device cuda: {reason}")
    return options


def main() -> None:
    options = parse()
    missing = left_out(options)
    peers = [peer for peer in options.peers if peer not in missing]
    machine = {
        "cpu": processor(),
        "system": platform.platform(),
        "cores": os.cpu_count(),
        "load": os.getloadavg()[0],
        "removed": worker_environment(1)[1],
    }
    if hasattr(os, "sched_setaffinity"):  # for this process and so for all that it starts: nobody gets a core more
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[-options.threads :])
    result: dict[str, Any] = {
        "date": datetime.date.today().isoformat(),
        "machine": machine,
        "versions": {"python": platform.python_version()},
        "run": {key: getattr(options, key) for key in ("threads", "batch_size", "rounds", "seconds", "device")},
        "left_out": missing,
        "note": options.note,
        "models": {},
    }
    for name in options.models:
        model = measure(name, peers, options)
        missing |= {f"{kind} of {name}": reason for kind, reason in model.pop("left_out").items()}
        work, flops = WORKS[name], WORKS[name].flops * options.batch_size
        machine.update(model.pop("versions"))
        model["title"], model["flops"] = work.title, flops
        model["floor_ms"] = 1000 * (flops / model["sgemm"] + ADAM_BYTES * model["parameters"] / model["copy"])
        for run in model["runs"].values():
            result["versions"] |= run.pop("versions")
        result["models"][name] = model
    say("")
    print(report.setting(result), report.times(result), report.memory(result), sep="\n\n")
    if options.out is None and tuple(options.models) != MODELS:
        print("\nNot kept: only some of the models.")
        return
    folders = (options.out, options.out) if options.out else (HERE / "results", ROOT / "docs")
    print(f"\nKept in {report.write(result, *folders)}")


if __name__ == "__main__":
    try:
        main()
    except WorkerEndedError as error:
        sys.exit(f"run.py: {error}")
