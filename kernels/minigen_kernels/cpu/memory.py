"""Let the C library keep freed memory for the next array, in large pages.

glibc returns every freed array above 128 kB to the system at once, and the next array of that size is mapped again,
page by page: a quarter of the time of a training step on images. With two settings it keeps freed memory, as the
caching allocators of GPU libraries do. From then on a step maps no page.

A processor finds a page of memory by tables, of which it remembers some: 4 kB pages of more than some megabytes are
forgotten and looked up again, which is slow on a virtual machine. Linux gives pages of 2 MB where a program asks for
them. So here the heap becomes large at once - it takes no memory before it is used - and asks for them: 2 % of a step,
5 % where many weights are updated.

Other C libraries have no `mallopt`; there this does nothing.

Imports: nothing of the project. Read next: ``conv.py``.
"""

from __future__ import annotations

import ctypes
import mmap

_TRIM_THRESHOLD, _TOP_PAD, _MMAP_THRESHOLD = -1, -2, -3  # names of mallopt's parameters, from malloc.h
LARGEST = 32 << 20  # bytes of an array that is kept: glibc's limit
HEAP = 512 << 20  # bytes of addresses that ask for large pages
USUAL_PAD = 128 << 10  # what the heap grows by at least, unless told
PAGE = 2 << 20  # bytes of a large page


def keep_freed_memory() -> bool:
    """Let this process keep freed arrays of up to 32 MB; False if that cannot be set."""
    try:
        library = ctypes.CDLL(None)
        mallopt = library.mallopt
    except (AttributeError, OSError, TypeError):
        return False
    kept = bool(mallopt(_MMAP_THRESHOLD, LARGEST)) and bool(mallopt(_TRIM_THRESHOLD, 1 << 30))
    if kept and hasattr(mmap, "MADV_HUGEPAGE"):
        _ask_for_large_pages(library)
    return kept


def _ask_for_large_pages(library: ctypes.CDLL) -> None:
    """Let the heap grow, and ask for large pages there; what fails leaves everything as it was."""
    address, size = ctypes.c_void_p, ctypes.c_size_t
    library.malloc.restype, library.sbrk.restype = address, address
    start = library.sbrk(size(0))
    library.mallopt(_TOP_PAD, HEAP)
    library.free(address(library.malloc(size(LARGEST // 2))))  # grows by the pad, too
    library.mallopt(_TOP_PAD, USUAL_PAD)
    start, end = -(-start // PAGE) * PAGE, library.sbrk(size(0)) // PAGE * PAGE
    if end > start:
        library.madvise(address(start), size(end - start), mmap.MADV_HUGEPAGE)
