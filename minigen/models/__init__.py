"""Room 4: architectures. How they are trained is in ``minigen/training``.

Imports: nn, ops. Read next: ``autoencoder.py``.
"""

from minigen.models import autoencoder, gan, vae

__all__ = ["autoencoder", "gan", "vae"]
