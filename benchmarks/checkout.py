"""Makes Python find minigen in this checkout, ahead of one that is installed. Imported for that alone.

Imports: the standard library. Read next: ``run.py``.
"""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "kernels")]
