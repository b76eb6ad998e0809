"""Wrong answers to the exercises of chapter 2: number, source, a part of what has to be said of it."""

HYPOT = """
import numpy as np
import minigen as mg
class Hypot(mg.Function):
    def forward(self, a, b):
        return np.sqrt(a * a + b * b)
    def backward(self, gy, y):
        a, b = self.inputs
"""

WALK = """
def gradients(y, xs):
    found, stack = [y], [y]
    while stack:
        for x in stack.pop().inputs:
            if x not in found:
                found.append(x)
                stack.append(x)
    g = dict.fromkeys(found, 0.0)
    g[y] = 1.0
"""

NORMALIZE = """
import numpy as np
def normalize_vjp(x, gy):
    r = np.sqrt((x * x).sum())
"""

WRONG = [
    ("2.1", HYPOT + "        return a / y, b / y", "gy is 3, with respect to a is 0.6 at [0], wanted 1.8; 3 of 3"),
    ("2.1", HYPOT + "        return gy * a / y", "Hypot.backward returned 1 gradients for 2 inputs"),
    ("2.1", HYPOT + "        return gy * a / y, gy * a / y", "WRONG, input 1"),
    ("2.1", HYPOT + "        return gy * b / y, gy * a / y", "2.4 at [0], wanted 1.8"),
    ("2.1", HYPOT + "        return gy * mg.Tensor(a.data / y.data), gy * mg.Tensor(b.data / y.data)", "order 2"),
    ("2.1", HYPOT.replace("np.sqrt(a * a + b * b)", "np.abs(a) + np.abs(b)"), "is 7 at [0], wanted 5"),
    # A later path replaces an earlier one.
    ("2.2", WALK + """
    for node in sorted(found, key=lambda node: -node.order):
        for x, local in zip(node.inputs, node.local):
            g[x] = g[node] * local
    return [g.get(x, 0.0) for x in xs]""", "All paths from x to y count"),
    # In the order in which nodes are met.
    ("2.2", WALK + """
    for node in found[:1] + found[:0:-1]:
        for x, local in zip(node.inputs, node.local):
            g[x] += g[node] * local
    return [g.get(x, 0.0) for x in xs]""", "Did a node pass its gradient on before"),
    # Along every path.
    ("2.2", """
def gradients(y, xs):
    def one(node, x):
        return (node is x) + sum(one(i, x) * d for i, d in zip(node.inputs, node.local))
    return [one(y, x) for x in xs]""", "2^40 paths"),
    ("2.2", "def gradients(y, xs):\n    return 1.0", "is 1.0, wanted a list of 2 numbers"),
    ("2.2", "def gradients(y, xs):\n    return {1: 1.0, 2: 3.0}", "wanted a list of 2 numbers"),
    ("2.2", "def gradients(y, xs):\n    return [1.0]", "is [1.0], wanted a list of 2 numbers"),
    ("2.2", WALK + """
    for node in sorted(found, key=lambda node: -node.order):
        for x, local in zip(node.inputs, node.local):
            g[x] += g[node] * local
    return [g[x] for x in xs]""", "KeyError: <node of order 1>"),
    ("2.3", NORMALIZE + "    return gy / r", "is the one for every pair right?"),
    ("2.3", NORMALIZE + "    return gy / r + x * (x @ gy) / r**3", "is 1.2 at [0], wanted 0; 2 of 2 numbers differ. A"),
    ("2.3", NORMALIZE + "    return gy / r - x * (x @ gy) / r**2", "is the one for every pair right?"),
    ("2.3", NORMALIZE + "    return gy / r - x * x * gy / r**3", "only the term of J with j = i counts: 1 / r"),
    ("2.3", NORMALIZE + "    return gy - x * (x @ gy) / r**2", "only the term of J with j = i counts: 1 / r"),
    ("2.3", NORMALIZE + "    return gy @ (np.eye(len(x)) / r - np.outer(x, x) / r**3)",
     "is the Jacobian, which has four million, built?"),
]  # fmt: skip
