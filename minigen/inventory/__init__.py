"""All operations, layers and losses, with inputs at which they have a derivative: ``minigen gradcheck --all``.

An item of the inventory is a public name with a few cases of it: other options, other geometry. A case draws the
arguments of `gradcheck`. A test compares the inventory with what the rooms export, so that nothing new is left out.

Imports: ops, nn, losses, gradcheck. Read next: ``cases.py``, ``operations.py``, ``checking.py``.
"""

from minigen.inventory.cases import Case, Item
from minigen.inventory.checking import BACKENDS, Backend, Outcome, backend_status, check, using_backend
from minigen.inventory.layers import LAYERS
from minigen.inventory.losses import LOSSES
from minigen.inventory.operations import OPERATIONS, OPERATORS

ITEMS: tuple[Item, ...] = (*OPERATORS, *OPERATIONS, *LAYERS, *LOSSES)

#: Exported names that have no gradient to check, each with the reason.
EXCLUDED = {
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
    "BACKENDS", "ITEMS", "EXCLUDED", "Backend", "Case", "Item", "Outcome", "check", "using_backend", "backend_status",
]  # fmt: skip
