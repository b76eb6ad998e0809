"""Spectral norm in training: its vectors move once for each update of the discriminator, and never for a look.

Never moved they belong to weights of long ago, and the norm is no norm; moved at each forward pass, real and made
images are judged by two networks, and a look at a model changes it.
"""

from __future__ import annotations

from collections import Counter

import pytest
from algorithms.catalog_runs import MODELS, build_small, images_for

from minigen import nn

WITH_NORM = [name for name, recipe in MODELS.items() if "norm" in recipe.options]


@pytest.mark.parametrize("n_critic", [1, 2])
@pytest.mark.parametrize("name", WITH_NORM)
def test_vectors_move_once_for_each_update(name: str, n_critic: int, monkeypatch: pytest.MonkeyPatch) -> None:
    options = {"norm": "spectral", "n_critic": n_critic}
    built, batch = build_small(name, **options), images_for(name, **options)
    layers = {id(m): m for _, m in built.modules["discriminator"].named_modules() if isinstance(m, nn.SpectralNorm)}
    moves: Counter[int] = Counter()
    iterate = nn.SpectralNorm.iterate

    def counted(self: nn.SpectralNorm, steps: int = 1) -> None:
        moves[id(self)] += steps
        iterate(self, steps)

    monkeypatch.setattr(nn.SpectralNorm, "iterate", counted)
    built.schedule(0)
    built.step(batch)
    assert layers and moves == Counter(dict.fromkeys(layers, n_critic))

    vectors = {key: layer.u.numpy().tobytes() for key, layer in layers.items()}
    built.pictures(batch.x[:4])
    if built.diagnostics is not None:
        built.diagnostics(batch.x[:4])
    if built.evaluate is not None:
        built.evaluate(batch)
    assert vectors == {key: layer.u.numpy().tobytes() for key, layer in layers.items()}
