"""Wrong answers to the exercises of chapter 3: number, source, a part of what has to be said of it."""

SQUASH = """
import numpy as np
import minigen as mg
class Squash(mg.Function):
    def forward(self, x):
        self.r = np.sqrt(1 + x * x)
        return x / self.r
    def backward(self, gy, y):
        (x,) = self.inputs
"""

HVP = """
import minigen as mg
def hvp(f, x, v):
    x = mg.Tensor(x, requires_grad=True)
    (gx,) = mg.grad(f(x), [x], create_graph=True)
"""

PENALTY = """
import minigen as mg
def penalty(critic, x):
    x = mg.Tensor(x, requires_grad=True)
    (gx,) = mg.grad(critic(x).sum(), [x], create_graph=True)
"""

WRONG = [
    ("3.1", SQUASH + "        return gy * mg.Tensor(self.r**-3)", "the first derivative is right, that of order 2"),
    ("3.1", SQUASH + "        return gy * (1 + x.detach() ** 2) ** -1.5", "the first derivative is right"),
    ("3.1", SQUASH + "        return gy * (1 + x * x) ** -0.5", "WRONG, input 0"),
    ("3.1", SQUASH + "        return (1 + x * x) ** -1.5", "WRONG, input 0"),
    ("3.1", SQUASH + "        return gy * self.r**-3", "a constant in backward"),
    ("3.2", HVP + "    return gx", "that is the gradient"),
    ("3.2", HVP + "    return mg.grad(gx.sum(), [x])[0]", "where is v?"),
    ("3.2", HVP + "    return gx * v", "that is the gradient times v, before the second derivative"),
    ("3.2", HVP + "    return mg.grad(gx.sum(), [x])[0] * v", "v belongs inside of the second derivative"),
    ("3.2", HVP.replace(", create_graph=True", "") + "    return mg.grad((gx * v).sum(), [x])[0]",
     "requires a gradient"),
    ("3.3", PENALTY + "    return (gx**2).sum(1).mean() ** 0.5", "penalty(critic, x) is"),
    ("3.3", PENALTY + "    return mg.ops.sqrt((gx**2).sum(1)).mean()", "square them"),
    ("3.3", PENALTY + "    return (gx**2).mean()", "a mean over elements"),
    ("3.3", PENALTY + "    return (gx**2).sum()", "take the mean"),
    ("3.3", PENALTY.replace(", create_graph=True", "") + "    return (gx**2).sum() / len(x)",
     "the right value and no record"),
    ("3.3", PENALTY + "    return (gx.detach() ** 2).sum() / len(x)", "the right value and no record"),
    ("3.3", PENALTY + "    return float((gx.data**2).sum() / len(x))", "wanted a Tensor of one number"),
]  # fmt: skip
