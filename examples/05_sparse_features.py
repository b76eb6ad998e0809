"""What does a sparse code learn? Train an autoencoder with and without a penalty on the code, and draw its features.

    python examples/05_sparse_features.py

Expected: with the L1 penalty an image switches on about a quarter of the 100 code units, without it nearly all; and
sparse_features.png shows what each unit paints, the most used first: blots, strokes and parts of digits, and noise for
the units that the penalty has switched off. About 10 seconds on a laptop.
Ng 2011, Sparse autoencoder, CS294A lecture notes.
"""

import argparse

import numpy as np

import minigen as mg
from minigen import data, optim, pictures
from minigen.algorithms.autoencoders import ae, build, sparse_ae
from minigen.algorithms.prediction import predict
from minigen.algorithms.updates import Updates
from minigen.models import autoencoder as models


def main(steps: int | None = None, epochs: int = 3, weight: float = 3e-4, dataset: str = "glyphs",
         data_dir: str | None = None, device: str = "cpu",
         out: str = "sparse_features.png") -> tuple[float, float]:  # fmt: skip
    """Train both; write the features of the sparse one; return the mean share of active units (plain, sparse)."""
    train = data.load(dataset, split="train", data_dir=data_dir)
    x_test = data.load(dataset, split="test", data_dir=data_dir).images_float(slice(0, 1000))

    shares = []
    for name in ("plain", "sparse"):
        model = models.dense(train.image_shape, (100,), (), rng=mg.Generator(seed=0)).to(device)
        update = Updates({"model": optim.Adam(model.parameters())})
        plain, sparse = ae.reconstruction(model, ae.mse), sparse_ae.sparse(model, ae.mse, "l1", weight)
        objective, rng = {"plain": plain, "sparse": sparse}[name], mg.Generator(seed=0, device=device)
        step = build.gradient_step(model, update, objective, lambda x, rng: mg.Tensor(x, device=device), rng)
        done = 0
        batches = data.Batches(train, 128, seed=0)
        for _ in range(epochs):
            for batch in batches:
                step(batch)
                done += 1
                if done == steps:
                    break
            if done == steps:
                break
        codes = predict(model, x_test, function=model.encode, device=device)
        error = np.square(predict(model, x_test, device=device) - x_test).mean()
        shares.append(float((codes > 0.01).mean()))
        print(f"{name:6s}  active units {shares[-1]:6.1%}  squared error per pixel {error:.4f}")

    # What unit k paints: the decoder's weights for it. The most used units come first.
    order = np.argsort(-codes.mean(0))
    features = model.decoder[0].weight.numpy().T[order].reshape(-1, *train.image_shape)
    features = features / np.abs(features).max((1, 2, 3), keepdims=True)
    pictures.save_png(pictures.grid(features, 10, value_range=(-1, 1)), out)
    print(f"wrote {out}: what each of the 100 units paints (white: adds ink, black: takes it away)")
    return shares[0], shares[1]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, help="stop after this many updates of each autoencoder")
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--weight", type=float, default=3e-4, help="weight of the penalty sum |code| per sample")
    parser.add_argument("--dataset", default="glyphs")
    parser.add_argument("--data-dir")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--out", default="sparse_features.png")
    main(**vars(parser.parse_args()))
