"""Every operation, layer and loss of the inventory becomes an ONNX file that onnxruntime computes as minigen does.

`export` compares by itself, on ordinary and extreme inputs; ``test_export.py`` shows that it finds differences.

Read next: ``test_export_geometry.py``.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from onnx_cases import CASES, export_case, of_arrays

from minigen.inventory.cases import Case

each_case = pytest.mark.parametrize("case", [case for _, case in CASES], ids=[name for name, _ in CASES])

#: What depends on the number of samples by more than a shape: a mean over them, or places counted from an end.
OF_ONE_BATCH = ("ops.pad 3", "ops.prod 0", "ops.var 0", "ops.max_unpool2d 0", "nn.MaxUnpool2d 0")
#: Further inputs are parameters of a fixed length; and losses are means over the batch.
WITH_PARAMETERS = (
    "ops.broadcast_to",
    "ops.getitem 0",
    "ops.batch_norm",
    "ops.instance_norm",
    "ops.embedding",
    "losses.",
)


@each_case
def test_a_case_is_the_same_in_onnxruntime(case: Case, tmp_path: Path) -> None:
    made = export_case(case, tmp_path / "case.onnx", dynamic_batch=False)
    assert made.difference <= 1e-5 and made.size == (tmp_path / "case.onnx").stat().st_size


@pytest.mark.slow
@pytest.mark.parametrize(
    ("dtype", "opset", "every"), [("float64", 20, 1), ("float32", 17, 1), ("float32", 18, 4), ("float64", 22, 4)]
)
def test_all_are_in_both_dtypes_and_in_other_opsets(dtype: str, opset: int, every: int, tmp_path: Path) -> None:
    for name, case in CASES[::every]:
        made = export_case(case, tmp_path / "case.onnx", dtype, dynamic_batch=False, opset=opset)
        assert made.difference <= {"float32": 1e-5, "float64": 1e-12}[dtype], name


@pytest.mark.slow
def test_all_take_any_batch_whose_first_axes_are_one(tmp_path: Path) -> None:
    count = 0
    for name, case in CASES:
        _, arrays, _ = of_arrays(case, "float32", 0)
        lengths = {a.shape[:1] for a in arrays}
        if len(lengths) != 1 or lengths == {()} or name in OF_ONE_BATCH or name.startswith(WITH_PARAMETERS):
            continue
        export_case(case, tmp_path / "case.onnx")
        count += 1
    assert count > 90
