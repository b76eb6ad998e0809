"""ONNX: what a network becomes for other runtimes, and what other libraries have written, as ``mg.onnx``.

The package ``onnx`` (``pip install 'minigen-engine[onnx]'``) is imported where it is used. A Function states its ONNX
form beside its definition, in its method `onnx`.

Imports: nothing yet. Read next: the files of this room.
"""

__all__: list[str] = []
