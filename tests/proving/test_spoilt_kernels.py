"""`minigen prove` names the kernels that are wrong: a copy of all of them, in which some are spoilt by one character.

Read next: ``minigen/proving/kernel_checks.py``.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import minigen_kernels

ROOT = Path(__file__).resolve().parents[2]
DOUBLE = ROOT / "tests" / "cuda_double"

#: (the kernel, and those that call it, file, text that is there once, the same with another character)
CUDA = [
    ("bias_act", "activation.cu", "activate(x[n * columns + j] + bias", "activate(x[n * columns + j] - bias"),
    ("conv2d_weight_grad", "conv.cu", "total += g[sum.row_start(", "total -= g[sum.row_start("),
    ("softplus", "elementwise.cu", "max(x[i], real(0)) + log1p(", "max(x[i], real(0)) - log1p("),
    ("interpolate_bilinear2d", "interpolate.cu", "(1 - across) * left +", "(1 - across) * left -"),
    ("mse_sum", "loss.cu", "const real d = p[i] - t[i];", "const real d = p[i] + t[i];"),
    ("batch_norm", "norm.cu", "double d = x[walk.at] - mean;", "double d = x[walk.at] + mean;"),
    ("sgd_update", "optim.cu", "momentum * bk[i] + gi;", "momentum * bk[i] - gi;"),
    ("plane_scatter bias_act_max_pool2d_backward", "pool.cu", "if (index[r] == place)", "if (index[r] != place)"),
    ("normal", "random.cu", "= normal_block(seed, stream, position + i)", "= normal_block(seed, stream, position - i)"),
    ("log_softmax_backward", "softmax.cu", "gy[i] - exp(y[i]) * total", "gy[i] + exp(y[i]) * total"),
    ("upsample_bilinear2d", "upsample.cu", "(1 - below) * upper + below", "(1 - below) * upper - below"),
]
CPU = [
    ("erf", "elementwise.py", "y[i] = erf_of(x[i])\n", "y[i] =-erf_of(x[i])\n"),
    (
        "plane_scatter bias_act_max_pool2d_backward",
        "pool.py",
        "gx[plane, index[plane, p]] += g",
        "gx[plane, index[plane, p]] -= g",
    ),
    ("softmax_backward", "softmax.py", "np.float64(gy[r, k] * y[r, k])", "np.float64(gy[r, k] + y[r, k])"),
    ("mse_sum mse_act_sum", "loss.py", "np.float64(d * d)", "np.float64(d + d)"),
    ("upsample_bilinear2d_adjoint", "upsample.py", "(one - weight[v]) * g", "(one + weight[v]) * g"),
]


def prove(folder: Path, device: str, only: str = "kernels") -> tuple[int, dict]:
    """Exit code and proof of `minigen prove` with the kernels in `folder`."""
    paths = [str(DOUBLE)] if device == "cuda" else []
    env = {**os.environ, "PYTHONPATH": os.pathsep.join([*paths, str(ROOT), str(folder)])}
    words = [sys.executable, "-m", "minigen", "prove", "--device", device, "--only", only, "--json", "proof.json"]
    done = subprocess.run(words, env=env, cwd=folder, capture_output=True, text=True)
    assert done.returncode in (0, 1), done.stderr
    return done.returncode, json.loads((folder / "proof.json").read_text())


@pytest.mark.slow
@pytest.mark.parametrize(("room", "spoilt"), [("cuda", CUDA), ("cpu", CPU)], ids=["cuda", "cpu"])
def test_spoilt_kernels_are_named_and_no_others(tmp_path: Path, room: str, spoilt: list) -> None:
    """All at once: what is named is what is spoilt, with two numbers, and a file that holds what it was given."""
    copy = tmp_path / "minigen_kernels"
    shutil.copytree(Path(minigen_kernels.__file__).parent, copy, ignore=shutil.ignore_patterns("__pycache__"))
    for _, name, right, wrong in spoilt:
        path = copy / room / name
        text = path.read_text(encoding="utf-8")
        assert text.count(right) == 1 and len(right) == len(wrong), (name, right)
        path.write_text(text.replace(right, wrong), encoding="utf-8")
    code, proof = prove(tmp_path, room)
    assert code == 1 and proof["verdict"] == "failed"
    assert set(proof["faults"]) == {kernel for kernels, *_ in spoilt for kernel in kernels.split()}
    for row in proof["rows"]:
        if row["fault"] is not None:
            fault = row["fault"]
            assert fault["got"] != fault["expected"] and fault["call"].startswith(f"{row['what']}(")
            assert Path(fault["arrays"]).stat().st_size > 0
    code, alone = prove(tmp_path, room, only=spoilt[0][0])
    assert code == 1 and alone["faults"] == [spoilt[0][0]]
