"""The Frechet distance and precision and recall of several packages: ``python in_metrics.py metrics PACKAGE``.

The functions that are measured need no torchvision, which the packages import: an empty module stands for it, so that
any build of PyTorch will do.

Imports: the package; NumPy. Read next: ``in_mpi.py``.
"""

from __future__ import annotations

import sys
from importlib.metadata import version
from unittest.mock import MagicMock

import inputs
import numpy as np
from adapter import main

PACKAGE = sys.argv[-1]
for name in ("", ".transforms", ".transforms.functional", ".models", ".models.inception", ".datasets", ".utils"):
    sys.modules["torchvision" + name] = MagicMock()


def statistics(x):
    return x.mean(0), np.atleast_2d(np.cov(x, rowvar=False))


def distance(a, b):
    """The Frechet distance of features (N, D) as the package computes it, rounded: the last digits are noise."""
    a, b = (np.asarray(x, np.float64) for x in (a, b))
    if PACKAGE == "pytorch-fid":
        from pytorch_fid.fid_score import calculate_frechet_distance

        found = calculate_frechet_distance(*statistics(a), *statistics(b))
    elif PACKAGE == "clean-fid":
        from cleanfid.fid import frechet_distance

        found = frechet_distance(*statistics(a), *statistics(b))
    elif PACKAGE == "torch-fidelity":
        import torch
        from torch_fidelity.metric_fid import fid_features_to_statistics, fid_statistics_to_metric

        sets = [fid_features_to_statistics(torch.tensor(x)) for x in (a, b)]
        found = fid_statistics_to_metric(*sets, False)["frechet_inception_distance"]
    else:
        import torch
        from torchmetrics.image.fid import FrechetInceptionDistance

        class Same(torch.nn.Module):
            num_features = a.shape[1]

            def forward(self, x):
                return x

        metric = FrechetInceptionDistance(Same(), normalize=True).set_dtype(torch.float64)
        metric.used_custom_model = True
        metric.update(torch.tensor(a), real=True)
        metric.update(torch.tensor(b), real=False)
        found = metric.compute().item()
    return round(float(found), 3)


def neighbours(real, fake, which, k=3):
    """The metrics that are asked for; torch-fidelity has precision and recall."""
    real, fake = (np.asarray(x, np.float64) for x in (real, fake))
    if PACKAGE == "prdc":
        from prdc import compute_prdc

        found = compute_prdc(real, fake, k)
        return [float(found[name]) for name in which]
    import torch
    from torch_fidelity.metric_prc import prc_features_to_metric

    options = dict(prc_neighborhood=k, prc_batch_size=100, verbose=False)
    found = prc_features_to_metric(torch.tensor(real), torch.tensor(fake), **options)
    return [found[name] for name in which]


def metrics():
    cells = {}
    if PACKAGE != "prdc":
        cells.update({key: lambda sets=sets: distance(*sets) for key, sets in inputs.frechet_sets().items()})
    if PACKAGE in ("prdc", "torch-fidelity"):
        for key, sets in inputs.neighbour_sets().items():
            cells[key] = lambda sets=sets: neighbours(*sets, inputs.PRECISION)
            if PACKAGE == "prdc":
                cells[f"{key}, density"] = lambda sets=sets: neighbours(*sets, inputs.DENSITY)
    return cells


if __name__ == "__main__":
    main({PACKAGE: version(PACKAGE)}, {"metrics": metrics})
