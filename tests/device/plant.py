"""A plugin of pytest that plants one fault: as minigen is imported, one text of one file is another one.

``MINIGEN_PLANT`` has the file, the text and what stands in its place as JSON; no file is changed. Used by
``test_planted_faults.py``: ``pytest -p device.plant``.
"""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import importlib.util
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from types import CodeType, ModuleType

FILE, OLD, NEW = json.loads(os.environ.get("MINIGEN_PLANT", '["", "", ""]'))


class PlantedLoader(importlib.machinery.SourceFileLoader):
    """Loads a module with the fault in it."""

    def get_code(self, fullname: str) -> CodeType:
        text = Path(self.path).read_text(encoding="utf-8")
        assert text.count(OLD) == 1, f"{OLD!r} stands {text.count(OLD)} times in {FILE}: write the fault anew"
        return compile(text.replace(OLD, NEW), self.path, "exec")


class Planter(importlib.abc.MetaPathFinder):
    """Finds the module of `FILE` alone."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname.replace(".", "/") + ".py" != FILE.removeprefix("kernels/"):
            return None
        place = Path(__file__).resolve().parents[2] / FILE
        return importlib.util.spec_from_file_location(fullname, place, loader=PlantedLoader(fullname, str(place)))


if FILE:
    sys.meta_path.insert(0, Planter())
