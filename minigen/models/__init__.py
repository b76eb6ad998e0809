"""Architectures of models. Their losses and updates are in ``minigen/algorithms``.

Imports: nn, ops. Read next: ``autoencoder.py``.
"""

from minigen.models import autoencoder, gan, vae

__all__ = ["autoencoder", "gan", "vae"]
