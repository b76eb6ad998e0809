"""Keras 3: write a network as its files, read one from them, and match such a file to a network that is there.

Imports: nn, autograd, atomic, the other files on Keras. Read next: ``docs/weights.md``.
"""

from __future__ import annotations

import copy
import datetime
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

import minigen
from minigen import nn
from minigen.autograd import Tensor, no_grad
from minigen.serialization import CheckpointError
from minigen.weights.chain import Link, chain
from minigen.weights.keras_file import paths_of, read_h5, read_zip, snake_case, write_h5, write_zip
from minigen.weights.keras_layers import shapes_of, translate
from minigen.weights.keras_network import leave_divided, read_network
from minigen.weights.keras_variables import KerasLayer, Shape, channels_last
from minigen.weights.matching import Plan, add
from minigen.weights.slots import Slot, slots
from minigen_kernels import Array

VERSION = "3.15.1"  # of Keras, whose layout this is
ASSUMED = (
    "A .weights.h5 file does not say the epsilon of batch norm: it is taken to be that of this network. Keras' default "
    "is 0.001; the .keras file of the same model says it"
)


def guess_input_shape(module: nn.Module, image_shape: Shape | None = None) -> Shape:
    """The input shape (without N) of a chain, where its first layer says it: codes, or images of `image_shape`.

    CheckpointError: it takes images, and their size is not given.
    """
    layers = [link.layer.layer if isinstance(link.layer, nn.SpectralNorm) else link.layer for link in chain(module)]
    first = next((layer for layer in layers if isinstance(layer, nn.Module)), None)
    if isinstance(first, nn.Dense):
        return (first.in_features,)
    if isinstance(first, nn.Embedding):
        return ()
    if image_shape is not None:
        size = image_shape[1:]
        if isinstance(first, (nn.Conv2d, nn.ConvTranspose2d)):
            return (first.in_channels, *size)
        dense = next((layer for layer in layers if isinstance(layer, nn.Dense)), None)
        if isinstance(first, nn.Flatten) and dense is not None:
            channels, rest = divmod(dense.in_features, math.prod(size))
            return (dense.in_features,) if rest or not channels else (channels, *size)  # a judge of codes flattens, too
    raise CheckpointError("the size of its images decides the order of weights in Keras: give input_shape=(C, H, W)")


def to_bytes(module: nn.Module, suffix: str, input_shape: Shape) -> bytes:
    """The file ``.keras`` or ``.weights.h5`` of a chain. CheckpointError names what Keras does not have."""
    layers = translate(module, input_shape)
    state = _divided(module)
    paths = paths_of(layer.kind for layer in layers)
    names = {path: path.rpartition("/")[2] for path in paths} | {"": "sequential"}
    groups: dict[str, list[Array]] = {"": []}
    for layer, path in zip(layers, paths, strict=True):
        groups[path] = [variable.to_keras(state[variable.entry]) for variable in layer.variables]
        if layer.inner is not None:
            groups[f"{path}/layer"] = [variable.to_keras(state[variable.entry]) for variable in layer.inner.variables]
    weights = write_h5(groups, names)
    if suffix == ".weights.h5":
        return weights
    dtype = next((str(array.dtype) for array in state.values() if array.dtype.kind == "f"), "float32")
    date = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d@%H:%M:%S")
    metadata = {"keras_version": VERSION, "date_saved": date, "written_by": f"minigen {minigen.__version__}"}
    indices = bool(layers) and layers[0].kind == "Embedding"
    return write_zip(_config(layers, names, paths, input_shape, dtype, indices), weights, metadata)


def _config(
    layers: Sequence[KerasLayer],
    names: Mapping[str, str],
    paths: Sequence[str],
    shape: Shape,
    dtype: str,
    indices: bool,
) -> dict[str, Any]:
    """The config of a Sequential."""

    def entry(layer: KerasLayer, name: str) -> dict[str, Any]:
        settings = {"name": name, "trainable": True, "dtype": dtype, **layer.settings}
        if layer.inner is not None:
            settings["layer"] = entry(layer.inner, f"{name}_{snake_case(layer.inner.kind)}")
        return {"module": "keras.layers", "class_name": layer.kind, "config": settings, "registered_name": None}

    batch = [None, *channels_last(shape)]
    first = KerasLayer("InputLayer", {"batch_shape": batch, "dtype": "int32" if indices else dtype})
    inside = [entry(first, "input_layer"), *(entry(one, names[path]) for one, path in zip(layers, paths, strict=True))]
    config = {"name": names[""], "trainable": True, "dtype": dtype, "layers": inside, "build_input_shape": batch}
    return {
        "module": "keras", "class_name": "Sequential", "config": config, "registered_name": None,
        "build_config": {"input_shape": batch},
    }  # fmt: skip


