"""Train an autoencoder to clean up images: it sees salt-and-pepper noise and is asked for the clean original.

    python examples/04_denoising.py
    python examples/04_denoising.py --noise masking --level 0.5

Expected: denoising.png with triples - clean, corrupted, reconstructed - and the test error of the reconstruction about
an eighth of that of the corrupted image. About 10 seconds on a laptop.
Vincent et al. 2010, Stacked denoising autoencoders, JMLR 11.
"""

import argparse

import numpy as np

import minigen as mg
from minigen import data, optim, pictures
from minigen.algorithms.autoencoders import ae, build, denoising_ae
from minigen.algorithms.prediction import predict
from minigen.algorithms.updates import Updates
from minigen.models import autoencoder as models

NOISE = {
    "masking": denoising_ae.masking, "gaussian": denoising_ae.gaussian, "salt-and-pepper": denoising_ae.salt_and_pepper,
}  # fmt: skip


def main(steps: int | None = None, epochs: int = 3, noise: str = "salt-and-pepper", level: float = 0.3,
         dataset: str = "glyphs", data_dir: str | None = None, device: str = "cpu",
         out: str = "denoising.png") -> tuple[float, float]:  # fmt: skip
    """Train; write the picture; return the error of the corrupted and of the reconstructed test images."""
    train = data.load(dataset, split="train", data_dir=data_dir)
    test = data.load(dataset, split="test", data_dir=data_dir)

    rng = mg.Generator(seed=0, device=device)
    model = models.dense(train.image_shape, (256, 64), (256,), rng=mg.Generator(seed=0)).to(device)
    corrupt = NOISE[noise](level)
    update = Updates({"model": optim.Adam(model.parameters())})
    objective = denoising_ae.denoising(model, ae.bce, corrupt)
    step = build.gradient_step(model, update, objective, lambda x, rng: mg.Tensor(x, device=device), rng)

    done = 0
    batches = data.Batches(train, 128, seed=0)
    for epoch in range(epochs):
        for batch in batches:
            terms = step(batch)
            done += 1
            if done == steps:
                break
        print(f"epoch {epoch + 1}/{epochs}  cross-entropy {terms['loss'].item():.4f} nats per pixel")
        if done == steps:
            break

    clean = test.images_float(slice(0, 500))
    corrupted = mg.Tensor(corrupt(mg.Tensor(clean, device=device).data, rng)).numpy()
    restored = predict(model, corrupted, device=device)
    before, after = (float(np.square(x - clean).mean()) for x in (corrupted, restored))
    print(f"squared error per pixel: {before:.4f} with noise, {after:.4f} after the autoencoder")
    columns = [x[:24] for x in (clean, corrupted, restored)]
    pictures.save_png(pictures.side_by_side(columns, groups=3), out)
    print(f"wrote {out}: clean, corrupted, reconstructed")
    return before, after


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, help="stop after this many updates")
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--noise", choices=sorted(NOISE), default="salt-and-pepper")
    parser.add_argument("--level", type=float, default=0.3)
    parser.add_argument("--dataset", default="glyphs")
    parser.add_argument("--data-dir")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--out", default="denoising.png")
    main(**vars(parser.parse_args()))
