"""The data sets that are known by name, and which data an option of `load` is for.

Imports: nothing. Read next: ``sources.py``.
"""

from __future__ import annotations

NAMES = {
    "glyphs": "60,000 + 10,000 drawn digits (or letters) with their true factors, 28x28 grey; needs no file",
    "mnist": "60,000 + 10,000 handwritten digits, 28x28 grey (LeCun et al. 1998)",
    "fashion-mnist": "60,000 + 10,000 pictures of clothes, 28x28 grey (Xiao et al. 2017)",
    "binarized-mnist": "50,000 + 10,000 + 10,000 fixed binary digits, 28x28 (Larochelle and Murray 2011)",
    "stacked-mnist": "128,000 + 26,000 pictures of three handwritten digits, one a colour: 1000 modes, 28x28 RGB",
    "stacked-glyphs": "the same of drawn digits; needs no file",
    "ring": "100,000 + 10,000 points of the plane from 8 Gaussians; needs no file",
    "grid": "100,000 + 10,000 points of the plane from 25 Gaussians; needs no file",
}
CLASSES = {
    "mnist": tuple("0123456789"),
    "fashion-mnist": (
        *("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat"),
        *("Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"),
    ),
}
OWNERS = {
    "image_size": "folders of pictures, archives and tables",
    "image_channels": "folders of pictures, archives and tables",
    "image_alpha": "folders of pictures, archives and tables",
    "image_fit": "folders of pictures, archives and tables",
    "image_range": "folders of pictures, archives and tables",
    "labels": "folders of pictures and archives",
    "stream": "data in files of your own",
}
