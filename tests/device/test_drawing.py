"""A graph on the device is drawn as on the CPU, with the device beside each shape.

Read next: ``tests/drawing/test_draw.py``.
"""

from __future__ import annotations

import numpy as np
import pytest

import minigen as mg

pytestmark = pytest.mark.gpu


def test_values_and_gradients_come_from_the_device() -> None:
    tables = []
    for device in ("cuda", "cpu"):
        x = mg.Tensor(np.arange(20, dtype=np.float32), device=device, requires_grad=True)
        few = mg.Tensor(np.arange(3, dtype=np.float32), device=device)
        y = (x * 2.0).sum() + few.sum()
        y.backward()
        drawing = mg.draw(y, values=True)
        assert "0 to 38, mean 19" in drawing.svg
        tables.append(str(drawing))
    assert tables[0].count(" cuda") == 5
    squeezed = [" ".join(table.replace(" cuda", "").split()) for table in tables]
    assert squeezed[0] == squeezed[1]
