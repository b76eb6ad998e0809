"""What ships: every operation, layer and loss, with inputs at which it has a derivative; ``minigen gradcheck --all``.

An item of the inventory is a public name and a few cases of it: other options, other geometry. A case draws numbers and
says what to call, just as one would hand it to `gradcheck`. A test holds the inventory to what the rooms export, so
that nothing new is left out.

Imports: ops, nn, losses, gradcheck. Read next: ``numbers.py``, ``operations.py``, ``item.py``.
"""

from minigen.inventory.checking import BACKENDS, Backend, Outcome, check, computing_on, status
from minigen.inventory.item import Case, Item
from minigen.inventory.layers import LAYERS
from minigen.inventory.losses import LOSSES
from minigen.inventory.operations import OPERATIONS, OPERATORS

ITEMS: tuple[Item, ...] = (*OPERATORS, *OPERATIONS, *LAYERS, *LOSSES)

#: What the rooms export and what has no gradient of its own to check, each with the reason.
LEFT_OUT = {
    "ops.argmax": "whole numbers, which have no gradient",
    "ops.argmin": "whole numbers, which have no gradient",
    "ops.argsort": "whole numbers, which have no gradient",
    "nn.Module": "the base of all layers",
    "nn.Parameter": "a Tensor that is trained",
    "nn.ShapeError": "an exception",
    "nn.init": "draws the first values of parameters",
    "nn.manual_seed": "draws the first values of parameters",
    "nn.power_iteration": "moves the buffers of SpectralNorm, and is not differentiated",
    "losses.Reduction": "a type",
}

__all__ = [
    "BACKENDS", "ITEMS", "LEFT_OUT", "Backend", "Case", "Item", "Outcome", "check", "computing_on", "status",
]  # fmt: skip
