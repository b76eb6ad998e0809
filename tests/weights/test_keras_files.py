"""Files of Keras that do not fit, that hold what this library lacks, that are damaged or hostile: one clear error.

Read next: ``keras_there.py``.
"""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from weights.keras_there import compute, keras, load, randomise

from minigen import nn, ops, weights
from minigen.autograd import Tensor
from minigen.serialization import CheckpointError

h5py = pytest.importorskip("h5py", reason="h5py is not installed: it reads and writes Keras' files")
L = keras.layers
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # Keras and NumPy 2


def generator() -> nn.Sequential:
    """A small generator of images of 8 x 8."""
    return nn.Sequential(
        nn.Dense(3, 16), nn.BatchNorm(16), ops.relu, nn.Reshape((4, 2, 2)),
        nn.ConvTranspose2d(4, 2, 4, stride=2, padding=1), ops.relu,
        nn.ConvTranspose2d(2, 1, 4, stride=2, padding=1), ops.tanh,
    )  # fmt: skip


def keras_generator(**norm: Any) -> Any:
    """The same as somebody would write it for Keras."""
    return keras.Sequential([
        keras.Input((3,)), L.Dense(16), L.BatchNormalization(**norm), L.ReLU(), L.Reshape((2, 2, 4)),
        L.Conv2DTranspose(2, 4, strides=2, padding="same", activation="relu"),
        L.Conv2DTranspose(1, 4, strides=2, padding="same", activation="tanh"),
    ])  # fmt: skip


def test_another_epsilon_is_put_into_the_variance_and_told(tmp_path: Path) -> None:
    model, module = keras_generator(), generator()
    randomise(model, 1)
    model.save(tmp_path / "x.keras")
    plan = weights.load(module, tmp_path / "x.keras")
    assert plan.notes == ["1: epsilon is 0.001 there, 1e-05 here: the difference is in running_var now"]
    x = np.random.default_rng(0).normal(size=(4, 3)).astype(np.float32)
    with module.evaluation():
        np.testing.assert_allclose(module(Tensor(x)).numpy(), compute(model, x), rtol=1e-5, atol=1e-5)
    model.save_weights(tmp_path / "x.weights.h5")
    (note,) = weights.load(module, tmp_path / "x.weights.h5").notes
    assert "does not say the epsilon of batch norm" in note and "Keras' default is 0.001" in note
    model = keras_generator(epsilon=1e-5, momentum=0.9)
    randomise(model, 2)
    model.save_weights(tmp_path / "x.weights.h5")
    weights.load(module, tmp_path / "x.weights.h5")
    with module.evaluation():
        np.testing.assert_allclose(module(Tensor(x)).numpy(), compute(model, x), rtol=1e-5, atol=1e-5)


def test_what_computes_something_else_is_told(tmp_path: Path) -> None:
    model = keras.Sequential(
        [keras.Input((6, 6, 1)), L.Conv2D(2, 3, strides=2, padding="same"), L.Flatten(), L.Dense(3)]
    )
    randomise(model, 1)
    model.save(tmp_path / "x.keras")
    module = nn.Sequential(nn.Conv2d(1, 2, 3, stride=2, padding=1), nn.Flatten(), nn.Dense(18, 3))
    (note,) = weights.load(module, tmp_path / "x.keras").notes
    assert "computes something else than the file" in note and "0: padding is same there, (1, 1) here" in note
    same = nn.Sequential(nn.Conv2d(1, 2, 3, stride=2, padding="same"), nn.Flatten(), nn.Dense(18, 3))
    assert weights.load(same, tmp_path / "x.keras").notes == []


def functional() -> Any:
    """A chain by the functional interface, with a Sequential inside, whose layers are not listed in order."""
    x = keras.Input((4, 4, 2))
    inner = keras.Sequential([keras.Input((4, 4, 3)), L.Conv2D(2, 3), L.PReLU(shared_axes=[1, 2])])
    y = inner(L.Conv2D(3, 1, activation="relu")(x))
    return keras.Model(x, L.Dense(2)(L.Flatten()(y)))


def test_functional_and_nested_models_are_read(tmp_path: Path) -> None:
    model = functional()
    randomise(model, 3)
    model.save(tmp_path / "x.keras")
    network = weights.read_keras(tmp_path / "x.keras")
    x = np.random.default_rng(0).normal(size=(3, 2, 4, 4)).astype(np.float32)
    np.testing.assert_allclose(network(Tensor(x)).numpy(), compute(model, x), rtol=1e-5, atol=1e-5)


