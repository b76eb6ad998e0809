"""Wrong answers to the exercises of chapter 10: number, source, a part of what has to be said of it."""

MEAN = "import numpy as np\ndef log_mean_exp(x):\n    "
GRADIENT = """import numpy as np
def cross_entropy_gradient(logits, labels):
    e = np.exp(logits - logits.max(axis=1, keepdims=True))
    p = e / e.sum(axis=1, keepdims=True)
    p[np.arange(len(labels)), labels] -= 1
    return p / len(labels)
"""
KL = "from minigen import ops\ndef gaussian_kl_between(mu1, logvar1, mu2, logvar2):\n    return "

WRONG = [
    ("10.1", MEAN + "return np.log(np.exp(x).mean(axis=1))", "of the row [1000, 999, 0]"),
    ("10.1", MEAN + "return x.max() + np.log(np.exp(x - x.max()).mean(axis=1))", "is -inf, wanted"),
    ("10.1", MEAN + "c = x.max(axis=1)\n    return c + np.log(np.exp(x - c[:, None]).sum(axis=1))",
     "of the row [0, 1, 2], in one array with rows of other sizes, is 2.40761, wanted 1.30899"),
    ("10.1", MEAN + "c = x.max(axis=1)[:, None]\n    return c + np.log(np.exp(x - c).mean(axis=1)[:, None])",
     "has shape (4, 1) for x (4, 3), wanted (4,)"),
    ("10.2", GRADIENT.replace(" / len(labels)", ""), "Analytic = 5 * numeric everywhere"),
    ("10.2", GRADIENT.replace("p[np.arange(len(labels)), labels] -= 1", "p = -p"), "WRONG, input 0"),
    ("10.2", GRADIENT.replace("logits - logits.max(axis=1, keepdims=True)", "logits"),
     "at logits of 1000 and -2000 is nan"),
    ("10.3", KL + "(logvar1 - logvar2 + ops.exp(logvar1 - logvar2) + (mu1 - mu2) ** 2 * ops.exp(-logvar2) - 1) * 0.5",
     "gaussian_kl_between(...) is"),
    ("10.3", KL + "(logvar2 - logvar1 + ops.exp(logvar1) / ops.exp(logvar2) "
     "+ (mu1 - mu2) ** 2 / ops.exp(logvar2) - 1) * 0.5",
     "both log-variances 95, float32, is nan"),
    ("10.3", KL + "(logvar2 - logvar1 + ops.exp(logvar1 - logvar2) + (mu1 - mu2) ** 2 * ops.exp(-logvar1) - 1) * 0.5",
     "gaussian_kl_between(...) is"),
    ("10.3", KL.replace("return ", "return 0.0 + ") + "ops.exp((logvar1 - logvar2).detach()) * 0.5 "
     "+ (logvar2 - logvar1 + (mu1 - mu2) ** 2 * ops.exp(-logvar2) - 1) * 0.5", "WRONG, input 1"),
]  # fmt: skip
