"""What is measured: the steps, their data, the noise that they draw, and the arithmetic that they need.

Imports: NumPy, arithmetic. Read next: ``dense/in_minigen.py``.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from minigen_bench.arithmetic import conv, dense, forward, gan, halving, slope, train

Draw = tuple[str, tuple[int, ...]]  # ("normal" or "uniform", shape of one sample)


@dataclass(frozen=True)
class Step:
    """One step: `title` for the table, `flops` of one sample, `noise` that a step draws for each sample.

    `network` names the function in the files of the libraries, where several steps share it. `cannot`: the peers that
    have no such step, each with the reason.
    """

    title: str
    flops: int
    image: tuple[int, ...]
    batch: int = 128
    noise: tuple[Draw, ...] = ()
    low: float = 0.0  # pixels are uniform from here to 1
    classes: int = 0  # with these the second array of the data are labels
    dtype: str = "float32"
    trains: bool = True
    network: str = ""
    cannot: dict[str, str] = field(default_factory=dict)

    def data(self, batch: int) -> list[NDArray[Any]]:
        """Two batches of random images: real and, for the critic, fake; or images and labels."""
        rng = np.random.default_rng(0)
        images = [rng.uniform(self.low, 1, (batch, *self.image)).astype(self.dtype) for _ in range(2)]
        return [images[0], rng.integers(0, self.classes, batch)] if self.classes else images

    def fixed_noise(self, batch: int) -> list[NDArray[Any]]:
        """What the comparison of losses uses instead of each library's own noise."""
        rng = np.random.default_rng(1)
        kinds: dict[str, Any] = {"normal": rng.standard_normal, "uniform": rng.random}
        return [kinds[kind]((batch, *shape)).astype(self.dtype) for kind, shape in self.noise]


def code(size: int, times: int = 1) -> tuple[Draw, ...]:
    """Noise in a code, drawn so many times in a step."""
    return (("normal", (size,)),) * times


ONLY_DIRECTIONS = dict.fromkeys(
    ("torch-tuned", "jax"), "the fast check looks along random directions alone, not at each element"
)
TWICE = {"torch-compile": "compiled networks have no second derivatives"}

