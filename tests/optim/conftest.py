"""Both ways to update parameters.

Read next: ``test_optim.py``.
"""

from __future__ import annotations

import pytest

from minigen.optim import multi_tensor


@pytest.fixture(params=["each by itself", "together"])
def layout(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on the CPU, then as on a GPU, where one call updates all parameters."""
    monkeypatch.setattr(multi_tensor, "updates_together", lambda device: request.param == "together")
