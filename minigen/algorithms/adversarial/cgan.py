"""The conditional GAN (Mirza and Osindero 2014, arXiv:1411.1784): both networks are conditioned on labels.

The discriminator decides whether an image is real for its label y, so the generator has to make images of that class.
The one minimises -E log D(x | y) - E log(1 - D(G(z | y) | y)) (their equation 2), the other -E log D(G(z | y) | y).
Fake images have the labels of the real ones in the batch.

Two files complete this one: ``step.py`` has the update loop, ``conditional.py`` the generator's condition and samples.

Imports: build, step, conditional, models. Read next: ``acgan.py``.
"""

from __future__ import annotations

from minigen import ops
from minigen.algorithms.adversarial.build import assemble_gan, make_discriminator, make_generator
from minigen.algorithms.adversarial.conditional import ConditionalGAN, class_count, make_experiment, recipe
from minigen.algorithms.adversarial.step import Objective
from minigen.algorithms.experiment import Experiment, Setup
from minigen.autograd import Tensor
from minigen.models.conditional_gan import ConditionalDiscriminator, with_labels
from minigen.random import Generator


class CGAN(ConditionalGAN):
    """The discriminator is given the condition too: D(x | y)."""

    def scores(self, x: Tensor) -> Tensor:
        """The scores (N,) of images; of twice as many as there are labels, the second half has the same labels."""
        joint = len(x) == 2 * len(self.condition)
        return self.discriminator(x, ops.concat([self.condition, self.condition]) if joint else self.condition)


def build(setup: Setup, objective: Objective) -> Experiment:
    """Dense networks see the label beside the pixels, convolutions as another channel."""
    options, image, classes = setup.options, setup.image_shape, class_count("cgan", setup)
    rng, embedded = Generator(setup.seed).spawn("weights"), options["network"] == "conv"
    body = make_discriminator(options, ConditionalDiscriminator.input_shape(image, classes, embedded=embedded), rng)
    discriminator = with_labels(body, image, classes, embedded=embedded, rng=rng.spawn("label"))
    generator = make_generator(options, image, rng, inputs=options["latent"] + classes)
    model = assemble_gan(CGAN, setup, generator, discriminator, name="cgan", classes=classes)
    return make_experiment(setup, model, objective, terms={}, auxiliary=False)


RECIPES = (
    recipe(
        "cgan",
        "both networks are told the class: samples of a class that you name",
        "Mirza and Osindero 2014, Conditional generative adversarial nets, arXiv:1411.1784",
        build,
    ),
)
