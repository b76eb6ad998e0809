"""`minigen prove` on the CPU and on the double: it passes, it names what is wrong, and it leaves what it has found.

Read next: ``test_spoilt_kernels.py``, ``../test_proof.py``.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cli.conftest import minigen as minigen  # the command as a fixture

from minigen.device import cuda_memory_in_use, to_device
from minigen.inventory import ITEMS
from minigen.proof import read_proof
from minigen.proving import Fault, procedure, prove
from minigen.proving.kernel_checks import DRAWS, check_kernel
from minigen.proving.procedure import Step
from minigen_kernels import cpu, reference
from minigen_kernels.calls import LAYOUTS, NAMES, arranged, produced
from minigen_kernels.drawn import DRAWS as DRAWN
from minigen_kernels.drawn import draw_call

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("MINIGEN_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


# Drawn calls.


def test_every_kernel_has_drawn_calls() -> None:
    missing = set(NAMES) - DRAWN.keys()
    assert not missing, f"no shapes are drawn for {missing}: add a line to DRAWS in kernels/minigen_kernels/drawn.py"
    assert DRAWN.keys() == set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_the_reference_takes_every_drawn_call(name: str) -> None:
    sizes = set()
    for draw in range(12):
        call, given = draw_call(name, 5, draw, np.float64)
        again = draw_call(name, 5, draw, np.float64)[1]
        for a, b in zip(given, again, strict=True):
            np.testing.assert_array_equal(a, b)  # the seed alone says what is drawn
        sizes |= {n for shape in call[1] for n in shape}
        for result in produced(reference, name, arranged(name, given, LAYOUTS[draw % len(LAYOUTS)])):
            assert np.isfinite(result).all()
        if draw == 0:
            assert sizes <= {1} or name in ("plane_scatter", "upsample_bilinear2d_adjoint")
    assert not sizes or len(sizes) > 2 or name == "philox"


# What a fault says.


def spoil(monkeypatch: pytest.MonkeyPatch, name: str, change: Any) -> None:
    right = getattr(cpu, name)
    monkeypatch.setattr(cpu, name, lambda *given: change(right(*given)))


def test_a_wrong_number_is_told_with_its_place(monkeypatch: pytest.MonkeyPatch) -> None:
    assert check_kernel("erf", "cpu", 3) == (2 * (2 + 2 * DRAWS), None)

    def change(y: np.ndarray) -> np.ndarray:
        if y.shape == (5, 67) and y.dtype == np.float64:
            y[3, 60] += 1e-12
        return y

    spoil(monkeypatch, "erf", change)
    checks, fault = check_kernel("erf", "cpu", 3)
    assert fault is not None and fault.facts["call"] == "erf((5, 67)) in float64, contiguous"
    assert fault.facts["index"] == (3, 60) and fault.facts["different"] == 1
    assert fault.facts["got"] - fault.facts["expected"] == pytest.approx(1e-12, rel=1e-3)
    assert "result 0 at (3, 60): got " in fault.text and ", tolerance " in fault.text
    x = fault.arrays["argument_0"]
    np.testing.assert_array_equal(fault.arrays["expected_0"], reference.erf(x))
    assert fault.arrays["got_0"][3, 60] == fault.facts["got"]


def test_other_bits_in_a_second_run_are_a_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    turn = iter(range(1000))
    spoil(monkeypatch, "softplus", lambda y: np.nextafter(y, 9, dtype=y.dtype) if next(turn) % 2 else y)
    _, fault = check_kernel("softplus", "cpu", 0)
    assert fault is not None and "a second run gives other bits" in fault.text


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda y: y[..., :1], "result 0 is float32 (5, 1), expected float32 (5, 67)"),
        (lambda y: y.astype(np.float64), "result 0 is float64 (5, 67), expected float32 (5, 67)"),
        (lambda y: y * np.nan, "got nan, expected"),
        (lambda y: (y, y), "2 results, 1 expected"),
        (lambda y: 1 // 0, "ZeroDivisionError"),
    ],
)
def test_other_faults(monkeypatch: pytest.MonkeyPatch, change: Any, said: str) -> None:
    spoil(monkeypatch, "sigmoid", change)
    _, fault = check_kernel("sigmoid", "cpu", 0)
    assert (
        fault is not None and said in fault.text and fault.text.startswith("sigmoid((5, 67)) in float32, contiguous: ")
    )


# The procedure.


def test_a_fault_is_kept_and_the_rest_still_runs(
    minigen: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, cache: Path
) -> None:
    spoil(monkeypatch, "conv2d", lambda y: y + 1)
    spoil(monkeypatch, "normal", lambda y: 1 // 0)
    result = minigen("prove", "--device", "cpu", "--only", "kernels", "--seed", 4, "--json", "proof.json")
    assert result.code == 1 and "conv.py                140" not in result.out
    assert "NOT PROVEN: 2 faults" in result.out and "FAILED: conv2d\n" in result.out
    assert 'to repeat it: minigen prove --device cpu --only "conv2d" --seed 4' in result.out
    proof = read_proof(tmp_path / "proof.json")
    assert proof["faults"] == ["conv2d", "normal"] and [row["what"] for row in proof["rows"]] == NAMES
    assert proof["seed"] == 4 and proof["subject"]["NumPy"] == np.__version__ and proof["verdict"] == "failed"
    fault = proof["rows"][0]["fault"]
    assert fault["got"] == pytest.approx(fault["expected"] + 1, rel=1e-5) and fault["tolerance"] < 0.1
    with np.load(fault["arrays"]) as file:
        assert file["got_0"].shape == file["expected_0"].shape and "argument_1" in file
    assert not cache.exists()  # nothing is kept of a part
    monkeypatch.undo()
    assert minigen("prove", "--device", "cpu", "--only", "conv2d", "--seed", 4).code == 0


def two_steps(monkeypatch: pytest.MonkeyPatch, *runs: Any) -> None:
    made = [Step("kernels", "file.py", f"step{i}", run) for i, run in enumerate(runs)]
    monkeypatch.setattr(procedure, "steps", lambda device, seed: iter(made))


def right() -> tuple[int, Fault | None]:
    return 3, None


def test_a_whole_proof_is_kept_in_the_cache(monkeypatch: pytest.MonkeyPatch, cache: Path) -> None:
    two_steps(monkeypatch, right, right)
    proof = prove("cpu")
    assert proof.passed and proof.checks == 6 and proof.paths[0].parent == cache / "proofs"
    kept = read_proof(proof.paths[0])
    assert (
        kept["verdict"] == "passed" and kept["faults"] == [] and len(kept["rows"]) == 2 and kept["date"] == proof.date
    )


def test_a_process_that_dies_leaves_what_it_had_found(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def dies() -> Any:
        raise SystemExit

    two_steps(monkeypatch, right, dies)
    with pytest.raises(SystemExit):
        prove("cpu", file=tmp_path / "p.json")
    kept = read_proof(tmp_path / "p.json")
    assert kept["verdict"] == "unfinished" and kept["running"] == "kernels: step1" and len(kept["rows"]) == 1


def test_a_device_that_no_longer_answers_ends_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def breaks() -> Any:
        raise RuntimeError("cudaErrorIllegalAddress")

    two_steps(monkeypatch, right, breaks, right, right)
    for name, value in {"check_device": lambda d: d, "cuda_subject": lambda: {"device": "made up"}}.items():
        monkeypatch.setattr(procedure, name, value)
    monkeypatch.setattr(procedure, "cuda_memory_in_use", lambda: 0)
    monkeypatch.setattr(procedure, "silence", lambda: "it is gone")
    proof = prove("cuda", file=tmp_path / "p.json")
    assert [row.what for row in proof.rows] == ["step0", "step1", "device"] and not proof.passed
    assert proof.rows[1].fault is not None and proof.rows[1].fault.text == "RuntimeError: cudaErrorIllegalAddress"
    assert proof.rows[2].fault is not None
    assert proof.rows[2].fault.text == "the device no longer answers (it is gone): 3 more were not run"
    assert read_proof(tmp_path / "p.json")["faults"] == ["step1", "device"]


def test_memory_that_stays_is_a_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(procedure, "cuda_memory_in_use", lambda: 3 * 2**20)
    assert procedure.check_memory(2 * 2**20) == (1, None)
    _, fault = procedure.check_memory(0)
    assert fault is not None and fault.text == "3,145,728 bytes are still in use at the end"


def test_a_place_that_cannot_be_written_is_one_line(minigen: Any, monkeypatch: pytest.MonkeyPatch, cache: Path) -> None:
    two_steps(monkeypatch, right)
    cache.write_bytes(b"")
    result = minigen("prove", "--device", "cpu")
    assert result.code == 0 and "the proof cannot be kept (" in result.out and "Not a directory" in result.out
    result = minigen("prove", "--device", "cpu", "--json", "no/folder.json")
    assert result.code == 1 and "there is no folder" in result.err
    Path("picture.json").write_bytes(b"\x89PNG")
    result = minigen("prove", "--device", "cpu", "--json", "picture.json")
    assert result.code == 1 and "is no proof" in result.err
    Path("settings.json").write_text('{"mine": 1}')
    result = minigen("prove", "--device", "cpu", "--json", "settings.json")
    assert result.code == 1 and "is no proof" in result.err and Path("settings.json").read_text() == '{"mine": 1}'
    for _ in range(2):  # a proof takes the place of a proof
        assert minigen("prove", "--device", "cpu", "--json", "proof.json").code == 0


@pytest.mark.parametrize(
    "name, hint",
    [
        ("conv2", "; did you mean 'conv2d'?"),
        ("KERNELS", "; did you mean 'kernels'?"),
        ("dense", "; did you mean 'nn.Dense'?"),
        ("norm", "; did you mean 'ops.norm'?"),
        ("memory", " alone: a whole proof on a GPU ends with it"),
        ("conv.cu", " on the CPU: the programs are those of a GPU, --device cuda"),
        ("", ": expected a part (kernels, gradients, models), a kernel"),
    ],
)
def test_an_unknown_name_is_refused(minigen: Any, name: str, hint: str) -> None:
    result = minigen("prove", "--device", "cpu", "--only", name)
    assert result.code == 2 and f"there is nothing called {name!r} to prove{hint}" in result.err


def test_models_are_held_to_the_reference(monkeypatch: pytest.MonkeyPatch) -> None:
    proof = prove("cpu", only="models")
    assert proof.passed and [row.what for row in proof.rows] == ["ae", "conv-ae", "vae", "gan", "dcgan", "wgan-gp"]
    spoil(monkeypatch, "adam_update", lambda _: None)
    right = cpu.adam_update

    def wrong(parameters: Any, *given: Any) -> None:
        right(parameters, *given)
        for p in parameters if isinstance(parameters, list) else [parameters]:
            p *= 0.9

    monkeypatch.setattr(cpu, "adam_update", wrong)
    proof = prove("cpu", only="vae")
    assert not proof.passed and "vae, step 2, loss: got" in proof.rows[0].fault.text


@pytest.mark.gpu
def test_the_kernels_of_a_gpu_are_proven() -> None:
    proof = prove("cuda", only="kernels")
    assert proof.passed, [row.fault for row in proof.faults]
    assert procedure.silence() == ""


@pytest.mark.gpu
def test_an_array_that_stays_on_the_gpu_is_noticed() -> None:
    before = cuda_memory_in_use()
    kept = to_device(np.zeros(2**18), "cuda")
    assert cuda_memory_in_use() - before == kept.nbytes
    _, fault = procedure.check_memory(before)
    assert fault is not None and "bytes are still in use" in fault.text
    del kept
    assert procedure.check_memory(before) == (1, None)


@pytest.mark.slow
def test_the_cpu_is_proven(minigen: Any, cache: Path) -> None:
    result = minigen("prove", "--device", "cpu")
    assert result.code == 0, result.out
    (path,) = (cache / "proofs").glob("*.json")
    proof = read_proof(path)
    found = {row["what"] for row in proof["rows"]}
    assert found >= {*NAMES, *(item.name for item in ITEMS), "ae", "wgan-gp"} and proof["checks"] > 2000


DECIDE = "from minigen.proof import choose_device; print(*choose_device('auto'), sep='\\n')"


@pytest.mark.slow
def test_the_double_is_proven_and_then_taken(tmp_path: Path, cache: Path) -> None:
    """All parts, as on a GPU; then, and not before, `--device auto` takes it."""
    paths = [str(ROOT / "tests" / "cuda_double"), str(ROOT), str(ROOT / "kernels")]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([sys.executable, *words], env=env, cwd=tmp_path, capture_output=True, text=True)

    assert run("-c", DECIDE).stdout.startswith("cpu\n")
    done = run("-m", "minigen", "prove")
    assert done.returncode == 0, done.stdout + done.stderr
    (path,) = (cache / "proofs").glob("*.json")
    proof = read_proof(path)
    assert {row["part"] for row in proof["rows"]} == {"programs", "kernels", "gradients", "models", "memory"}
    assert proof["backend"] == "cuda" and proof["checks"] > 2500
    assert run("-c", DECIDE).stdout.startswith("cuda\n")
