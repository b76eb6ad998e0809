"""Download the files of public data sets from the first mirror that works, and verify their SHA-256.

Imports: ``cache.py``; pooch when it fetches. Read next: ``sources.py``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

TIMEOUT = 30  # seconds without data


class DownloadError(OSError):
    """No mirror gave the file."""


@dataclass(frozen=True)
class Remote:
    """A public data set: base addresses, each with the same files, and the SHA-256 of every file."""

    mirrors: tuple[str, ...]
    files: dict[str, str]


REMOTES = {
    "mnist": Remote(
        (
            "https://ossci-datasets.s3.amazonaws.com/mnist/",
            "https://storage.googleapis.com/cvdf-datasets/mnist/",
        ),
        {
            "train-images-idx3-ubyte.gz": "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
            "train-labels-idx1-ubyte.gz": "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
            "t10k-images-idx3-ubyte.gz": "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
            "t10k-labels-idx1-ubyte.gz": "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
        },
    ),
    "fashion-mnist": Remote(
        (
            "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
            "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
        ),
        {
            "train-images-idx3-ubyte.gz": "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
            "train-labels-idx1-ubyte.gz": "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
            "t10k-images-idx3-ubyte.gz": "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
            "t10k-labels-idx1-ubyte.gz": "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
        },
    ),
    "binarized-mnist": Remote(
        ("http://www.cs.toronto.edu/~larocheh/public/datasets/binarized_mnist/",),
        {
            "binarized_mnist_train.amat": "ad693b29f94c14277b095f5238ddefbbdaaae0939789dd2f4f0205278cee3e4d",
            "binarized_mnist_valid.amat": "1de3d397c40fe8eeb33dafd4099a1f665ec01e96d9be234aaeeac8a34930e2e2",
            "binarized_mnist_test.amat": "e6687bfea3f820c174f33b7865140b2a2dd2930ef786f35d45795fc193b5ab2c",
        },
    ),
}


def fetch(file: str, sha256: str, mirrors: Sequence[str], folder: Path) -> Path:
    """The path of `file` in `folder`; a missing file is downloaded from the first of `mirrors` that has it.

    A mirror is a base address. A file is kept only if it is complete and its SHA-256 is correct. DownloadError gives
    the error of each mirror.
    """
    import pooch

    # The timeout is for each read, so that a dead mirror cannot block a run.
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DownloadError(
            f"could not make the folder {folder} for downloads ({error.strerror}); MINIGEN_CACHE can name another"
        ) from error
    downloader = pooch.HTTPDownloader(chunk_size=1 << 16, timeout=TIMEOUT)
    failures = []
    for mirror in mirrors:
        try:
            path = pooch.retrieve(
                mirror + file, known_hash=f"sha256:{sha256}", fname=file, path=folder, downloader=downloader
            )
        except (OSError, ValueError) as error:  # requests' errors are OSErrors; a wrong checksum is a ValueError
            failures.append(f"{mirror}: {_short(error)}")
        else:
            return Path(path)
    raise DownloadError(f"could not download {file} ({'; '.join(failures)})")


def _short(error: Exception) -> str:
    """An error in at most 120 characters: network errors are long and repeat the address."""
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}" if len(text) <= 120 else f"{type(error).__name__}: {text[:117]}..."
