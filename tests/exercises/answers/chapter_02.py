"""Right answers to the exercises of chapter 2."""

import numpy as np

import minigen as mg


class Hypot(mg.Function):
    def forward(self, a, b):
        return np.sqrt(a * a + b * b)

    def backward(self, gy, y):
        a, b = self.inputs
        return gy * a / y, gy * b / y


def gradients(y, xs):
    found, stack = {y}, [y]
    while stack:
        for x in stack.pop().inputs:
            if x not in found:
                found.add(x)
                stack.append(x)
    g = dict.fromkeys(found, 0.0)
    g[y] = 1.0
    for node in sorted(found, key=lambda node: node.order, reverse=True):
        for x, local in zip(node.inputs, node.local):
            g[x] += g[node] * local
    return [g.get(x, 0.0) for x in xs]


def normalize_vjp(x, gy):
    r = np.sqrt((x * x).sum())
    return gy / r - x * (x @ gy) / r**3
