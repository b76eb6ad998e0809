"""Typical wrong answers to the exercises of docs/guide/15_measuring.md: (number, source, a part of the message)."""

DISTANCE = """
import numpy as np


def root(c):
    values, vectors = np.linalg.eigh(c)
    return (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T


def distance(m1, c1, m2, c2):
    half = root(c1)
    return np.square(m1 - m2).sum() + np.trace(c1 + c2 - 2 * root(half @ c2 @ half))
"""

RECALL = """
import numpy as np


def recall(real, fake, k):
    def distances(x, y):
        return np.sqrt(np.square(x[:, None] - y).sum(axis=2))

    radius = np.sort(distances(fake, fake), axis=1)[:, k]
    return (distances(real, fake) <= radius).any(axis=1).mean()
"""

WRONG = [
    ("15.1", DISTANCE.replace("- 2 * root", "- root"), "distance([1], [[4]], [3], [[9]])"),
    ("15.1", DISTANCE.replace("np.square(m1 - m2).sum()", "0"), "distance([1], [[4]], [3], [[9]])"),
    ("15.1", DISTANCE.replace("root(half @ c2 @ half)", "half @ root(c2)"), "do not commute"),
    (
        "15.1",
        DISTANCE.replace("np.maximum(values, 0)", "values - 1e-18 * (values < 1e-9)"),
        "whose root is NaN",
    ),
    (
        "15.1",  # only variances
        "import numpy as np\n\n\ndef distance(m1, c1, m2, c2):\n"
        "    s = np.sqrt(np.diag(c1)) - np.sqrt(np.diag(c2))\n    return ((m1 - m2) ** 2).sum() + (s**2).sum()\n",
        "do not commute",
    ),
    (
        "15.2",  # unpaired
        "import numpy as np\n\n\ndef compare(a, b):\n"
        "    return (a - b).mean(), np.sqrt(a.var(ddof=1) / len(a) + b.var(ddof=1) / len(b))\n",
        "image by image",
    ),
    (
        "15.2",  # the spread of the differences, not that of their mean
        "def compare(a, b):\n    return (a - b).mean(), (a - b).std(ddof=1)\n",
        "the error that compare(a, b) gives",
    ),
    (
        "15.2",  # divided by N
        "import numpy as np\n\n\ndef compare(a, b):\n    return (a - b).mean(), (a - b).std() / np.sqrt(len(a))\n",
        "N - 1",
    ),
    ("15.2", "def compare(a, b):\n    return (b - a).mean(), 0.0\n", "its sign is turned"),
    ("15.3", RECALL.replace("[:, k]", "[:, k - 1]"), "recall([0, 1, 5, 5.5, 9], [0, 2, 3, 4], 1)"),
    ("15.3", RECALL.replace("distances(real, fake) <= radius", "distances(real, fake) < radius"), "wanted 0.6"),
    (
        "15.3",
        RECALL.replace("distances(fake, fake)", "distances(real, real)").replace(
            "distances(real, fake)", "distances(fake, real)"
        ),
        "the precision",
    ),
    ("15.3", RECALL.replace("distances(fake, fake)", "distances(real, real)"), "could not be broadcast"),
]
