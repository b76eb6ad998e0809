"""One's own network as a Recipe: the same losses as the catalog's, what each can do, routing, resuming, refusals.

Read next: ``../cli/test_cli_own_network.py``.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from algorithms import own_networks
from rich.console import Console
from training.runs import left_behind, make_data

from minigen import losses, nn, ops
from minigen.algorithms.catalog import MODELS, OPTIONS, find_recipe
from minigen.algorithms.experiment import Experiment, Recipe, Setup
from minigen.algorithms.ledger import check_ledger
from minigen.algorithms.options import ConfigError
from minigen.algorithms.routing import check_routing
from minigen.algorithms.user_code import UserCodeError
from minigen.autograd import Tensor
from minigen.data import Batch
from minigen.doctor import examine
from minigen.random import Generator
from minigen.training.config import resolve
from minigen.training.opening import open_trained
from minigen.training.prepare import build, prepare
from minigen.training.progress import Progress
from minigen.training.run_folder import RunFolder
from minigen.training.session import Interrupted, start
from minigen.training.session import resume as go_on

SHAPE = (1, 8, 8)
CLASSES = ("LikeVAE", "Dense", "Logits", "Coder", "Noisy", "Features")


def setup_for(recipe: Recipe, **options: Any) -> Setup:
    return Setup({**recipe.options, **options}, SHAPE, (0.0, 1.0), 0.3, None, 30, 10, 0, "cpu")


def made(thing: Any, **options: Any) -> Experiment:
    recipe = find_recipe(thing)
    return recipe.build(setup_for(recipe, **options))


def batch(n: int = 8) -> Batch:
    x = np.random.default_rng(0).random((n, *SHAPE)).astype(np.float32)
    return Batch(x, None, np.arange(n))


def own(name: str) -> Any:
    return getattr(own_networks, name)


def test_a_users_vae_is_the_catalogs() -> None:
    mine = made(own("LikeVAE"))
    theirs = MODELS["vae"].build(setup_for(MODELS["vae"], hidden=16, latent=4))
    assert mine.modules["model"].state_dict().keys() == theirs.modules["model"].state_dict().keys()
    for _ in range(5):
        a, b = mine.step(batch()), theirs.step(batch())
        assert {k: float(v) for k, v in a.items()} == {k: float(v) for k, v in b.items()}
    x = batch(5).x
    for name in ("reconstruct", "encode"):
        np.testing.assert_array_equal(getattr(mine, name)(x), getattr(theirs, name)(x))
    assert mine.log_likelihood is not None and theirs.log_likelihood is not None
    np.testing.assert_array_equal(mine.log_likelihood(x, 3), theirs.log_likelihood(x, 3))
    assert mine.diagnostics is not None and mine.diagnostics(x).keys() == {"kl", "mean"}
    assert mine.latent is not None and mine.latent.size == 4 and mine.latent.draw is not None


def test_a_variance_that_is_learned_is_kept_beside_the_network() -> None:
    experiment = made(own("LikeVAE"), likelihood="gaussian-learned")
    before = experiment.modules["likelihood"].state_dict()["logvar"]
    check_routing(experiment, batch())
    experiment.step(batch())
    assert experiment.modules["likelihood"].state_dict()["logvar"] != before


@pytest.mark.parametrize("name", CLASSES)
def test_routing_ledger_doctor_and_looks(name: str) -> None:
    experiment, one = made(own(name)), batch(120)
    check_routing(experiment, one)
    check_ledger(experiment, experiment.step(one))
    assert experiment.evaluate is not None
    state = experiment.generators["noise"].state
    first, second = ({k: float(v) for k, v in experiment.evaluate(one).items()} for _ in range(2))
    assert first == second and first.keys() == experiment.ledger.keys()
    assert {p.shape for p in experiment.pictures(one.x[:6])} == {(6, *SHAPE)}
    examine(experiment, one.x)
    assert experiment.generators["noise"].state == state
    assert isinstance(experiment.modules["model"], own(name))


#: reconstruct, encode, codes that can be decoded, a prior, columns of the picture
CAN = {
    "LikeVAE": (True, True, True, True, 3),
    "Dense": (True, False, False, False, 2),
    "Logits": (True, False, False, False, 2),
    "Coder": (True, True, True, False, 2),
    "Noisy": (True, True, True, True, 3),
    "Features": (False, True, False, False, 1),
}


@pytest.mark.parametrize("name", CLASSES)
def test_what_a_module_has_decides_what_it_can_do(name: str) -> None:
    experiment, latent = made(own(name)), made(own(name)).latent
    can = (experiment.reconstruct, experiment.encode, latent, latent and latent.draw)
    assert (*(one is not None for one in can), len(experiment.pictures(batch(2).x))) == CAN[name]
    if latent is not None and experiment.encode is not None and experiment.reconstruct is not None:
        x = batch(3).x
        codes = experiment.encode(x)
        assert codes.shape == (3, latent.size)
        np.testing.assert_allclose(latent.decode(codes, None), experiment.reconstruct(x), atol=1e-6)
    if latent is not None and latent.draw is not None:
        assert latent.decode(latent.draw(4, Generator(0)), None).shape == (4, *SHAPE)


def test_the_losses_by_name() -> None:
    x = Tensor(batch().x)
    for name, loss in (("Dense", losses.mse), ("Logits", losses.bce_with_logits), ("Coder", losses.l1)):
        experiment = made(own(name))
        network: Any = experiment.modules["model"]
        with network.evaluation():
            output = network(x) if name != "Coder" else network.decode(network.encode(x))
        assert experiment.evaluate is not None
        assert float(experiment.evaluate(batch())["loss"]) == float(loss(output, x))
    experiment = made(own("Logits"))
    assert experiment.reconstruct is not None
    network = experiment.modules["model"]
    np.testing.assert_array_equal(experiment.reconstruct(batch().x), ops.sigmoid(network(x)).numpy())


def test_what_is_frozen_stays() -> None:
    class Frozen(own_networks.Dense):
        def __init__(self, image_shape: Any) -> None:
            super().__init__(image_shape)
            self.net[1].requires_grad_(False)

    experiment = made(Frozen)
    before = experiment.modules["model"].state_dict()
    check_routing(experiment, batch())
    experiment.step(batch())
    after = experiment.modules["model"].state_dict()
    assert [key for key in before if not np.array_equal(before[key], after[key])] == ["net.3.weight", "net.3.bias"]


def test_arguments_of_the_constructor_are_options() -> None:
    recipe = find_recipe(own("Dense"))
    config = resolve(recipe, OPTIONS, {"hidden": 7, "scale": 3, "deep": False, "kind": "odd"})
    facts = {"image_shape": SHAPE, "value_range": (0.0, 1.0), "mean": 0.3, "classes": None, "batches_per_epoch": 3}
    network: Any = build(recipe, config, facts, "cpu").modules["model"]
    assert network.made_of == (7, 3.0, False, "odd")
    assert config["model"].endswith("own_networks.py:Dense") and len(config["model_digest"]) == 16
    for given, message in {
        "hiden": "Dense has no option 'hiden'. Did you mean 'hidden'?",
        "hidden": "hidden must be a whole number, got 1.5",
        "likelihood": "Dense has no option 'likelihood'",
    }.items():
        with pytest.raises(ConfigError, match=message):
            resolve(recipe, OPTIONS, {given: 1.5})
    assert made(own_networks.make_dense).modules["model"].made_of[0] == 5  # type: ignore[attr-defined]
    with pytest.raises(ValueError, match="have no effect without objective 'elbo'"):
        made(own_networks.make_dense, variance=2.0)


def test_an_argument_may_have_the_name_of_an_option_of_the_catalog() -> None:
    """Then it means what the user's network means by it."""

    class Varied(own_networks.Dense):
        def __init__(self, image_shape: Any, variance: int = 7, activation: str = "gelu", lr: float = 0.5) -> None:
            super().__init__(image_shape)
            self.got = variance, activation, lr

    recipe = find_recipe(Varied)
    config = resolve(recipe, OPTIONS, {"activation": "mish", "variance": 8})
    network: Any = recipe.build(setup_for(recipe, **{key: config[key] for key in recipe.options})).modules["model"]
    assert network.got == (8, "mish", 0.5) and config["lr"] == 0.5
    with pytest.raises(ConfigError, match="lr must be greater than 0"):
        resolve(recipe, OPTIONS, {"lr": -1.0})


