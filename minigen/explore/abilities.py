"""What a trained model can do on its page, learnt from the run itself, so that it holds for users' models, too.

    panel           offered to                                        the page shows
    map             encoder and decoder                               codes of test images in two dimensions
    codes           codebook                                          a grid that is painted with codes
    denoise         trained on corrupted images                       noise that is drawn, and vanishes
    walk            prior of normal numbers                           a smooth walk through the prior
    samples         discriminator                                     samples and test images with their scores
    sliders         decoder of a vector                               the most active units of the code
    factors         encoder and decoder, data with factors            sliders along the factors of the data
    strips          decoder of a vector                               rows along one unit
    interpolation   decoder                                           the way between two codes
    mine            encoder, or reconstruction                        a drawn image, its code and reconstruction

Imports: algorithms, models, runs. Read next: ``extra.py``.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from minigen.algorithms.experiment import Latent
from minigen.algorithms.options import ConfigError
from minigen.models.hybrid import AutoencodingDiscriminator
from minigen.models.vq_vae import Codebook
from minigen.random import Generator
from minigen.runs.parts import parts_of
from minigen.runs.sampling import far_from_normal
from minigen.runs.trained import Trained

#: What scores that are no logits are drawn to, by the unit of the discriminator's loss.
TARGETS = {
    "half squared error of the score": "trained to be 1 for real images and 0 for generated ones",
    "score": "hinge loss: trained to be above 1 for real images and below -1 for generated ones",
}


@dataclass(frozen=True)
class Score:
    """What a discriminator says of an image.

    `kind`: "logit", whose sigmoid is the probability of being real; "score"; "critic value"; or "error", that of a
    discriminator which is an autoencoder. `unit` says the same in words, with what real images have. `higher_is_real`:
    an error is low for real images. `takes` are the inputs of the part; it scores `pack` images together. `measure` is
    how an error is computed: "squared", "absolute" or "relative".
    """

    kind: str
    unit: str
    takes: tuple[str, ...]
    higher_is_real: bool = True
    pack: int = 1
    measure: str | None = None


@dataclass(frozen=True)
class Abilities:
    """What the page may offer. `draws`: the part that makes images from codes, "decoder" or "generator".

    `prior` is the kind of each unit of a code, "normal" or "uniform" (from -1 to 1), where all are so. `classes`: is a
    class asked for, beside the code? `codebook`: K entries of D numbers for a grid (h, w), as (K, D, h, w).
    """

    draws: str | None
    encodes: bool
    reconstructs: bool
    classifies: bool
    classes: int | None
    prior: tuple[str, ...] | None
    score: Score | None
    codebook: tuple[int, int, int, int] | None
    corruption: str | None
    factors: bool = False  # does the code tell something of a generative factor of the data?

    @property
    def panels(self) -> tuple[str, ...]:
        """Their names, in the order of the page."""
        draws = self.draws is not None
        vector = draws and self.codebook is None
        offered = {
            "map": draws and self.encodes,
            "codes": self.codebook is not None,
            "denoise": self.corruption is not None,
            "walk": vector and self.prior is not None,
            "samples": self.score is not None,
            "sliders": vector,
            "factors": vector and self.encodes and self.factors,
            "strips": vector,
            "interpolation": draws,
            "mine": self.encodes or self.reconstructs,
        }
        return tuple(name for name, yes in offered.items() if yes)

    def as_json(self) -> dict[str, Any]:
        """All of it for the page, with the panels."""
        return {**asdict(self), "panels": self.panels}


def abilities(trained: Trained, *, factors: bool = False) -> Abilities:
    """What a model can do; `factors`: does its code tell something of those of its data? ConfigError: nothing at all.

    A network of a user's own has no parts that minigen knows, but what it can do as an experiment.
    """
    experiment = trained.experiment
    modules, latent = experiment.modules, experiment.latent
    codebook = _codebook(trained, modules.get("codebook"))
    encodes = experiment.encode is not None or experiment.conditioned_on is not None
    reconstructs = experiment.reconstruct is not None or experiment.conditioned_on is not None
    found = Abilities(
        draws=None if latent is None else _drawing_part(trained),
        encodes=encodes,
        reconstructs=reconstructs,
        classifies="classifier" in _parts(trained),
        classes=None if latent is None else latent.classes,
        prior=None if latent is None or codebook else prior_of(latent),
        score=_score(trained),
        codebook=codebook,
        corruption=trained.config.get("corruption"),
        factors=factors,
    )
    if not found.panels:
        raise ConfigError(f"{trained.recipe.name} makes no images from codes and reconstructs none: nothing to explore")
    return found


def _parts(trained: Trained) -> dict[str, Any]:
    try:
        return dict(parts_of(trained))
    except ConfigError:  # a network of the user's
        return {}


def _drawing_part(trained: Trained) -> str:
    return "generator" if "generator" in _parts(trained) else "decoder"


def prior_of(latent: Latent) -> tuple[str, ...] | None:
    """The kind of each unit of codes drawn from the prior, "normal" or "uniform"; None if one is neither, or no prior.

    By the moments of drawn codes: mean, variance and mean fourth power.
    """
    if latent.draw is None:
        return None
    codes = latent.draw(latent.look, Generator(0).spawn("prior")).astype(np.float64)
    kinds = np.where(far_from_normal(codes) <= 6, "normal", np.where(_far_from_uniform(codes) <= 6, "uniform", ""))
    return tuple(map(str, kinds)) if kinds.all() else None


def _far_from_uniform(codes: Any) -> Any:
    """The largest error of the moments of each unit (D,), from those of a number between -1 and 1; standard errors."""
    moments = {1: (0, 1 / 3), 2: (1 / 3, 4 / 45), 4: (1 / 5, 16 / 225)}  # of x^p: mean, variance
    errors = [abs((codes**p).mean(0) - mean) / np.sqrt(var / len(codes)) for p, (mean, var) in moments.items()]
    return np.where(abs(codes).max(0) <= 1, np.max(errors, axis=0), np.inf)


def _score(trained: Trained) -> Score | None:
    part, ledger = _parts(trained).get("discriminator"), trained.experiment.ledger
    if part is None:
        return None
    pack = int(trained.config.get("pack", 1))
    if isinstance(trained.experiment.modules["discriminator"], AutoencodingDiscriminator):
        measure = str(trained.config.get("error", "squared"))
        unit = (ledger.get("real_error") or ledger["real_energy"]).unit
        return Score("error", f"{unit}: low for real images", part.inputs, higher_is_real=False, measure=measure)
    if ledger["real_score"].unit == "mean probability of being real":
        what = {("code",): "of the code alone", ("image", "code"): "of image and code together"}.get(part.inputs, "")
        return Score("logit", f"logit {what}".rstrip() + ", above 0: taken for real", part.inputs, pack=pack)
    if "wasserstein" in ledger:
        return Score("critic value", "critic value: higher for real images; it has no zero", part.inputs, pack=pack)
    target = TARGETS.get(ledger["discriminator"].unit, "higher for real images")
    return Score("score", f"score, {target}", part.inputs, pack=pack)


def _codebook(trained: Trained, codebook: Any) -> tuple[int, int, int, int] | None:
    if not isinstance(codebook, Codebook):
        return None
    h, w = (int(n) for n in trained.experiment.modules["prior"].grid)  # type: ignore[attr-defined]
    return codebook.codes, codebook.size, h, w
