"""ONNX: what a network becomes for other runtimes, and what other libraries have written, as ``mg.onnx``.

The package ``onnx`` (``pip install 'minigen-engine[onnx]'``) is imported where it is used. A Function states its ONNX
form beside its definition, in its method `onnx`.

Imports: the other files of this room. Read next: ``export.py``, ``load.py``.
"""

from minigen.onnx.export import Exported, export
from minigen.onnx.load import load
from minigen.onnx.load_node import LoadError
from minigen.onnx.recording import ExportError

__all__ = ["ExportError", "Exported", "LoadError", "export", "load"]
