"""Wrong answers to the exercises of chapter 7: number, source, a part of what has to be said of it."""

POOL = """import numba
import numpy as np
@numba.njit
def pool(x, out_hw, kernel, stride, padding):
    N, C, H, W = x.shape
    y = np.full((N, C, out_hw[0], out_hw[1]), START, x.dtype)
    for n in range(N):
        for c in range(C):
            for i in range(out_hw[0]):
                for j in range(out_hw[1]):
                    for u in range(kernel[0]):
                        for v in range(kernel[1]):
                            a, b = i * stride[0] - PAD + u, j * stride[1] - PAD + v
                            if 0 <= a < H and 0 <= b < W:
                                y[n, c, i, j] = max(y[n, c, i, j], x[n, c, a, b])
    return y
"""
CELL = """def cell(g, w, a, b, stride, padding):
    total = 0.0
    for u in range(w.shape[0]):
        for v in range(w.shape[1]):
            down, right = DOWN
            i, j = down // stride, right // stride
            if CHECK 0 <= i < g.shape[0] and 0 <= j < g.shape[1]:
                total += w[u, v] * g[i, j]
    return total
"""
GATHERED = "a + padding - u, b + padding - v"

WRONG = [
    ("7.1", POOL.replace("START", "0.0").replace("PAD", "padding[0]"),
     "the largest of -3, -1, -4, -2 is 0 at [0, 0, 0, 0], wanted -1"),
    ("7.1", POOL.replace("START", "-np.inf").replace("PAD", "0"), "padding (1, 1)) is"),
    ("7.1", POOL.replace("START", "-np.inf").replace("PAD", "padding[0]").replace("@numba.njit\n", ""),
     "pool is not compiled"),
    ("7.1", POOL.replace("START", "-np.inf").replace("PAD", "padding[1]"), "padding (2, 1)) is"),
    ("7.2", CELL.replace("DOWN", GATHERED).replace("CHECK ", ""), "stride 2, padding 1 is"),
    ("7.2", CELL.replace("DOWN", GATHERED).replace("CHECK 0 <= i < g.shape[0] and 0 <= j <",
                                                   "down % stride == 0 == right % stride and i < g.shape[0] and j <"),
     "wanted -0.292327\nwhat meets in this cell: w[0, 0] * g[0, 0]"),
    ("7.2", CELL.replace("DOWN", "a - padding + u, b - padding + v").replace("CHECK ", ""), "cell (a, b) = (0, 0)"),
    ("7.3", "def counts(H, W, k):\n    asked = 4 * H * W * k * k\n    return asked, asked, 4 * (H * W + k * k), 9",
     "counts(8, 8, 3): bytes of x asked for: 2304, wanted 1936: that counts weights outside of the image, too"),
    ("7.3", "def counts(H, W, k):\n    return 484, 484, 292, 256", "wanted 1936: a float32 has 4 bytes"),
    ("7.3", "def counts(H, W, k):\n    asked = 4 * (H * k - k // 2 * 2) * (W * k - k // 2 * 2)\n"
            "    return asked, asked, 4 * (H * W + k * k), 4 * H * W",
     "counts(6, 9, 5)"),
]  # fmt: skip
