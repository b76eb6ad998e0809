"""The same bits for any number of ranks: every model of the catalog, in one process and in several.

Read next: ``models_on_ranks.py``.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from distributed.models_on_ranks import trained
from distributed.ranks import needs_mpi, run

from minigen.algorithms.catalog import MODELS

SCRIPT = Path(__file__).with_name("models_on_ranks.py")
#: One of each mechanism: two optimizers and a moving average, order 2, spectral norm, a codebook, a control loop.
KINDS = ("gan", "wgan-gp", "sngan", "vq-vae", "began")


def checksums(ranks: int, replicas: int, *models: str, steps: int = 20) -> dict[str, str]:
    out, _ = run(ranks, SCRIPT, replicas, steps, *models)
    return dict(line.split() for line in out.splitlines())


@needs_mpi
def test_one_model_of_each_kind_on_one_and_on_two_ranks() -> None:
    here = {name: trained(name, 2, 5) for name in KINDS}
    assert here == checksums(2, 2, *KINDS, steps=5)


@needs_mpi
@pytest.mark.slow
def test_every_model_on_one_and_on_two_ranks() -> None:
    one, two = (checksums(n, 2) for n in (1, 2))
    assert one == two and [*one] == [*MODELS]


@needs_mpi
@pytest.mark.slow
def test_six_replicas_on_one_two_three_and_six_ranks() -> None:
    models = "dcgan", "vq-vae:restart_after=3", "vae-gan", 'dcgan:batch_norm="global"'
    one, *others = (checksums(n, 6, *models) for n in (1, 2, 3, 6))
    assert all(other == one for other in others) and [*one] == [*models]
    assert len({*one.values()}) == len(models)