def _divided(module: nn.Module) -> dict[str, Array]:
    """The state of a network, with the divided weights of its spectral norms."""
    state = module.state_dict()
    with no_grad():
        for path, layer in module.named_modules():
            if isinstance(layer, nn.SpectralNorm):
                sigma = layer.sigma().numpy()
                name = f"{path}.layer.weight".lstrip(".")
                state[name] = (state[name] / (sigma + 1e-12)).astype(state[name].dtype)
    return state


def read_keras(path: str) -> tuple[nn.Sequential, Shape, dict[str, str]]:
    """The network of a ``.keras`` file, in evaluation mode; its input shape here; the path of each entry's variable.

    CheckpointError: it is damaged, or holds what this library does not have, which is named.
    """
    config, arrays = read_zip(path)
    try:
        return read_network(config, arrays)
    except CheckpointError as error:
        raise CheckpointError(f"{path}: {error}") from error
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        raise CheckpointError(f"{path}: its config is damaged, or of another version of Keras: {error!r}") from error


def plan_keras(module: nn.Module, path: str) -> Plan:
    """What of a ``.keras`` file becomes what: its layers with variables are those of the network, one after another.

    What the file computes and the network with these weights does not is a note.
    """
    theirs, input_shape, sources = read_keras(path)
    plan, own = Plan(module, path), {slot.name: slot for slot in slots(module)}
    ours, others = _weighted(module), _weighted(theirs)
    if len(ours) != len(others):
        plan.faults.append(f"it has {len(others)} layers with variables, here are {len(ours)}")
    for link, other in zip(ours, others, strict=False):
        if _kind(link.layer) is not _kind(other.layer):
            names = type(link.layer).__name__, type(other.layer).__name__
            plan.faults.append(f"{link.path} is a {names[0]}, there a {names[1]}")
            continue
        state = other.layer.state_dict()
        _apply_epsilon(plan, link, other, state)
        wanted = link.layer.state_dict()
        plan.faults += [f"missing {link.name(name)} {wanted[name].shape}" for name in wanted.keys() - state.keys()]
        for name, array in state.items():
            source = sources.get(other.name(name), f"by {type(other.layer).__name__}")
            if name in wanted:
                add(plan, own[link.name(name)], source, array)
            else:
                plan.faults.append(f"unexpected {source} {array.shape}")
    if not plan.faults:
        plan.notes += [*_divided_notes(module), *_difference(plan, theirs, input_shape)]
    return plan


def _weighted(module: nn.Module) -> list[Link]:
    return [link for link in chain(module) if isinstance(link.layer, nn.Module) and link.layer.state_dict()]


def _kind(layer: nn.Module) -> type[nn.Module]:
    """The class of a layer; a group norm with a group for each channel is an instance norm."""
    return (
        nn.InstanceNorm if isinstance(layer, nn.GroupNorm) and layer.num_groups == layer.num_channels else type(layer)
    )


def _apply_epsilon(plan: Plan, link: Link, other: Link, state: dict[str, Array]) -> None:
    """Another epsilon of batch norm, put into the variance: in evaluation the result is the same."""
    ours, theirs = (getattr(one.layer, "eps", None) for one in (link, other))
    if ours == theirs or ours is None or theirs is None:
        return
    if isinstance(link.layer, nn.BatchNorm):
        state["running_var"] = (state["running_var"].astype(np.float64) + theirs - ours).astype(
            state["running_var"].dtype
        )
        plan.notes.append(
            f"{link.path}: epsilon is {theirs:g} there, {ours:g} here: the difference is in running_var now"
        )


