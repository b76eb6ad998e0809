"""Wrong answers to the exercises of chapter 11: number, source, a part of what has to be said of it."""

FACTOR = "import numpy as np\ndef factor(curvature, lr, momentum):\n    return "
ADAMW = """import numpy as np
def adamw(p, g, m, v, t, lr, beta1, beta2, eps, weight_decay):
    p = p * (1 - lr * weight_decay)
    m = beta1 * m + (1 - beta1) * g
    v = beta2 * v + (1 - beta2) * g**2
    p = p - lr * (m / (1 - beta1**t)) / (np.sqrt(v / (1 - beta2**t)) + eps)
    return p, m, v
"""
TRAFFIC = """def traffic(n):
    return {"sgd": (8 * n, 4 * n), "momentum": (12 * n, 8 * n), "rmsprop": (12 * n, 8 * n), "adam": (16 * n, 12 * n)}
"""

WRONG = [
    ("11.1", FACTOR + "1 - lr * curvature", "factor(1.0, 2.5, 0.0) is -1.5, wanted 1.5: its sign is turned"),
    ("11.1", FACTOR + "momentum ** 0.5", "factor(1.0, 0.5, 0.0) is 0, wanted 0.5"),
    ("11.1", FACTOR + "np.roots([1, -(1 + momentum - lr * curvature), momentum]).real.max()", "factor(1.0, 2.5, 0.0)"),
    ("11.1", FACTOR + "abs(np.roots([1, 1 + momentum - lr * curvature, -momentum])).max()", "factor(1.0, 0.1, 0.9)"),
    ("11.2", ADAMW.replace("p = p * (1 - lr * weight_decay)", "g = g + weight_decay * p"), "m after step 1"),
    ("11.2", ADAMW.replace(" / (1 - beta2**t)) + eps", ") + eps"), "p after step 1"),
    ("11.2", ADAMW.replace(" / (1 - beta2**t)) + eps", " / (1 - beta2**t) + eps)"), "p after step 1"),
    ("11.2", ADAMW.replace("1 - lr * weight_decay", "1 - weight_decay"), "p after step 1"),
    ("11.2", ADAMW.replace("p = p * (1 -", "p *= (1 -"), "changed the array p that it was given"),
    ("11.2", ADAMW.replace("return p, m, v", "return p"), "wanted a tuple (p, m, v)"),
    ("11.3", TRAFFIC.replace("(16 * n, 12 * n)", "(20 * n, 12 * n)"), 'traffic(1)["adam"], bytes read and written,'),
    ("11.3", TRAFFIC.replace("(12 * n, 8 * n), \"rms", "(12 * n, 4 * n), \"rms"), "is 4 at [1], wanted 8"),
    ("11.3", "def traffic(n): return 28 * n", "wanted a dict with the keys sgd, momentum, rmsprop, adam"),
]  # fmt: skip
