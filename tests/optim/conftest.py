"""Both arrangements of an optimizer's parameters in memory.

Read next: ``test_optim.py``.
"""

from __future__ import annotations

import pytest

from minigen.optim import multi_tensor


@pytest.fixture(params=["each by itself", "side by side"])
def layout(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on the CPU, then as on a GPU, where all parameters are updated as one array."""
    monkeypatch.setattr(multi_tensor, "uses_flat_buffers", lambda device: request.param == "side by side")
