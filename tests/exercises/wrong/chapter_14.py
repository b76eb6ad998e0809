"""Typical wrong answers to the exercises of docs/guide/14_gans.md: (number, source, a part of the message)."""

PENALTY = """
import minigen as mg
from minigen import ops


def penalty(critic, real, fake, mix):
    x = mg.Tensor(mix * real.numpy() + (1 - mix) * fake.numpy(), requires_grad=True)
    (slopes,) = mg.grad(ops.sum(critic(x)), [x], create_graph=True)
    norms = ops.sqrt(ops.sum(slopes * slopes, axis=1))
    return ops.mean((norms - 1) ** 2)
"""

WRONG = [
    (
        "14.1",  # without the smoothing
        "def best_discriminator(p, q, smoothing):\n    return p / (p + q)\n",
        "best_discriminator(p, q, 0.1)",
    ),
    (
        "14.1",  # the weight of real images is smaller, and its rest is forgotten
        "def best_discriminator(p, q, smoothing):\n    return (1 - smoothing) * p / ((1 - smoothing) * p + q)\n",
        "there is a D with a larger value",
    ),
    (
        "14.1",  # the probability of being fake
        "def best_discriminator(p, q, smoothing):\n    return q / (p + q)\n",
        "best_discriminator(p, q, 0.0)",
    ),
    (
        "14.2",  # the case of real eigenvalues forgotten
        "def largest_step(gamma):\n    return 4 * gamma\n",
        "largest_step(1.5) is 6, but the game still grows",
    ),
    (
        "14.2",  # the slower eigenvalue
        "import math\n\n\ndef largest_step(gamma):\n    if gamma <= 1:\n        return 4 * gamma\n"
        "    return 4 / (gamma - math.sqrt(gamma**2 - 1))\n",
        "largest_step(1.5)",
    ),
    (
        "14.2",  # real parts below 0, as for the flow
        "def largest_step(gamma):\n    return 2 / gamma\n",
        "largest_step(0.1) is 20",
    ),
    (
        "14.2",  # too careful
        "import math\n\n\ndef largest_step(gamma):\n"
        "    return 2 * gamma if gamma <= 1 else 2 / (gamma + math.sqrt(gamma**2 - 1))\n",
        "still converges",
    ),
    ("14.3", PENALTY.replace(", create_graph=True", ""), "value and no history"),
    (
        "14.3",
        PENALTY.replace("ops.sqrt(ops.sum(slopes * slopes, axis=1))", "ops.sum(slopes * slopes, axis=1)"),
        "penalty(",
    ),
    ("14.3", PENALTY.replace("ops.sum(slopes * slopes, axis=1)", "ops.sum(slopes * slopes)"), "penalty("),
    ("14.3", PENALTY.replace("mix * real.numpy() + (1 - mix)", "(1 - mix) * real.numpy() + mix"), "penalty("),
    (
        "14.3",  # half of the history: the norms are numbers in one factor
        PENALTY.replace("(norms - 1) ** 2", "(norms - 1) * (norms.detach() - 1)"),
        "without .detach()",
    ),
]
