"""Wrong answers to the exercises of chapter 6: number, source, a part of what has to be said of it."""

CORRELATE = """import numpy as np
import minigen as mg
from minigen import ops
class Correlate(mg.Function):
    def forward(self, x, w):
        return np.array([w @ x[i : i + len(w)] for i in range(len(x) - len(w) + 1)])
    def backward(self, gy, y):
        x, w = self.inputs
        rim = w.shape[0] - 1
"""

SIZES = "def sizes(o, k, stride, padding, dilation):\n"

WRONG = [
    ("6.1", SIZES + "    return [(o - 1) * stride - 2 * padding + dilation * (k - 1) + 1]",
     "sizes(o=1, k=1, stride=1, padding=1, dilation=1) is [-1], wanted []"),
    ("6.1", SIZES + "    return [max((o - 1) * stride - 2 * padding + dilation * (k - 1) + 1, 1)]", "wanted"),
    ("6.1", SIZES + "    return o * stride", "wanted the list"),
    ("6.2", "import numpy as np\ndef col2im(columns, C, H, W, k):\n    image = np.zeros((C, H, W))\n"
            "    pieces = columns.reshape(C, k, k, H - k + 1, W - k + 1)\n    for u, v in np.ndindex(k, k):\n"
            "        image[:, u : u + H - k + 1, v : v + W - k + 1] = pieces[:, u, v]\n    return image",
     "col2im of ones, for 3 x 3 cells and k = 2, is 1"),
    ("6.2", "import numpy as np\ndef col2im(columns, C, H, W, k):\n    image = np.zeros((C, H, W))\n"
            "    pieces = columns.reshape(C, k, k, H - k + 1, W - k + 1)\n    for u, v in np.ndindex(k, k):\n"
            "        image[:, u : u + H - k + 1, v : v + W - k + 1] += pieces[:, v, u]\n    return image",
     "<x, col2im(P)>"),
    ("6.3", CORRELATE + "        return Correlate.apply(ops.pad(gy, [(rim, rim)]), w), Correlate.apply(x, gy)",
     "WRONG, input 0"),
    ("6.3", CORRELATE + "        return (mg.Tensor(np.convolve(gy.numpy(), w.numpy())),\n"
            "                mg.Tensor(np.correlate(x.numpy(), gy.numpy())))", "WRONG"),
    ("6.3", CORRELATE.replace("w @ x", "w[::-1] @ x") + "        return gy, gy",
     "Correlate.apply([1, 2, 3, -1], [10, 1])"),
]  # fmt: skip