def test_channels_first_by_permutes(tmp_path: Path) -> None:
    model = keras.Sequential([
        keras.Input((2, 3, 2)), L.Permute((3, 1, 2)), L.Flatten(), L.Dense(12),
        L.Reshape((2, -1, 3)), L.Permute((2, 3, 1)), L.Conv2D(2, 1),
    ])  # fmt: skip
    randomise(model, 3)
    model.save(tmp_path / "x.keras")
    network = weights.read_keras(tmp_path / "x.keras")
    x = np.random.default_rng(0).normal(size=(3, 2, 2, 3)).astype(np.float32)
    np.testing.assert_allclose(network(Tensor(x)).numpy(), compute(model, x), rtol=1e-5, atol=1e-5)


def test_spectral_norm_as_keras_leaves_it_after_training(tmp_path: Path) -> None:
    """Keras keeps the divided weight and uses it as it is; a power iteration divides it again, here as there."""
    model = keras.Sequential([keras.Input((5,)), L.SpectralNormalization(L.Dense(4))])
    x = np.random.default_rng(0).normal(size=(3, 5)).astype(np.float32)
    for _ in range(3):
        model(x, training=True)
    model.save(tmp_path / "x.keras")
    network = weights.read_keras(tmp_path / "x.keras")
    np.testing.assert_allclose(network(Tensor(x)).numpy(), compute(model, x), rtol=1e-5, atol=1e-6)
    nn.power_iteration(network)
    model(x, training=True)
    np.testing.assert_allclose(network(Tensor(x)).numpy(), compute(model, x), rtol=1e-4, atol=1e-5)