def _difference(plan: Plan, theirs: nn.Module, input_shape: Shape) -> list[str]:
    """A note if the network with its new weights computes something else than the file, on random numbers."""
    here = copy.deepcopy(plan.module).to("cpu", np.float64)
    here.load_state_dict({move.slot.name: move.array for move in plan.moves})
    there = theirs.to(dtype=np.float64)
    links = chain(here)
    if links and isinstance(links[0].layer, nn.Embedding):
        return []
    x = np.random.default_rng(0).uniform(-1, 1, (8, *input_shape))
    try:
        shapes_of(here, links, input_shape)
    except CheckpointError:
        return [f"The file is of inputs {input_shape}, which do not fit this network"]
    ours: Any = Tensor(x)
    with here.evaluation(), there.evaluation():
        for link in links:
            ours = link.layer(ours)
        results = ours.numpy(), there(Tensor(x)).numpy()
    if results[0].shape != results[1].shape:
        return [f"The file gives {results[1].shape[1:]}, this network {results[0].shape[1:]}"]
    far = float(np.abs(results[0] - results[1]).max() / max(1e-12, np.abs(results[1]).max()))
    if far < 1e-6:
        return []
    return [f"With these weights this network computes something else than the file: they differ by {far:.2g} of the "
            f"largest number. {_settings_that_differ(here, there)}".rstrip()]  # fmt: skip


def _settings_that_differ(here: nn.Module, there: nn.Module) -> str:
    """Which settings of layers with variables, and which functions, are others."""
    found = []
    for link, other in zip(_weighted(here), _weighted(there), strict=True):
        plain = (int, float, str, bool, tuple)
        ours, theirs = (
            {key: value for key, value in vars(one.layer).items() if isinstance(value, plain) and key != "training"}
            for one in (link, other)
        )
        found += [
            f"{link.path}: {k} is {theirs.get(k)} there, {ours[k]} here" for k in ours if ours[k] != theirs.get(k)
        ]
    return "; ".join(found)


def plan_weights_h5(module: nn.Module, path: str, input_shape: Shape) -> Plan:
    """What of a ``.weights.h5`` file becomes what: by the paths that Keras gives the layers of this network.

    Such a file does not say what its layers do. Epsilon, and the order of flat features, are taken as they are here.
    """
    arrays = read_h5(path, path)
    plan, own = Plan(module, path), {slot.name: slot for slot in slots(module)}
    layers = translate(module, input_shape)
    known = set()
    for layer, place in zip(layers, paths_of(layer.kind for layer in layers), strict=True):
        for one, where in ((layer, place), (layer.inner, f"{place}/layer")):
            if one is None or not one.variables:
                continue
            known.add(where)
            there = arrays.get(where, [])
            shapes = [variable.shape for variable in one.variables]
            if [a.shape for a in there] != shapes:
                found = ", ".join(str(a.shape) for a in there) or "nothing"
                plan.faults.append(f"{where} holds {found}, wanted {', '.join(map(str, shapes))} for {layer.path!r}")
                continue
            for i, (variable, array) in enumerate(zip(one.variables, there, strict=True)):
                slot = own[variable.entry]
                _add_once(plan, slot, f"{where}/vars/{i}", variable.from_keras(array, slot.tensor.shape))
    plan.faults += [f"unexpected {where}" for where in arrays if where not in known and where[:9] != "optimizer"]
    if not plan.faults:
        _add_second_vectors(plan, own)
        plan.notes += _divided_notes(module)
        plan.notes += [ASSUMED] if any(isinstance(link.layer, nn.BatchNorm) for link in chain(module)) else []
    return plan


def _add_once(plan: Plan, slot: Slot, source: str, array: Array) -> None:
    """As `add`; a spectral norm keeps its kernel twice."""
    if not any(move.slot is slot for move in plan.moves):
        add(plan, slot, source, array)


def _divided_notes(module: nn.Module) -> list[str]:
    """A note if the network has spectral norms."""
    there = any(isinstance(link.layer, nn.SpectralNorm) for link in chain(module))
    return ["Keras keeps the divided weights of spectral norms: these are the weights now"] if there else []


def _add_second_vectors(plan: Plan, own: Mapping[str, Slot]) -> None:
    """The vector of each spectral norm that Keras does not keep."""
    given = {move.slot.name: move.array for move in plan.moves}
    for link in chain(plan.module):
        if isinstance(link.layer, nn.SpectralNorm):
            layer = copy.deepcopy(link.layer)
            layer.load_state_dict({name: given.get(link.name(name), a) for name, a in layer.state_dict().items()})
            leave_divided(layer)
            add(plan, own[link.name("v")], "by SpectralNorm", layer.v.numpy())
