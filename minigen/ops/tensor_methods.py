"""What the operators and methods of Tensor call, bound to it in one place.

A Tensor's ``+`` is an operation, and operations are made of Tensors. So ``minigen/autograd/tensor.py`` cannot import
them: it calls whatever its name `methods` holds, and that is filled here, as soon as `minigen.ops` is imported.

Imports: autograd, and the operations that Tensor has. Read next: ``arithmetic.py``.
"""

from types import SimpleNamespace

from minigen.autograd import tensor
from minigen.autograd.backward import backward
from minigen.ops.arithmetic import Abs, Add, Div, FloorDiv, Mul, Neg, Remainder, Sub, power
from minigen.ops.indexing import getitem
from minigen.ops.linalg import matmul
from minigen.ops.reduce import mean, sum
from minigen.ops.shape import To, reshape, transpose

tensor.methods = SimpleNamespace(
    abs=Abs.apply, add=Add.apply, backward=backward, div=Div.apply, floordiv=FloorDiv.apply, getitem=getitem,
    matmul=matmul, mean=mean, mod=Remainder.apply, mul=Mul.apply, neg=Neg.apply, power=power, reshape=reshape,
    sub=Sub.apply, sum=sum, to=To.apply, transpose=transpose,
)  # fmt: skip