REFUSED = {
    "LSTM": lambda: [keras.Input((4, 3)), L.LSTM(2)],
    "Lambda": lambda: [keras.Input((4,)), L.Rescaling(2.0)],
    "channels_first": lambda: [keras.Input((2, 5, 5)), L.MaxPooling2D(2, data_format="channels_first")],
    "its outputs": lambda: [keras.Input((2, 2, 2)), L.Flatten()],
    "axes": lambda: [keras.Input((3, 3, 2)), L.LayerNormalization()],
    "works on the channels": lambda: [keras.Input((3, 3, 2)), L.Dense(4)],
    "pads": lambda: [keras.Input((5, 5, 1)), L.ZeroPadding2D(((0, 1), (0, 1))), L.Conv2D(1, 3)],
    "ends with a ZeroPadding": lambda: [keras.Input((5, 5, 1)), L.Conv2D(1, 3), L.ZeroPadding2D(1)],
    "ReLU with these settings": lambda: [keras.Input((4,)), L.ReLU(max_value=0.0)],
    "'causal'": lambda: [keras.Input((5, 1)), L.Conv1D(1, 3, padding="causal")],
    "slopes": lambda: [keras.Input((3, 3, 2)), L.PReLU()],
    "windows begin outside": lambda: [keras.Input((6, 6, 1)), L.MaxPooling2D(3, 1, padding="same")],
    "activation": lambda: [keras.Input((4,)), L.Dense(2, activation="hard_sigmoid")],
    "SpectralNormalization": lambda: [keras.Input((5, 5, 1)), L.SpectralNormalization(L.Conv2DTranspose(2, 3))],
}
SAID = {
    "LSTM": "there is no such layer here",
    "Lambda": "Rescaling.*there is no such layer",
    "its outputs": "order of Keras' pixels",
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_this_library_lacks_is_named(name: str, tmp_path: Path) -> None:
    keras.Sequential(REFUSED[name]()).save(tmp_path / "x.keras")
    with pytest.raises(CheckpointError, match=rf"x\.keras: .*{SAID.get(name, name)}"):
        weights.read_keras(tmp_path / "x.keras")


def test_two_inputs_are_no_chain(tmp_path: Path) -> None:
    a, b = keras.Input((2,)), keras.Input((3,))
    keras.Model([a, b], L.Concatenate()([a, b])).save(tmp_path / "x.keras")
    with pytest.raises(CheckpointError, match="makes the model no chain"):
        weights.read_keras(tmp_path / "x.keras")
    x = L.Dense(2)(a)
    keras.Model(a, L.Add()([x, L.Dense(2)(x)])).save(tmp_path / "x.keras")
    with pytest.raises(CheckpointError, match="makes the model no chain"):
        weights.read_keras(tmp_path / "x.keras")


@pytest.mark.parametrize("form", [list, tuple, lambda ends: {"a": ends[0], "b": ends[1]}])
def test_a_chain_with_two_outputs_is_not_read_as_one_with_the_last(form: Any, tmp_path: Path) -> None:
    a = keras.Input((2,))
    b = L.Dense(3, name="inside")(a)
    keras.Model(a, form([b, L.Dense(2, name="end")(b)])).save(tmp_path / "x.keras")
    with pytest.raises(
        CheckpointError, match="gives the outputs of inside, end; read is one that gives those of its last"
    ):
        weights.read_keras(tmp_path / "x.keras")


LACKING = [
    (nn.Conv2d(2, 2, 3, stride=2, dilation=2), "no stride and dilation at once"),
    (nn.ConvTranspose2d(2, 2, 3, groups=2), "has no groups"),
    (nn.SpectralNorm(nn.ConvTranspose2d(2, 2, 3)), "another matrix"),
    (nn.InstanceNorm(2, track_running_stats=True), "no running statistics"),
    (nn.PixelShuffle(1), "Keras has no such layer"),
    (nn.Upsample(1.5), "whole factors"),
    (nn.LayerNorm(9), "it normalises"),
    (nn.Dense(9, 2), "flatten first"),
    (nn.MaxPool2d(3, padding=1), "no such windows"),
    (ops.hardswish, "function hardswish"),
    (nn.Flatten(2), "flattens all axes"),
]


@pytest.mark.parametrize(("layer", "said"), LACKING, ids=[said for _, said in LACKING])
def test_what_keras_lacks_is_named_and_nothing_is_written(layer: Any, said: str, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=rf"cannot write .*x\.keras: (?=.*'1').*{said}"):
        weights.write(nn.Sequential(nn.Conv2d(2, 2, 1), layer), tmp_path / "x.keras", (2, 9, 9))
    assert not list(tmp_path.iterdir())


def test_shapes_that_are_needed_or_wrong_are_said(tmp_path: Path) -> None:
    module = nn.Sequential(nn.Conv2d(2, 2, 1), nn.Flatten(), nn.Dense(8, 1))
    with pytest.raises(CheckpointError, match=r"give input_shape=\(C, H, W\)"):
        weights.write(module, tmp_path / "x.keras")
    with pytest.raises(CheckpointError, match=r"input \(2, 3, 3\) does not fit: 2: Dense"):
        weights.write(module, tmp_path / "x.keras", (2, 3, 3))
    weights.write(module, tmp_path / "x.keras", (2, 2, 2))
    with pytest.raises(CheckpointError, match="no other order can be given"):
        weights.load(module, tmp_path / "x.keras", by_order=True)


def test_all_that_does_not_fit_is_named(tmp_path: Path) -> None:
    keras_generator().save(tmp_path / "x.keras")
    keras_generator().save_weights(tmp_path / "x.weights.h5")
    other = nn.Sequential(nn.Dense(3, 12), ops.relu, nn.Dense(12, 2, bias=False), nn.LayerNorm(2))
    before = other.state_dict()
    with pytest.raises(CheckpointError) as info:
        weights.load(other, tmp_path / "x.keras")
    for said in (
        "layers/dense/vars/0 has shape (16, 3), 0.weight is (12, 3)",
        "2 is a Dense, there a BatchNorm",
        "it has 4 layers with variables, here are 3",
        "3 is a LayerNorm, there a ConvTranspose2d",
    ):
        assert said in str(info.value)
    with pytest.raises(CheckpointError) as info:
        weights.load(other, tmp_path / "x.weights.h5")
    for said in (
        "layers/dense holds (3, 16), (16,), wanted (3, 12), (12,) for '0'",
        "layers/dense_1 holds nothing, wanted (12, 2) for '2'",
        "unexpected layers/conv2d_transpose",
    ):
        assert said in str(info.value)
    assert all(np.array_equal(a, before[key]) for key, a in other.state_dict().items())


def keras_file(path: Path, change: Any) -> Path:
    """A .keras file whose config `change` has changed."""
    weights.write(generator(), path / "x.keras")
    with zipfile.ZipFile(path / "x.keras") as old, zipfile.ZipFile(path / "y.keras", "w") as new:
        for name in old.namelist():
            data = old.read(name)
            new.writestr(name, json.dumps(change(json.loads(data))) if name == "config.json" else data)
    return path / "y.keras"


@pytest.mark.parametrize("change", [
    lambda c: [], lambda c: {}, lambda c: {**c, "config": 3}, lambda c: {**c, "class_name": "Mine"},
    lambda c: {**c, "config": {"layers": [{}]}}, lambda c: {**c, "config": {"layers": [None]}},
    lambda c: {"class_name": "Sequential", "config": {"layers": c["config"]["layers"][1:]}},
    lambda c: {**c, "config": {**c["config"], "layers": c["config"]["layers"][:2]}},
], ids=range(8))  # fmt: skip
def test_damaged_configs(change: Any, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"y\.keras"):
        weights.read_keras(keras_file(tmp_path, change))


@pytest.mark.parametrize("suffix", [".keras", ".weights.h5"])
def test_files_that_were_cut_short_or_are_others(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"x{suffix}"
    weights.write(generator(), path)
    whole = path.read_bytes()
    for content in (b"", b"no weights", *(whole[:size] for size in range(1, len(whole), len(whole) // 12))):
        path.write_bytes(content)
        with pytest.raises(CheckpointError, match="damaged"):
            weights.load(generator(), path)
    with zipfile.ZipFile(tmp_path / "other.keras", "w") as file:
        file.writestr("readme", "no model")
    with pytest.raises(CheckpointError, match=r"has no config\.json and model\.weights\.h5"):
        weights.read_keras(tmp_path / "other.keras")


def test_hostile_h5_files(tmp_path: Path) -> None:
    path = tmp_path / "x.weights.h5"
    np.save(tmp_path / "secret.npy", np.ones(3))

    def refused(said: str) -> None:
        with pytest.raises(CheckpointError, match=said):
            weights.load(nn.Sequential(nn.Dense(1, 1)), path)

    with h5py.File(path, "w") as file:
        file["layers/dense/vars/0"] = h5py.ExternalLink("other.h5", "/x")
    refused("is a link, which is not followed")
    with h5py.File(path, "w") as file:
        file.create_group("layers/dense/vars")
        file["layers/dense/vars/0"] = h5py.SoftLink("/layers")
    refused("is a link, which is not followed")
    with h5py.File(path, "w") as file:
        outside = [(str(tmp_path / "secret.npy"), 0, 24)]
        file.create_dataset("layers/dense/vars/0", (3,), "f8", external=outside)
    refused("lies in another file, which is not opened")
    with h5py.File(path, "w") as file:
        file.create_dataset("layers/dense/vars/0", (1 << 20, 1 << 20), "f4", chunks=(16, 16), compression="gzip")
    refused("claims to hold .* bytes, and has fewer; it is not read")
    with h5py.File(path, "w") as file:
        file["layers/dense"] = file.create_group("layers")
    refused("lie in a circle, or too deep")
    with h5py.File(path, "w") as file:
        file["layers/dense/vars/0"] = "text"
    refused("holds object, no numbers")
    with h5py.File(path, "w") as file:
        file["weights"] = np.ones(3)
    refused("holds weights, which Keras 3 does not write")
    with h5py.File(path, "w") as file:
        file["layers/dense/vars/1"] = np.ones(3)
    refused("has the variables")


def test_half_precision_and_double(tmp_path: Path) -> None:
    for policy in ("float64", "bfloat16", "float16"):
        model = keras.Sequential([keras.Input((3,)), L.Dense(2, dtype=policy)])
        model.save(tmp_path / "x.keras")
        network = weights.read_keras(tmp_path / "x.keras")
        kernel = keras.ops.convert_to_numpy(keras.ops.cast(model.layers[0].kernel, "float64"))
        assert network[0].weight.dtype == (np.float64 if policy == "float64" else np.float32)
        np.testing.assert_array_equal(network[0].weight.numpy(), kernel.T.astype(network[0].weight.dtype))
    module = nn.Sequential(nn.Dense(3, 2)).to(dtype=np.float64)
    weights.write(module, tmp_path / "x.keras")
    x = np.random.default_rng(0).normal(size=(4, 3))
    model = load(tmp_path / "x.keras")
    np.testing.assert_array_equal(keras.ops.convert_to_numpy(model.layers[0].kernel), module[0].weight.numpy().T)
    # Keras multiplies in float32 even where its layers are of float64
    np.testing.assert_allclose(compute(model, x), module(Tensor(x)).numpy(), rtol=1e-5, atol=1e-6)


def test_h5py_is_asked_for_by_name_where_it_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "h5py", None)
    with pytest.raises(CheckpointError, match=r"pip install 'minigen-engine\[keras\]'"):
        weights.write(generator(), tmp_path / "x.keras")
    assert not list(tmp_path.iterdir())
