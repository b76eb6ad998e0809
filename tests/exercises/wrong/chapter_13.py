"""Typical wrong answers to the exercises of docs/guide/13_vae.md: (number, source, a part of the message)."""

WRONG = [
    (
        "13.1",  # the second variance forgotten
        "from minigen import ops\n\n\ndef kl(mean1, logvar1, mean2, logvar2):\n"
        "    return ((mean1 - mean2) ** 2 + ops.exp(logvar1 - logvar2) + logvar2 - logvar1 - 1) * 0.5\n",
        "kl(2.0, 0.0, -1.0, 1.2)",
    ),
    (
        "13.1",  # the two distributions exchanged
        "from minigen import ops\n\n\ndef kl(mean1, logvar1, mean2, logvar2):\n"
        "    squares = (mean1 - mean2) ** 2 * ops.exp(-logvar1)\n"
        "    return (squares + ops.exp(logvar2 - logvar1) + logvar1 - logvar2 - 1) * 0.5\n",
        "kl(1.0, -1.0, 0.0, 0.0)",
    ),
    (
        "13.1",  # a history that is cut off
        "import minigen as mg\nfrom minigen import losses\n\n\ndef kl(mean1, logvar1, mean2, logvar2):\n"
        "    y = losses.gaussian_kl_between(mean1, logvar1, mean2, logvar2, reduction='none')\n"
        "    return mg.Tensor(y.numpy())\n",
        "WRONG",
    ),
    (
        "13.2",  # the mean of the logarithms: the evidence bound
        "def bound(log_w):\n    return log_w.mean(axis=0)\n",
        "bound(log([[1, 2], [3, 4]]))",
    ),
    (
        "13.2",  # all weights are 0
        "import numpy as np\n\n\ndef bound(log_w):\n    with np.errstate(divide='ignore'):\n"
        "        return np.log(np.exp(log_w).mean(axis=0))\n",
        "take the largest out",
    ),
    (
        "13.2",  # one largest for all images
        "import numpy as np\n\n\ndef bound(log_w):\n    m = log_w.max()\n    with np.errstate(divide='ignore'):\n"
        "        return m + np.log(np.exp(log_w - m).mean(axis=0))\n",
        "wanted -800.693",
    ),
    (
        "13.2",  # a sum
        "import numpy as np\n\n\ndef bound(log_w):\n    return np.logaddexp.reduce(log_w, axis=0)\n",
        "bound(log([[1, 2], [3, 4]]))",
    ),
    (
        "13.3",  # a factor 2: the variance and its logarithm
        "import numpy as np\n\n\ndef score_gradient(f, mean, logvar, noise):\n    s = np.exp(logvar / 2)\n"
        "    z = mean + s * noise\n    return f(z) * noise / s, f(z) * (noise**2 - 1)\n",
        "estimates for logvar",
    ),
    (
        "13.3",  # divided by the variance twice
        "import numpy as np\n\n\ndef score_gradient(f, mean, logvar, noise):\n    s = np.exp(logvar / 2)\n"
        "    z = mean + s * noise\n    return f(z) * noise / s**2, f(z) * (noise**2 - 1) / 2\n",
        "estimates for mean",
    ),
    (
        "13.3",  # the mean, and not the estimates
        "import numpy as np\n\n\ndef score_gradient(f, mean, logvar, noise):\n    s = np.exp(logvar / 2)\n"
        "    z = mean + s * noise\n    return (f(z) * noise / s).mean(), (f(z) * (noise**2 - 1) / 2).mean()\n",
        "the shape of the estimates for mean",
    ),
    (
        "13.3",  # reparameterised, by a difference
        "import numpy as np\n\n\ndef score_gradient(f, mean, logvar, noise):\n    s = np.exp(logvar / 2)\n"
        "    z = mean + s * noise\n    d = (f(z + 1e-5) - f(z - 1e-5)) / 2e-5\n    return d, d * s * noise / 2\n",
        "not f'(z)",
    ),
]
