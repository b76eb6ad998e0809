"""The VAE of ``vae_vs_published.py`` in PyTorch, in the same setting: can the published number be reached in it?

    MINIGEN_DATA=FOLDER python benchmarks/vae_in_pytorch.py            # 500 epochs, about 40 minutes on a core

Network, batches, rates, the choice of the best epoch and the estimate are those of the setting "vae" there; first
weights, random numbers and Adam are PyTorch's own. minigen only loads the images. Seen (seed 0): 92.59 nats per image,
where minigen reaches 92.69 and 89.78 is published.
"""

import argparse
import copy
import json
import math
import platform
import time
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - its usual name

from minigen import data

EPOCHS, BATCH, LATENT, HIDDEN, SAMPLES = 500, 100, 40, 400, 200
RATE, MILESTONES, FACTOR = 1e-4, (200, 350, 500), 10 ** (-1 / 5)


class VAE(nn.Module):
    """784-400-40-400-784 with ReLU; Bernoulli pixels, Gaussian codes."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.encoder, self.mean, self.logvar = (
            nn.Linear(size, HIDDEN),
            nn.Linear(HIDDEN, LATENT),
            nn.Linear(HIDDEN, LATENT),
        )
        self.decoder = nn.Sequential(nn.Linear(LATENT, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, size))

    def encode(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The mean and the log-variance of the codes, each (N, 40)."""
        h = torch.relu(self.encoder(x))
        return self.mean(h), self.logvar(h)

    def loss(self, x: Tensor) -> Tensor:
        """The negative evidence lower bound with one sample, nats per image."""
        mean, logvar = self.encode(x)
        z = mean + torch.exp(0.5 * logvar) * torch.randn_like(mean)
        missed = F.binary_cross_entropy_with_logits(self.decoder(z), x, reduction="sum")
        return (missed + 0.5 * (mean**2 + logvar.exp() - logvar - 1).sum()) / len(x)

    def log_likelihood(self, x: Tensor, samples: int) -> Tensor:
        """log p(x) by importance sampling, nats: x (N, 784) -> (N,)."""
        mean, logvar = self.encode(x)
        noise = torch.randn(samples, *mean.shape)
        z = mean + torch.exp(0.5 * logvar) * noise
        logits = self.decoder(z)
        seen = -F.binary_cross_entropy_with_logits(logits, x.expand_as(logits), reduction="none").sum(-1)
        weights = seen + 0.5 * (noise**2 + logvar - z**2).sum(-1)  # log p(x | z) + log p(z) - log q(z | x)
        return torch.logsumexp(weights.double(), 0) - math.log(samples)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochs", type=int, default=EPOCHS)
    parser.add_argument("--samples", type=int, default=SAMPLES, help="importance samples of the estimate")
    parser.add_argument("--limit", type=int, help="use this many images of each split")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--out", type=Path, default=Path(__file__).parent / "results" / "vae-pytorch-binarized-mnist.json"
    )
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(arguments.seed)
    train, valid, test = (
        torch.from_numpy(data.load("binarized-mnist", split=split).images_float()[: arguments.limit].reshape(-1, 784))
        for split in ("train", "valid", "test")
    )
    model = VAE(train.shape[1])
    optimizer = torch.optim.Adam(model.parameters(), lr=RATE)
    schedule = torch.optim.lr_scheduler.MultiStepLR(optimizer, MILESTONES, FACTOR)
    start, best, best_epoch, weights = time.perf_counter(), math.inf, 0, model.state_dict()
    for epoch in range(1, arguments.epochs + 1):
        total = 0.0
        for rows in torch.randperm(len(train)).split(BATCH):
            optimizer.zero_grad()
            loss = model.loss(train[rows])
            loss.backward()
            optimizer.step()
            total += loss.item() * len(rows)
        schedule.step()
        with torch.no_grad():
            validation = model.loss(valid).item()
        if validation < best:
            best, best_epoch, weights = validation, epoch, copy.deepcopy(model.state_dict())
        print(
            f"epoch {epoch}/{arguments.epochs}  loss {total / len(train):.3f}  validation {validation:.3f}", flush=True
        )
    seconds = time.perf_counter() - start
    model.load_state_dict(weights)
    with torch.no_grad():
        nll = -torch.cat([model.log_likelihood(x, arguments.samples) for x in test.split(20)])
        test_loss = model.loss(test).item()
    result = {
        "what": "negative log-likelihood of the test images of fixed binarised MNIST, nats per image, one thread",
        "nll": nll.mean().item(),
        "standard_error_over_images": nll.std().item() / math.sqrt(len(nll)),
        "published": 89.78,
        "importance_samples": arguments.samples,
        "test_loss": test_loss,
        "validation_loss": best,
        "best_epoch": best_epoch,
        "model": "vae in PyTorch",
        "epochs": arguments.epochs,
        "seed": arguments.seed,
        "training_seconds": seconds,
        "cpu": platform.machine(),
        "versions": {"torch": torch.__version__, "python": platform.python_version()},
    }
    arguments.out.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    print(f"{result['nll']:.3f} nats per image; wrote {arguments.out}", flush=True)


if __name__ == "__main__":
    main()
