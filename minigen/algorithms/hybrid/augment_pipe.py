"""What images go through before the discriminator of a hybrid: augmentation, and instance noise that decays to 0.

Real and generated images go the same way, each batch with new random numbers, and the gradient of generated ones flows
through it. Without either option images stay as they are, and nothing is drawn.

Imports: adversarial.augment. Read next: ``mdgan.py``, then ``vae_gan.py``, which augments pairs.
"""

from __future__ import annotations

from minigen.algorithms.adversarial.augment import AUGMENTATIONS, augmented, linear_decay
from minigen.algorithms.experiment import Setup
from minigen.autograd import Tensor
from minigen.random import Generator


class AugmentPipe:
    """Maps images (N, C, H, W) as the options ``augment`` and ``instance_noise`` say, with random numbers of `noise`.

    `noise_std` is the standard deviation of the instance noise; `decay` sets it for update k.
    """

    def __init__(self, setup: Setup, noise: Generator) -> None:
        self.augment, self.noise = AUGMENTATIONS[setup.options.get("augment", "none")], noise
        self.noise_std = self.initial_std = setup.options.get("instance_noise", 0.0)
        self.steps = setup.steps

    def __call__(self, x: Tensor) -> Tensor:
        return augmented(x, self.noise, augment=self.augment, noise_std=self.noise_std)

    def paired(self, *batches: Tensor) -> tuple[Tensor, ...]:
        """Batches of one shape; the i-th images of all of them get the same random numbers.

        Images that are the same before are the same after, and so images of a pair can still be compared.
        """
        start, results = self.noise.state, []
        for x in batches:
            self.noise.state = start
            results.append(self(x))
        return tuple(results)

    def decay(self, k: int) -> None:
        """Set the instance noise of update k, from 0."""
        self.noise_std = linear_decay(self.initial_std, k, self.steps)
