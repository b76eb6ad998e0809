"""Each planted fault is found by the test that is named for it, on the double of CuPy.

Read next: ``planted_faults.py``.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from device.both import ledger
from device.planted_faults import FAULTS, Fault

pytestmark = pytest.mark.gpu
ROOT = Path(__file__).resolve().parents[2]


def test_there_are_enough_and_each_stands_in_the_source() -> None:
    assert len(FAULTS) >= 12 and len({fault.name for fault in FAULTS}) == len(FAULTS)
    assert all(fault.says for fault in FAULTS)  # it fails for what was planted, not for a slip in this table
    for fault in FAULTS:
        assert (ROOT / fault.file).read_text(encoding="utf-8").count(fault.old) == 1, f"{fault.name}: write it anew"


@pytest.mark.slow
@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_a_planted_fault_is_found(fault: Fault) -> None:
    if ledger() is None:
        pytest.skip("some of the faults show on the double alone")
    words = ["-q", "-x", "-p", "device.plant", "-p", "no:cacheprovider", "--cuda-double", "-m", "gpu", "--tb=short"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *words, f"tests/device/{fault.test}"],
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join([str(ROOT / "tests"), str(ROOT), str(ROOT / "kernels"), *sys.path]),
            "MINIGEN_PLANT": json.dumps([fault.file, fault.old, fault.new]),
        },
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1, (
        f"exit code {done.returncode}: the tests did not fail\n{done.stdout[-2000:]}{done.stderr[-2000:]}"
    )
    assert re.search(r"^1 (failed|error)\b", done.stdout, re.M) and fault.says in done.stdout, done.stdout[-3000:]