def test_a_recipe_of_the_users() -> None:
    mine = Recipe("mine", "own", "as ae", "nobody", {**MODELS["ae"].options, "extra": 3}, MODELS["ae"].build)
    recipe = find_recipe(mine)
    assert resolve(recipe, OPTIONS, {"extra": 4, "latent": 5})["extra"] == 4
    with pytest.raises(ConfigError, match="latent must be at least 1"):
        resolve(recipe, OPTIONS, {"latent": 0})


@pytest.mark.parametrize("name", ["LikeVAE", "Noisy"])
def test_a_run_resumes_bit_for_bit_and_can_be_opened(name: str, tmp_path: Any) -> None:
    data = make_data(tmp_path / "images.npz", side=8)
    recipe = find_recipe(f"{own_networks.__file__}:{name}")
    settings = {"dataset": str(data), "batch_size": 16, "max_steps": 13, "epochs": 9, "log_every": 1, "threads": 1}

    def train(folder: Any, stop: Any = lambda: False, resume: bool = False) -> Any:
        prepared = prepare(recipe, resolve(recipe, OPTIONS, settings))
        run = go_on(prepared, RunFolder(folder)) if resume else start(prepared, folder)
        with Progress(Console(quiet=True), epochs=9, max_steps=13, steps_per_epoch=len(prepared.batches)) as progress:
            run.train(progress, stop)
        return run

    whole = train(tmp_path / "whole")
    asked = iter([False] * 5 + [True])
    with pytest.raises(Interrupted):
        train(tmp_path / "parts", stop=lambda: next(asked))
    train(tmp_path / "parts", resume=True)
    assert left_behind(tmp_path / "parts") == left_behind(tmp_path / "whole")
    experiment, _ = open_trained(recipe, whole.prepared.config, whole.folder.last, "cpu")
    one = batch(4).x
    assert experiment.encode is not None
    np.testing.assert_array_equal(experiment.encode(one), whole.prepared.experiment.encode(one))