CONV_AE = [
    conv(1, 16, 3, 28), conv(16, 8, 3, 14), conv(8, 8, 3, 7),
    conv(8, 8, 3, 4), conv(8, 8, 3, 8), conv(8, 16, 3, 14), conv(16, 1, 3, 28),
]  # fmt: skip
DENOISING_AE = [
    conv(1, 32, 3, 28), conv(32, 32, 3, 14), conv(32, 32, 3, 7), conv(32, 32, 3, 14), conv(32, 1, 3, 28)
]  # fmt: skip
DOWN_32, DOWN_64 = halving(4, 32, 3, 32, 64, 128), halving(4, 64, 3, 32, 64, 128, 256)
VAE_32 = [*DOWN_32, *dense(2048, 128), *dense(64, 2048), *DOWN_32[::-1]]
VAE_64 = [*DOWN_64, *dense(4096, 256), *dense(128, 4096), *DOWN_64[::-1]]
WIDE_AE = [conv(3, 64, 3, 16), conv(64, 64, 3, 16), conv(64, 64, 3, 16), conv(64, 3, 3, 16)]
RES_DOWN = [2 * conv(32, 32, 3, 32), conv(32, 64, 4, 16), 2 * conv(64, 64, 3, 16), conv(64, 128, 4, 8)]
RES_AE = [conv(3, 32, 3, 32), *RES_DOWN, 2 * conv(128, 128, 3, 8), *RES_DOWN[::-1], conv(32, 3, 3, 32)]
VQ_DOWN = [*halving(4, 32, 3, 64, 128), conv(128, 64, 1, 8)]
VQ_VAE = [*VQ_DOWN, 64 * dense(64, 256)[0] // 3, conv(64, 128, 3, 8), *VQ_DOWN[1::-1]]  # the distances: forward alone
CLASSIFIER = [conv(1, 32, 3, 26), conv(32, 64, 3, 24), *dense(9216, 128, 10)]
DCGAN_GENERATOR = [100 * 7 * 7 * 256, conv(256, 128, 5, 7), conv(128, 64, 5, 7), conv(64, 1, 5, 14)]
DCGAN_DISCRIMINATOR = [conv(1, 64, 3, 14), conv(64, 32, 3, 7), 32 * 7 * 7]
DCGAN_64 = [*halving(4, 64, 3, 64, 128, 256, 512), 512 * 4 * 4]
CRITIC = [conv(1, 64, 5, 14), conv(64, 128, 5, 7), 128 * 7 * 7]
SNGAN = [*halving(4, 32, 3, 64, 128, 256), 4096]
R1_GAN = [*halving(4, 28, 1, 32, 64), 64 * 7 * 7]

STEPS = {
    "dense-ae": Step("dense AE 784-128-64-128-784", train(dense(784, 128, 64, 128, 784)), (784,)),
    "conv-ae": Step("conv AE 16/8/8, max pooling, upsampling", train(CONV_AE), (1, 28, 28)),
    "vae": Step(
        "VAE 784-400-20-400-784",
        train([784 * 400, 400 * 20, 400 * 20, *dense(20, 400, 784)]),
        (784,),
        noise=code(20),
    ),
    "gan": Step(
        "dense GAN, one D and one G update",
        gan(dense(100, 128, 256, 512, 1024, 784), dense(784, 1024, 512, 256, 128, 64, 32, 1)),
        (784,),
        noise=code(100, times=2),
        low=-1.0,
    ),
    "dcgan": Step(
        "DCGAN 28x28, one D and one G update",
        gan(DCGAN_GENERATOR, DCGAN_DISCRIMINATOR),
        (1, 28, 28),
        noise=code(100, times=2),
        low=-1.0,
    ),
    "wgan-gp": Step(
        "WGAN-GP critic update",
        train(CRITIC, 2) + slope(CRITIC),
        (1, 28, 28),
        noise=(("uniform", (1, 1, 1)),),
        low=-1.0,
        cannot=TWICE,
    ),
    "conv-vae": Step("conv VAE 3x32x32, 4x4/2 kernels 32-64-128", train(VAE_32), (3, 32, 32), batch=64, noise=code(64)),
    "wide-ae": Step("AE of 64 channels, 3x3, batch norm, 3x16x16", train(WIDE_AE), (3, 16, 16), batch=64),
    "conv-vae-64": Step(
        "conv VAE 3x64x64, 4x4/2 kernels 32 to 256", train(VAE_64), (3, 64, 64), batch=32, noise=code(128)
    ),
    "dcgan-64": Step(
        "DCGAN 3x64x64, 4x4 kernels 64 to 512",
        gan([512 * 100 * 16, *DCGAN_64[-2::-1]], DCGAN_64),
        (3, 64, 64),
        batch=16,
        noise=code(100, times=2),
        low=-1.0,
    ),
    "res-ae": Step("residual AE with skip connections, 3x32x32", train(RES_AE), (3, 32, 32), batch=32),
    "sngan": Step(
        "SN-GAN 3x32x32, hinge loss, one D and one G update",
        gan([*dense(128, 4096), *SNGAN[-2::-1]], SNGAN),
        (3, 32, 32),
        batch=64,
        noise=code(128, times=2),
        low=-1.0,
    ),
    "r1-gan": Step(
        "R1-GAN 28x28, one D and one G update",
        gan([*dense(64, 64 * 7 * 7), *R1_GAN[1::-1]], R1_GAN) + slope(R1_GAN) - forward(R1_GAN),
        (1, 28, 28),
        batch=64,
        noise=code(64, times=2),
        low=-1.0,
        cannot=TWICE,
    ),
    "vq-vae": Step("VQ-VAE 3x32x32, 256 codes of 64", train(VQ_VAE), (3, 32, 32), batch=64),
    "denoising-ae": Step(
        "denoising conv AE 32/32, 28x28", train(DENOISING_AE), (1, 28, 28), noise=(("normal", (1, 28, 28)),)
    ),
    "classifier": Step("MNIST classifier, 3x3 kernels 32-64", train(CLASSIFIER), (1, 28, 28), batch=64, classes=10),
}
STEPS |= {
    "gan-by-hand": replace(STEPS["gan"], title="the dense GAN, leaky ReLU as a function of the user's"),
    "vae-16": replace(STEPS["vae"], title="the VAE", batch=16, network="vae"),
    "dense-ae-1024": replace(STEPS["dense-ae"], title="the dense AE", batch=1024, network="dense-ae"),
    "dense-ae-float64": replace(STEPS["dense-ae"], title="the dense AE, float64", dtype="float64", network="dense-ae"),
    "conv-vae-16": replace(STEPS["conv-vae"], title="the conv VAE 3x32x32", batch=16, network="conv-vae"),
    "conv-ae-1024": replace(STEPS["conv-ae"], title="the conv AE", batch=1024, network="conv-ae"),
    "conv-vae-float64": replace(
        STEPS["conv-vae"], title="the conv VAE 3x32x32, float64", dtype="float64", network="conv-vae"
    ),
}
ENCODE = Step("encoder of the conv VAE 3x32x32, inference", forward(VAE_32[:4]), (3, 32, 32), batch=64, trains=False)
DECODE = Step("decoder of the conv VAE 3x32x32, inference", forward(VAE_32[4:]), (64,), batch=64, trains=False)
STEPS |= {
    "encode": replace(ENCODE, network="encode"),
    "encode-1": replace(ENCODE, title="the same encoder", batch=1, network="encode"),
    "decode": replace(DECODE, network="decode"),
    "decode-1": replace(DECODE, title="the same decoder", batch=1, network="decode"),
    "gradcheck": Step(
        "gradcheck of a 3x3 convolution of 3 to 4 channels, 6x6",
        0,
        (3, 6, 6),
        batch=2,
        dtype="float64",
        trains=False,
        cannot=ONLY_DIRECTIONS | {"torch-compile": "there is nothing to compile"},
    ),
}
