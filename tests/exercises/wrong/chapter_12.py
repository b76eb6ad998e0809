"""Wrong answers to the exercises of chapter 12: number, source, a part of what has to be said of it."""

PCA = """import numpy as np
def pca(x, k):
    mean = x.mean(0)
    _, sigma, components = np.linalg.svd(x - mean, full_matrices=False)
    return mean, components[:k], (sigma[k:] ** 2).sum() / len(x)
"""
GRADIENTS = """import numpy as np
def gradients(x, W, V):
    z = x @ W.T
    residual = z @ V.T - x
    return 2 / len(x) * (residual @ V).T @ x, 2 / len(x) * residual.T @ z
"""
CONTRACTION = """import numpy as np
def contraction(x, W, b):
    h = 1 / (1 + np.exp(-(x @ W.T + b)))
    return ((h * (1 - h)) ** 2 * (W**2).sum(1)).sum() / len(x)
"""

WRONG = [
    ("12.1", PCA.replace("x - mean, full", "x, full"), "the components for k = 1, up to their signs,"),
    ("12.1", PCA.replace("/ len(x)", "/ (len(x) - 1)"), "the error for k = 1 is"),
    ("12.1", PCA.replace("_, sigma, components", "components, sigma, _"), "components @ components.T for k = 1 is"),
    ("12.1", PCA.replace("components[:k]", "components[-k:]"), "the components for k = 1, up to their signs,"),
    ("12.1", PCA.replace("sigma[k:] ** 2", "sigma[:k] ** 2"), "the error for k = 1 is"),
    ("12.1", PCA.replace("return mean, ", "return "), "wanted a tuple (mean, components, error)"),
    ("12.2", GRADIENTS.replace("2 / len(x) * residual", "residual"), "input 1"),
    ("12.2", GRADIENTS.replace("2 / len(x)", "-2 / len(x)"), "Analytic = -numeric"),
    ("12.2", GRADIENTS.replace("residual.T @ z", "z.T @ residual"), "gV has shape (2, 5), wanted that of V, (5, 2)"),
    ("12.2", GRADIENTS.replace("z @ V.T - x", "z @ V.T"), "WRONG, input 0"),
    ("12.3", CONTRACTION.replace("(h * (1 - h)) ** 2", "h * (1 - h)"), "contraction(x, W, b) for 1 samples is"),
    ("12.3", CONTRACTION.replace(" / len(x)", ""), "for 4 samples is"),
    ("12.3", CONTRACTION.replace("W**2).sum(1)", "W.sum(1) ** 2)"), "for 1 samples is"),
]  # fmt: skip
