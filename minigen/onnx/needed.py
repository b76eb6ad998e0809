"""The packages that an ONNX file needs, and what to install without them.

Imports: nothing of minigen. Read next: ``export.py``.
"""

from __future__ import annotations

import importlib.util


def has(package: str) -> bool:
    """Whether a package is installed; a folder of that name that happens to be on the path is none."""
    spec = importlib.util.find_spec(package)
    return spec is not None and spec.origin is not None


def require(package: str) -> None:
    """RuntimeError if a package is not installed: what to do."""
    if not has(package):
        raise RuntimeError(f"{package} is not installed: pip install 'minigen-engine[onnx]'")
