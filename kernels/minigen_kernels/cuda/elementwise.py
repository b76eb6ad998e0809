"""Element-wise functions that NumPy and CuPy lack, or do slowly, in CUDA.

CuPy compiles every program with ``-ftz=true``, after all options of its own, and its own kernels too: in float32 a
number below 1.2e-38 is 0 on a GPU. "Exact in both tails" ends there; float64 has no such limit in reach.

Imports: ``launch.py``; from ``reference`` the check of arguments. Specification: the same file there. Read next:
``elementwise.cu``, then ``conv.py``.
"""

from __future__ import annotations

from minigen_kernels import Array, Arrays
from minigen_kernels.cuda.launch import THREADS, blocks_for, contiguous, empty, launch, launch_together
from minigen_kernels.reference.elementwise import check_like, check_mix, check_pairs


def add(a: Arrays, b: Arrays) -> Arrays:
    """a + b; of two lists of arrays, all of one dtype, the list of the sums."""
    firsts, seconds = check_pairs(a, b)
    sums = [empty(x.shape, x.dtype) for x in firsts]
    tables = [contiguous(x) for x in firsts], [contiguous(x) for x in seconds], sums
    launch_together("elementwise.cu", "add_kernel", tables)
    return sums if isinstance(a, list) else sums[0]


def erf(x: Array) -> Array:
    """The error function, 2/sqrt(pi) times the integral of exp(-t^2) from 0 to x, of each element."""
    return _each("erf_kernel", x)


def erfc(x: Array) -> Array:
    """1 - erf(x) of each element, with all its digits where it is small."""
    return _each("erfc_kernel", x)


def exp_excess(x: Array) -> Array:
    """exp(x) - 1 - x of each element, by its series near 0."""
    return _each("exp_excess_kernel", x)


def log_deficit(x: Array) -> Array:
    """x - log(1 + x) of each element, by a series near 0."""
    return _each("log_deficit_kernel", x)


def sigmoid(x: Array) -> Array:
    """1 / (1 + exp(-x)) of each element, without overflow and exact in both tails."""
    return _each("sigmoid_kernel", x)


def softplus(x: Array) -> Array:
    """log(1 + exp(x)) of each element, without overflow and exact in both tails."""
    return _each("softplus_kernel", x)


def sigmoid_backward(gy: Array, y: Array) -> Array:
    """gx = gy y (1 - y) for the result y of `sigmoid`."""
    check_like("sigmoid_backward", gy, y=y)
    return _each_backward("sigmoid_backward_kernel", gy, y)


def tanh_backward(gy: Array, y: Array) -> Array:
    """gx = gy (1 - y^2) for the result y of tanh."""
    check_like("tanh_backward", gy, y=y)
    return _each_backward("tanh_backward_kernel", gy, y)


def scale_where(x: Array, condition: Array, slope: float) -> Array:
    """Keep x where the bool array `condition` (of the shape of x) is true, else slope * x; for slope 0 exactly 0."""
    if condition.shape != x.shape:
        raise ValueError(f"scale_where: condition has shape {condition.shape}, but x has {x.shape}: give it x's shape")
    y = empty(x.shape, x.dtype)
    operands = contiguous(x), contiguous(condition), slope, y, x.size
    launch("elementwise.cu", "scale_where_kernel", blocks_for(x.size), THREADS, *operands)
    return y


def leaky_relu(x: Array, slope: float) -> Array:
    """y = x where x > 0, else slope * x; for slope 0 exactly 0, but a NaN stays one."""
    y = empty(x.shape, x.dtype)
    launch("elementwise.cu", "leaky_relu_kernel", blocks_for(x.size), THREADS, contiguous(x), slope, y, x.size)
    return y


def leaky_relu_backward(gy: Array, x: Array, slope: float) -> Array:
    """gx = gy where x > 0, else slope * gy; for slope 0 exactly 0."""
    check_like("leaky_relu_backward", gy, x=x)
    gx = empty(x.shape, x.dtype)
    operands = contiguous(gy), contiguous(x), slope, gx, x.size
    launch("elementwise.cu", "leaky_relu_backward_kernel", blocks_for(x.size), THREADS, *operands)
    return gx


def mix(a: Array, b: Array, weight: Array) -> Array:
    """y_n = w_n a_n + (1 - w_n) b_n of samples, (N, ...)."""
    check_mix(a, b, weight)
    y = empty(a.shape, a.dtype)
    operands = contiguous(a), contiguous(b), contiguous(weight), y, y.size, y.size // max(1, len(a))
    launch("elementwise.cu", "mix_kernel", blocks_for(y.size), THREADS, *operands)
    return y


def reparameterize(mean: Array, logvar: Array, noise: Array) -> Array:
    """z = mean + exp(logvar / 2) noise of each element, all of any one shape."""
    check_like("reparameterize", mean, logvar=logvar, noise=noise)
    z = empty(mean.shape, mean.dtype)
    operands = contiguous(mean), contiguous(logvar), contiguous(noise), z, z.size
    launch("elementwise.cu", "reparameterize_kernel", blocks_for(z.size), THREADS, *operands)
    return z


def reparameterize_backward(gz: Array, logvar: Array, noise: Array) -> tuple[Array, Array]:
    """Gradients of `reparameterize` in logvar and noise."""
    check_like("reparameterize_backward", gz, logvar=logvar, noise=noise)
    glogvar, gnoise = empty(gz.shape, gz.dtype), empty(gz.shape, gz.dtype)
    operands = contiguous(gz), contiguous(logvar), contiguous(noise), glogvar, gnoise, gz.size
    launch("elementwise.cu", "reparameterize_backward_kernel", blocks_for(gz.size), THREADS, *operands)
    return glogvar, gnoise


def _each(kernel: str, x: Array) -> Array:
    """The function `kernel` of each element."""
    y = empty(x.shape, x.dtype)
    launch("elementwise.cu", kernel, blocks_for(x.size), THREADS, contiguous(x), y, x.size)
    return y


def _each_backward(kernel: str, gy: Array, y: Array) -> Array:
    """A gradient gx, each element made of those of gy and y."""
    gx = empty(y.shape, y.dtype)
    launch("elementwise.cu", kernel, blocks_for(y.size), THREADS, contiguous(gy), contiguous(y), gx, y.size)
    return gx
