"""What a machine can do is not measured here, but given; ``test_machine.py`` measures.

Read next: ``rates.py``.
"""

import pytest
from anatomy.rates import RATES


@pytest.fixture(autouse=True)
def given_rates(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("minigen.anatomy.explain.rates", lambda device, dtype: RATES)