class Bad(nn.Module):
    def __init__(self, image_shape: Any) -> None:
        self.layer = nn.Sequential(nn.Flatten(), nn.Dense(64, 64))


def refused(**members: Any) -> str:
    """What is said of a class with these members."""
    with pytest.raises((ConfigError, ValueError, UserCodeError)) as info:
        made(type("Mine", (Bad,), members))
    return str(info.value)


def narrow(self: Any, x: Tensor) -> Tensor:
    return ops.reshape(self.layer(x), (-1, 64))


def fit(self: Any, x: Tensor) -> Tensor:
    return ops.reshape(self.layer(x), x.shape)


def test_refusals() -> None:
    assert "Mine names no objective, so nothing can be descended; give it objective = one of 'elbo'," in refused()
    assert "Mine: unknown objective 'mze'" in refused(objective="mze")
    assert "the objective 'mse' needs a forward(x), or encode(x) and decode(z)" in refused(objective="mse")
    assert "needs encode(x) and decode(z)" in refused(objective="elbo", encode=lambda self, x: (x[:, 0, 0], x[:, 0, 1]))
    said = refused(objective="mse", forward=narrow)
    assert said == "Mine: forward has to give images (2, 1, 8, 8), and gave a Tensor of shape (2, 64)"
    said = refused(objective="elbo", encode=narrow, decode=fit)
    assert said == "Mine: encode has to give (mean, logvar), each (2, D), and gave (2, 64)"
    said = refused(objective=lambda self, x, rng: fit(self, x))
    assert "objective has to give one number, and 'loss' is a Tensor of shape (2, 1, 8, 8)" in said
    assert "has to give a Tensor as 'loss'" in refused(objective=lambda self, x, rng: {"fit": ops.mean(fit(self, x))})
    assert "has to give a Tensor as 'loss', and gave 3.0" in refused(objective=lambda self, x, rng: 3.0)
    assert "loss of random images is nan" in refused(objective=lambda self, x, rng: ops.log(ops.sum(x) * -1.0))
    said = refused(objective="mse", forward=lambda self, x: self.layer(x[:, :, 1:]))
    assert said.startswith("Mine.forward raises ShapeError: Dense 'layer.1': expected input (N, 64), got (2, 56)")
    assert "test_custom.py, line " in said
    said = refused(objective="mse", __init__=lambda self, depth: None)
    assert "Mine: its constructor needs 'depth', which nothing gives. It is given image_shape, classes," in said
    assert "rename it" in refused(objective="mse", __init__=lambda self, out=3: None)
    said = refused(objective="mse", forward=fit, __init__=lambda self: None)
    assert "it has no nn.Parameter that is trained" in said
    assert "the constructor of Mine raises KeyError: 'x'" in refused(objective="mse", __init__=lambda self: {}["x"])
    own_loss = {"objective": lambda self, x, rng: ops.mean(narrow(self, x)), "encode": narrow}
    said = refused(latent=3, decode=lambda self, z: ops.reshape(z, (-1, *SHAPE)), **own_loss)
    assert said == "Mine: its latent is 3, but encode gives codes of 64 numbers"
    said = refused(decode=narrow, **own_loss)
    assert said == "Mine: decode has to give images (2, 1, 8, 8), and gave a Tensor of shape (2, 64)"
    said = refused(objective="mse", forward=lambda self, x: fit(self, x).to(dtype=np.float64))
    assert said == "Mine: forward has to give float32, as the images are, and gave float64"
    said = refused(objective=lambda self, x, rng: ops.mean(fit(self, x)).reshape(1))
    assert said == "Mine: objective has to give one number, and 'loss' is a Tensor of shape (1,)"
    for name in ("step", "seconds", 3):
        said = refused(objective=lambda self, x, rng, key=name: {"loss": ops.mean(fit(self, x)), key: 1.0})
        assert said == f"Mine: objective cannot call a term {name!r}; names are texts, and other ones"
    with pytest.raises(
        ConfigError, match="the model is 3; to train it, it has to be a class of nn.Module, or a Recipe"
    ):
        find_recipe(3)
    with pytest.raises(ConfigError, match="the model is a Module; a run makes its own from the class Dense; to train"):
        find_recipe(nn.Dense(2, 3))


def test_terms_may_be_numbers_of_any_kind() -> None:
    terms = {"python": 1, "numpy": np.float32(2), "array": np.full((), 3.0)}
    members = {"objective": lambda self, x, rng: {"loss": ops.mean(fit(self, x)), **terms}}
    logged = made(type("Mine", (Bad,), members)).step(batch())
    assert {key: float(logged[key]) for key in terms} == {"python": 1, "numpy": 2, "array": 3}


def test_an_objective_that_changes_what_it_logs() -> None:
    def objective(self: Any, x: Tensor, rng: Generator) -> dict[str, Tensor]:
        return {"loss": ops.mean(fit(self, x)), **({"more": ops.mean(x)} if self.training else {})}

    experiment = made(type("Mine", (Bad,), {"objective": objective}))
    with pytest.raises(ValueError, match="has to give the same terms each time: first 'loss', now 'loss', 'more'"):
        experiment.step(batch())
