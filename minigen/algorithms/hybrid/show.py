"""How the discriminator of a hybrid is shown images in training: augmented, and with noise that fades over the run.

Real and made images go the same way, each batch with new draws, and the gradient of made ones flows through it. With
neither option images are shown as they are, and nothing is drawn.

Imports: adversarial.augment. Read next: ``mdgan.py``, then ``vae_gan.py``, which has to show two images alike.
"""

from __future__ import annotations

from minigen.algorithms.adversarial.augment import AUGMENTATIONS, augmented, linear_decay
from minigen.algorithms.experiment import Setup
from minigen.autograd import Tensor
from minigen.random import Generator


class Show:
    """Images (N, C, H, W) as the options ``augment`` and ``instance_noise`` have them shown, with draws from `noise`.

    `noise_std` is the standard deviation of the instance noise; `fade` sets it for update k.
    """

    def __init__(self, setup: Setup, noise: Generator) -> None:
        self.augment, self.noise = AUGMENTATIONS[setup.options["augment"]], noise
        self.noise_std = self.first_std = setup.options["instance_noise"]
        self.steps = setup.steps

    def __call__(self, x: Tensor) -> Tensor:
        return augmented(x, self.noise, augment=self.augment, noise_std=self.noise_std)

    def alike(self, *kinds: Tensor) -> tuple[Tensor, ...]:
        """Images of several kinds and one shape, the i-th of each kind with the same draws.

        What is the same before is the same after: two images can still be compared.
        """
        start, shown = self.noise.state, []
        for x in kinds:
            self.noise.state = start
            shown.append(self(x))
        return tuple(shown)

    def fade(self, k: int) -> None:
        """The noise of update k, from 0."""
        self.noise_std = linear_decay(self.first_std, k, self.steps)
