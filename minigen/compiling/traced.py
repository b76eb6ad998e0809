"""Traced arrays: they stand in for arrays of NumPy while a step is recorded, and write down what is done to them.

A traced array is no subclass of NumPy's but another class, as an array on a GPU is: so nothing can read its numbers but
through the protocols of NumPy (``__array_ufunc__``, ``__array_function__``) and the methods below. What cannot be
repeated from a list of calls - a number read by Python, a shape that depends on numbers - is done all the same, with
the right result, and the trace says that it `fails`.

Imports: autograd, device. Read next: ``trace.py``.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from minigen.autograd import Tensor
from minigen.autograd.arrays import ARRAYS

#: Attributes that depend on shape, dtype and order alone.
STRUCTURE = frozenset({"shape", "dtype", "ndim", "size", "strides", "itemsize", "nbytes", "flags"})
#: Methods whose result has a shape that does not depend on numbers, and which change nothing.
METHODS = frozenset(
    "all any argmax argmin argsort astype clip conj copy cumprod cumsum diagonal dot flatten max mean min prod ravel "
    "repeat reshape round squeeze std sum swapaxes take trace transpose var view".split()
)
#: Functions of NumPy of the same kind.
FUNCTIONS = frozenset(
    "all amax amin any append argmax argmin argsort around array_split average broadcast_arrays broadcast_to "
    "clip column_stack concatenate copy cov cross cumprod cumsum diag diagonal diff dot dstack einsum empty_like "
    "expand_dims flip fliplr flipud full_like hstack imag inner isclose kron lexsort matrix_transpose max mean "
    "median min moveaxis nan_to_num norm ones_like outer pad prod ravel real repeat reshape roll rollaxis rot90 "
    "round searchsorted sort split squeeze stack std sum swapaxes take take_along_axis tensordot tile trace "
    "transpose tri tril triu var vdot vstack where zeros_like cholesky det eig eigh eigvals eigvalsh inv lstsq "
    "matrix_power pinv qr slogdet solve svd".split()
)
#: Functions that answer from shapes and dtypes.
QUESTIONS = frozenset({"shape", "ndim", "size", "result_type", "can_cast", "min_scalar_type", "iscomplexobj"})
#: Functions that change their first argument, or what is given as `out`.
CHANGING = frozenset({"copyto", "fill_diagonal", "put", "put_along_axis", "fill"})
#: Functions that make an array of none: those of a traced array's module give traced arrays, too.
CREATION = frozenset({"arange", "empty", "eye", "full", "identity", "linspace", "ones", "zeros"})
CONVERSION = frozenset({"array", "asarray", "asanyarray", "ascontiguousarray", "asfortranarray"})
#: Functions that make a shape of the arguments after the first.
SHAPING = frozenset({"array_split", "broadcast_to", "pad", "repeat", "reshape", "rot90", "split", "tile"})
BY_NUMBERS = "a shape that depends on numbers"

_LIKE: dict[str, Any] = {"full_like": np.full, "ones_like": np.ones, "zeros_like": np.zeros}


class Traced(np.lib.mixins.NDArrayOperatorsMixin):
    """Stands for the array `value` in a trace, under the name `ref`. To ``isinstance`` it is what it stands for."""

    __slots__ = ("__weakref__", "ref", "trace", "value")

    def __init__(self, trace: Any, value: Any, ref: Any) -> None:
        for name, x in (("trace", trace), ("value", value), ("ref", ref)):
            object.__setattr__(self, name, x)

    @property  # type: ignore[misc]
    def __class__(self) -> Any:
        return type(self.value)

    @property
    def module(self) -> Any:
        """What `array_module` answers."""
        return _modules if self.trace.open else np

    def __getattr__(self, name: str) -> Any:
        if name in STRUCTURE or name[:2] == "__":
            if name.startswith("__array_") or name in ("__buffer__", "__dlpack__", "__dlpack_device__"):
                raise AttributeError(name)  # by these anybody could read the numbers unseen
            return getattr(self.value, name)
        if name in METHODS:
            return lambda *args, **kwargs: self._method(name, args, kwargs)
        if name in ("T", "mT", "real", "imag"):
            return self.trace.call(getattr, (self, name))
        if name == "fill":
            return lambda number: self.trace.call(np.ndarray.fill, (self, number), changes=(self,))
        if name in ("item", "tolist", "tobytes"):
            return lambda *args: self._read(lambda value: getattr(value, name)(*args))
        return self.trace.failed(f".{name} of an array", getattr(self.value, name), of=self)

    def __setattr__(self, name: str, x: Any) -> None:
        setattr(self.value, name, x)
        self.trace.failed(f".{name} = ... of an array", None)

    def _method(self, name: str, args: Any, kwargs: Any) -> Any:
        if name in SHAPING and _has_traced((args, kwargs)):
            self.trace.failed(BY_NUMBERS, None)
        changes = [kwargs["out"]] if kwargs.get("out") is not None else []
        return self.trace.call(getattr(type(self.value), name), (self, *args), kwargs, changes=changes)

    # The protocols of NumPy.

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        if any(isinstance(x, Tensor) for x in inputs):
            return NotImplemented
        outs = kwargs.get("out", ())
        if outs and all(isinstance(x, Traced) and isinstance(x.value, np.generic) for x in outs):
            del kwargs["out"]  # ``total += x`` of a number makes another number
            outs = ()
        function = ufunc if method == "__call__" else getattr(ufunc, method)
        changes = [x for x in outs if x is not None]
        if method == "at":
            changes = [inputs[0]]
        if len(changes) == len(outs) == 1:
            kwargs["out"] = outs[0]
        return self.trace.call(function, inputs, kwargs, changes=changes)

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        name = function.__name__
        if name in QUESTIONS:
            return function(*self.trace.values(args), **self.trace.values(kwargs))
        fixed = name in FUNCTIONS and not (name == "where" and len(args) == 1)
        if not fixed and name not in CHANGING:
            return self.trace.failed(f"np.{name}", function(*self.trace.values(args), **self.trace.values(kwargs)))
        if name in _LIKE and len(args) == (2 if name == "full_like" else 1) and not kwargs.keys() - {"dtype"}:
            return self._filled(name, *args, **kwargs)
        if name in SHAPING and _has_traced((args[1:], kwargs)):
            self.trace.failed(BY_NUMBERS, None)
        changes = [args[0]] if name in CHANGING else []
        changes += [kwargs["out"]] if kwargs.get("out") is not None else []
        return self.trace.call(function, args, kwargs, changes=changes)

    def _filled(self, name: str, like: Any, *args: Any, dtype: Any = None) -> Any:
        """What `np.zeros_like` and the like make has the order of the array that it is like, but not its numbers."""
        strides = np.empty_like(like.value).strides
        order = sorted(range(like.ndim), key=lambda i: -strides[i])
        shape, back = tuple(like.shape[i] for i in order), tuple(map(order.index, range(like.ndim)))
        made = self.trace.call(_LIKE[name], (shape, *args), {"dtype": like.dtype if dtype is None else dtype})
        return made if order == sorted(order) else made.transpose(back)

    # Indexing.

    def __len__(self) -> int:
        return len(self.value)

    def __iter__(self) -> Iterator[Any]:
        return (self[i] for i in range(len(self)))

    def __getitem__(self, index: Any) -> Any:
        if _is_masked(index):
            result = self.value[self.trace.values(index)]
            mask = next(part for part in _parts(index) if isinstance(part, Traced))
            return self.trace.failed("x[mask], whose shape depends on numbers", result, of=mask)
        if any(isinstance(part, slice) and _has_traced(part) for part in _parts(index)):
            self.trace.failed(BY_NUMBERS, None)
        return self.trace.call(operator.getitem, (self, index))

    def __setitem__(self, index: Any, x: Any) -> None:
        if _is_masked(index) and np.ndim(x):
            self.trace.failed("x[mask] = y, where shapes depend on numbers", None)
        self.trace.call(operator.setitem, (self, index, x), changes=(self,))

    # What reads a number. The trace repeats no Python, but it can look whether a truth is as it was.

    def __bool__(self) -> bool:
        truth = bool(self.value)
        self.trace.expect(self, truth)
        return truth

    def _read(self, read: Callable[[Any], Any]) -> Any:
        return self.trace.failed("a number that Python reads", read(self.value), of=self)

    def __float__(self) -> float:
        return self._read(float)

    def __int__(self) -> int:
        return self._read(int)

    def __index__(self) -> int:
        return self._read(operator.index)

    def __complex__(self) -> complex:
        return self._read(complex)

    def __contains__(self, x: Any) -> bool:
        return self._read(lambda value: x in value)

    def __repr__(self) -> str:
        return self._read(repr)

    def __format__(self, spec: str) -> str:
        return self._read(lambda value: format(value, spec))

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        return self._read(lambda value: np.array(value, dtype) if copy else np.asarray(value, dtype))

    def __copy__(self) -> Any:
        return self.copy()

    def __deepcopy__(self, memo: Any) -> Any:
        return self.copy()

    def __reduce_ex__(self, protocol: Any) -> Any:
        return self._read(lambda value: value.__reduce_ex__(protocol))


class TracedArray(Traced):
    """Stands for an array."""

    __slots__ = ()


class TracedNumber(Traced):
    """Stands for a number of NumPy, as a sum returns it: a Tensor of it is made of an array of it."""

    __slots__ = ()


class _Modules:
    """In the place of NumPy for code that asks a traced array for its module: arrays that it makes are traced, too."""

    def __getattr__(self, name: str) -> Any:
        function = getattr(np, name)
        if not (name in CREATION or name in CONVERSION) or current is None or not current.is_here():
            return function
        trace = current
        if name in CREATION:
            return lambda *args, **kwargs: _created(trace, function, args, kwargs)
        return lambda x, *args, **kwargs: _converted(trace, function, x, args, kwargs)


def _created(trace: Any, function: Any, args: Any, kwargs: Any) -> Any:
    if _has_traced(args[:1] if function is np.full else (args, kwargs)):
        trace.failed(BY_NUMBERS, None)
    return trace.call(function, args, kwargs)


def _converted(trace: Any, function: Any, x: Any, args: Any, kwargs: Any) -> Any:
    if not isinstance(x, Traced) and not isinstance(x, (list, tuple)):
        return function(x, *trace.values(args), **trace.values(kwargs))
    wanted = args[0] if args else kwargs.get("dtype")
    if type(x) is TracedArray and function in (np.asarray, np.asanyarray) and wanted in (None, x.dtype):
        return x
    return trace.call(function, (x, *args), kwargs)


def _is_masked(index: Any) -> bool:
    return any(isinstance(part, Traced) and part.value.dtype.kind == "b" for part in _parts(index))


def _parts(index: Any) -> tuple[Any, ...]:
    return index if isinstance(index, tuple) else (index,)


def _has_traced(x: Any) -> bool:
    """Whether there are traced arrays in it."""
    if isinstance(x, dict):
        x = list(x.values())
    elif type(x) is slice:
        x = (x.start, x.stop, x.step)
    return any(map(_has_traced, x)) if type(x) in (tuple, list) else isinstance(x, Traced)


_modules = _Modules()
current: Any = None  # the trace that is being recorded
ARRAYS.add(TracedArray)
