"""Wrong answers to the exercises of chapter 9: number, source, a part of what has to be said of it."""

LAYER_NORM = """import numpy as np
def layer_norm_backward(gy, x, w, eps):
    d = x - x.mean(1, keepdims=True)
    s = np.sqrt((d * d).mean(1, keepdims=True) + eps)
    z = d / s
    h = w * gy
    gx = (h - h.mean(1, keepdims=True) - z * (h * z).mean(1, keepdims=True)) / s
    return gx, (gy * z).sum(0), gy.sum(0)
"""
LINE = "gx = (h - h.mean(1, keepdims=True) - z * (h * z).mean(1, keepdims=True)) / s"

RMS_NORM = """import numpy as np
import minigen as mg
class RmsNorm(mg.Function):
    def forward(self, x):
        self.s = np.sqrt((x * x).mean(1, keepdims=True) + 1e-5)
        return x / self.s
    def backward(self, gy, y):
        x, = self.inputs
        s = ((x * x).mean(1, keepdims=True) + 1e-5) ** 0.5
        return (gy - y * (gy * y).mean(1, keepdims=True)) / s
"""

COUNT = """def count(N, C, L):
    n = N * C * L
    return {"asked x": 8 * n, "asked w": 4 * n, "sectors w": n, "read": 8 * n + 12 * C, "written": 4 * n + 8 * C,
            "barriers": 4}
"""

WRONG = [
    ("9.1", LAYER_NORM.replace(LINE, LINE.replace("h", "gy").replace("gx = ", "gx = w * ")),
     "with w in front of the means"),
    ("9.1", LAYER_NORM.replace(LINE, "gx = (h - h.mean(1, keepdims=True)) / s"), "looks like: "),
    ("9.1", LAYER_NORM.replace("gy.sum(0)", "gy.sum(1)"), "gb has shape (3,) for x (3, 5); wanted (5,)"),
    ("9.1", LAYER_NORM.replace(LINE, LINE.replace("mean(1, keepdims=True)", "mean()")),
     "gx takes its means over the whole array"),
    ("9.1", LAYER_NORM.replace(LINE, LINE.replace("mean(1, keepdims=True)", "mean(0)")),
     "gx takes its means over the columns, axis 0"),
    ("9.1", LAYER_NORM.replace("(d * d).mean(1, keepdims=True)", "x.var(1, ddof=1, keepdims=True)"),
     "with the unbiased variance, divided by D - 1"),
    ("9.1", LAYER_NORM.replace(" + eps)", ")"), "gx comes without eps"),
    ("9.1", LAYER_NORM.replace("(gy * z).sum(0)", "(gy * x).sum(0)"), "differ: w_j multiplies the z of every row"),
    ("9.1", LAYER_NORM.replace("gy.sum(0)", "h.sum(0)"), "differ: b_j is added in every row"),
    ("9.1", LAYER_NORM.replace("return gx, (gy * z).sum(0), gy.sum(0)", "return gx"), "wanted a tuple (gx, gw, gb)"),
    ("9.2", RMS_NORM.replace("s = ((x * x).mean(1, keepdims=True) + 1e-5) ** 0.5", "s = mg.Tensor(self.s)"),
     "ignores the dependence of self.s of RmsNorm on input 0"),
    ("9.2", RMS_NORM.replace("gy - y * (gy * y).mean(1, keepdims=True)", "gy"), "order 1 of RmsNorm"),
    ("9.2", RMS_NORM.replace("1e-5)\n", "1e-2)\n"), "RmsNorm.apply(x) is "),
    ("9.2", "def RmsNorm(x): return x", "wanted a class derived from mg.Function"),
    ("9.3", COUNT.replace('"asked x": 8 * n', '"asked x": 4 * n'), 'count(2, 4, 64)["asked x"] is 2048, wanted 4096'),
    ("9.3", COUNT.replace('"sectors w": n', '"sectors w": 4 * n'), '["sectors w"] is 2048, wanted 512'),
    ("9.3", COUNT.replace("+ 12 * C", "+ 12"), 'count(2, 4, 64)["read"] is 4108, wanted 4144'),
    ("9.3", COUNT.replace('"barriers": 4', '"barriers": 2'), '["barriers"] is 2, wanted 4: those of a sum'),
    ("9.3", "def count(N, C, L): return 4 * N * C * L", "wanted a dict with the keys"),
]  # fmt: skip
