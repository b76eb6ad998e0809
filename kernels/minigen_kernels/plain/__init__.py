"""The plain room: some kernels as a student would write them, to read between the formula and the fast version.

* ``conv.py``, ``gemm.py``, ``pool.py``, ``softmax.py`` - loops in Numba, in the order of the formula;
* the ``.cu`` file beside each - the same in CUDA C++, one thread for each cell of the result;
* ``cuda.py`` - how the latter are launched.

They take the arguments of ``reference``, all of them, and are held to it by tests. They are for reading and for
comparison (`minigen kernel conv2d --room plain`), and nothing else in the library calls them: the rooms to compute
with are ``cpu`` and ``cuda``. Here are the kernels whose fast version is far from the formula, and no others.
Chapter 7 of the guide, ``docs/guide/07_three_rooms.md``, reads the first of them line by line.

Read next: ``conv.py``.
"""

from minigen_kernels.plain import cuda
from minigen_kernels.plain.conv import conv2d, conv2d_weight_grad, conv_transpose2d
from minigen_kernels.plain.gemm import matmul
from minigen_kernels.plain.pool import max_pool2d
from minigen_kernels.plain.softmax import softmax

#: The kernels that this room has.
NAMES = ("conv2d", "conv_transpose2d", "conv2d_weight_grad", "matmul", "max_pool2d", "softmax")
