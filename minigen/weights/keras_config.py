"""What the config of a Keras model says: its layers one after another, with the paths of their variables.

A Sequential, also in a Sequential, or a Functional whose layers are a chain. Everything else is refused by its name.

Imports: serialization, keras_file, keras_variables. Read next: ``keras_network.py``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from minigen.serialization import CheckpointError
from minigen.weights.keras_file import paths_of
from minigen.weights.keras_variables import Shape

CONTAINERS = ("Sequential", "Functional", "Model")


@dataclass(frozen=True)
class Item:
    """A layer of a config: its class, its name, its settings, and the path of its variables."""

    kind: str
    name: str
    config: Mapping[str, Any]
    path: str

    def __str__(self) -> str:
        return f"{self.kind} {self.name!r}"

    def whole(self, key: str, default: Any = None) -> tuple[int, ...]:
        """A setting of whole numbers, such as strides. CheckpointError if it is none."""
        value = self.config.get(key, default)
        values = (value,) if isinstance(value, int) else value
        if not isinstance(values, Sequence) or not all(isinstance(n, int) for n in values):
            raise CheckpointError(f"{self}: {key} is {str(value)[:60]}, wanted whole numbers")
        return tuple(values)


def read_config(config: Mapping[str, Any]) -> tuple[Shape, list[Item]]:
    """The input shape (without N) in Keras' order of axes, and the layers but for those of the input.

    CheckpointError: it is no chain, or damaged.
    """
    try:
        items = list(_items(config, "layers"))
        inputs = [item for item in items if item.kind == "InputLayer"]
        shape = inputs[0].config["batch_shape"] if inputs else _build_shape(config)
        if not isinstance(shape, list) or not all(isinstance(n, int) for n in shape[1:]):
            raise CheckpointError(
                f"the model has no fixed input shape, it is {shape}; build it with one, and save again"
            )
        return tuple(shape[1:]), [item for item in items if item.kind != "InputLayer"]
    except (KeyError, TypeError, IndexError, AttributeError) as error:
        raise CheckpointError(f"its config is damaged, or of another version of Keras: {error!r}") from error


def _build_shape(config: Mapping[str, Any]) -> Any:
    return config["config"].get("build_input_shape") or config.get("build_config", {}).get("input_shape")


def _items(config: Mapping[str, Any], folder: str) -> Iterator[Item]:
    kind, inside = config["class_name"], config["config"]
    if kind not in CONTAINERS or "layers" not in inside:
        raise CheckpointError(f"the model is a {kind}; a Sequential, or a Functional that is a chain, can be read")
    layers = inside["layers"]
    counted = [layer for layer in layers if kind != "Sequential" or layer["class_name"] != "InputLayer"]
    paths = {
        id(layer): path for layer, path in zip(counted, paths_of(one["class_name"] for one in counted), strict=True)
    }
    for layer in layers if kind == "Sequential" else _chained(inside):
        path = paths.get(id(layer), "").replace("layers", folder, 1)
        if layer["class_name"] in CONTAINERS:
            yield from _items(layer, f"{path}/layers")
        else:
            yield item_of(layer, path)


def item_of(layer: Mapping[str, Any], path: str) -> Item:
    """The item of one layer of a config."""
    name = layer["config"].get("name", layer["class_name"])
    if layer.get("registered_name") not in (None, layer["class_name"]):
        raise CheckpointError(f"layer {name!r} is a {layer['registered_name']} of the program that wrote it")
    if layer["config"].get("data_format") == "channels_first":
        raise CheckpointError(f"{layer['class_name']} {name!r}: data_format is channels_first, read is channels_last")
    return Item(str(layer["class_name"]), str(name), layer["config"], path)


def _chained(inside: Mapping[str, Any]) -> list[Any]:
    """The layers of a Functional in the order of its chain. CheckpointError if it is none."""
    by_name = {
        layer["config"]["name"] if "name" in layer["config"] else layer["name"]: layer for layer in inside["layers"]
    }
    after: dict[str, str] = {}
    for name, layer in by_name.items():
        before = list(_histories(layer["inbound_nodes"]))
        if layer["class_name"] == "InputLayer" and not before:
            continue
        if len(before) != 1 or before[0] in after:
            raise CheckpointError(
                f"layer {name!r} makes the model no chain: its inputs are {', '.join(before) or 'none'}"
            )
        after[before[0]] = name
    first = [name for name, layer in by_name.items() if layer["class_name"] == "InputLayer"]
    if len(first) != 1:
        raise CheckpointError(f"the model has {len(first)} inputs, one can be read")
    chain = first
    while chain[-1] in after:
        chain.append(after[chain[-1]])
    if len(chain) != len(by_name):
        raise CheckpointError("the layers of the model are no chain")
    outputs = list(_outputs(inside["output_layers"]))
    if outputs != chain[-1:]:
        raise CheckpointError(
            f"the model gives the outputs of {', '.join(outputs)}; read is one that gives those of its last layer"
        )
    return [by_name[name] for name in chain]


def _outputs(value: Any) -> Iterator[str]:
    """The names of the layers that give the outputs: of [name, node, number], or of a list or dict of such."""
    if isinstance(value, list) and value and isinstance(value[0], str):
        yield value[0]
    else:
        for inside in value.values() if isinstance(value, Mapping) else value:
            yield from _outputs(inside)


def _histories(value: Any) -> Iterator[str]:
    """The names of the layers whose outputs an inbound node takes."""
    if isinstance(value, Mapping):
        if "keras_history" in value:
            yield str(value["keras_history"][0])
        for inside in value.values():
            yield from _histories(inside)
    elif isinstance(value, list):
        for inside in value:
            yield from _histories(inside)
