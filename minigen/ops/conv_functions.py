"""The convolution family: three operations that are each other's gradients, and what ends a convolution.

Write y = conv(x, w), a sum of products of x and w, linear in both. Its gradient in x is conv_transpose(gy, w), its
gradient in w is weight_grad(x, gy). These two are again linear in both of their arguments, and

    conv(x, w)            gx = conv_transpose(gy, w)      gw = weight_grad(x, gy)
    conv_transpose(g, w)  gg = conv(gx, w)                gw = weight_grad(gx, g)
    weight_grad(x, g)     gx = conv_transpose(g, gw)      gg = conv(x, gw)

so three kernels give convolution and transposed convolution with every derivative of any order. A transposed
convolution is not an inverse: it is the adjoint, the gradient of a convolution in its input. Derived in
docs/guide/06_convolution.md.

Imports: autograd, bias_act, enlarge, indexing, reduce, kernels. Read next:
``kernels/minigen_kernels/reference/conv.py``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from minigen.autograd import Function, FusedFunction, Tensor
from minigen.ops.bias_act import Fused, activation_gradient, bias_act_gradients
from minigen.ops.enlarge import BlockSum
from minigen.ops.indexing import getitem
from minigen.ops.reduce import sum
from minigen_kernels import Array, Pair, for_array


class _Family(Function):
    one_dtype = True
    stride: Pair
    padding: Pair
    dilation: Pair
    groups: int

    @property
    def geometry(self) -> dict[str, Any]:
        """What the three members of the family share."""
        return dict(stride=self.stride, padding=self.padding, dilation=self.dilation, groups=self.groups)


class Conv2d(_Family):
    """x (N, C, H, W), w (K, C/groups, kh, kw) -> (N, K, *out_hw)."""

    out_hw: Pair

    def forward(self, x: Array, w: Array) -> Array:
        return for_array(x).conv2d(x, w, self.out_hw, **self.geometry)

    def onnx(self, graph: Any, x: Any, w: Any) -> Any:
        return graph.conv(x, w, None, out_hw=self.out_hw, **self.geometry)

    def backward(self, gy: Tensor, y: Tensor) -> tuple[Tensor | None, ...]:
        x, w = self.inputs
        return (
            ConvTranspose2d.apply(gy, w, out_hw=x.shape[2:], **self.geometry) if self.needs(0) else None,
            Conv2dWeightGrad.apply(x, gy, kernel_hw=w.shape[2:], **self.geometry) if self.needs(1) else None,
        )


class ConvTranspose2d(_Family):
    """g (N, K, oh, ow), w (K, C/groups, kh, kw) -> (N, C, *out_hw)."""

    out_hw: Pair

    def forward(self, g: Array, w: Array) -> Array:
        return for_array(g).conv_transpose2d(g, w, self.out_hw, **self.geometry)

    def onnx(self, graph: Any, g: Any, w: Any) -> Any:
        return graph.conv_transpose(g, w, None, out_hw=self.out_hw, **self.geometry)

    def backward(self, gy: Tensor, y: Tensor) -> tuple[Tensor | None, ...]:
        g, w = self.inputs
        return (
            Conv2d.apply(gy, w, out_hw=g.shape[2:], **self.geometry) if self.needs(0) else None,
            Conv2dWeightGrad.apply(gy, g, kernel_hw=w.shape[2:], **self.geometry) if self.needs(1) else None,
        )


class Conv2dWeightGrad(_Family):
    """x (N, C, H, W), g (N, K, oh, ow) -> (K, C/groups, *kernel_hw)."""

    kernel_hw: Pair

    def forward(self, x: Array, g: Array) -> Array:
        return for_array(x).conv2d_weight_grad(x, g, self.kernel_hw, **self.geometry)

    def onnx(self, graph: Any, x: Any, g: Any) -> Any:
        return graph.conv_weight_grad(x, g, kernel_hw=self.kernel_hw, **self.geometry)

    def backward(self, gy: Tensor, y: Tensor) -> tuple[Tensor | None, ...]:
        x, g = self.inputs
        return (
            ConvTranspose2d.apply(g, gy, out_hw=x.shape[2:], **self.geometry) if self.needs(0) else None,
            Conv2d.apply(x, gy, out_hw=g.shape[2:], **self.geometry) if self.needs(1) else None,
        )


class ConvAct(FusedFunction):
    """A convolution, plain or transposed, with its bias and activation."""

    one_dtype = True
    kind: type[Conv2d] | type[ConvTranspose2d]
    geometry: dict[str, Any]  # what `kind` is made with
    fused: Fused

    def forward(self, x: Array, w: Array, b: Array) -> Array:
        kernels = for_array(x)
        kernel = kernels.conv2d if self.kind is Conv2d else kernels.conv_transpose2d
        return kernel(x, w, **self.geometry, b=b, **self.end)

    def onnx(self, graph: Any, x: Any, w: Any, b: Any) -> Any:
        convolve = graph.conv if self.kind is Conv2d else graph.conv_transpose
        return graph.activation(convolve(x, w, b, **self.geometry), self.fused)

    def backward_arrays(self, gy: Array, y: Array) -> tuple[Array | None, ...]:
        gz, gb = bias_act_gradients(self.fused, gy, y, self.needs(2))
        return *self.of_sums(gz, on_arrays), gb

    def gradient(self, gy: Tensor, y: Tensor) -> tuple[Tensor | None, ...]:
        gz = activation_gradient(self.fused, gy, y)
        return *self.of_sums(gz, on_tensors), sum(gz, (0, 2, 3)) if self.needs(2) else None

    @property
    def end(self) -> dict[str, Any]:
        """The activation as the kernels take it."""
        return dict(activation=self.fused.name, slope=self.fused.slope)

    def of_sums(self, gz: Any, on: Callable[..., Any]) -> tuple[Any, Any]:
        """The gradients in x and w from that of the convolution's own result; `on`: of Tensors or arrays."""
        x, w = self.inputs[:2]
        adjoint, images = (ConvTranspose2d, (x, gz)) if self.kind is Conv2d else (Conv2d, (gz, x))
        shared = {name: value for name, value in self.geometry.items() if name != "out_hw"}
        return (
            on(adjoint, gz, w, out_hw=x.shape[2:], **shared) if self.needs(0) else None,
            on(Conv2dWeightGrad, *images, kernel_hw=w.shape[2:], **shared) if self.needs(1) else None,
        )


class ConvActUpsample(ConvAct):
    """`ConvAct` of a plain convolution and a nearest enlargement of its result by `scale`."""

    scale: Pair
    y: Array  # before the enlargement; saved by forward

    def forward(self, x: Array, w: Array, b: Array) -> Array:
        self.y, large = for_array(x).conv2d_upsample(x, w, **self.geometry, b=b, **self.end, scale=self.scale)
        return large

    def onnx(self, graph: Any, x: Any, w: Any, b: Any) -> Any:
        return graph.resize(super().onnx(graph, x, w, b), self.scale, "nearest")

    def backward_arrays(self, gy: Array, y: Array) -> tuple[Array | None, ...]:
        gz, gb = for_array(y).bias_act_upsample_backward(gy, self.y, *self.fused, self.scale)
        return *self.of_sums(gz, on_arrays), gb

    def gradient(self, gy: Tensor, y: Tensor) -> tuple[Tensor | None, ...]:
        rows, columns = (slice(None, None, factor) for factor in self.scale)
        small = getitem(y, (..., rows, columns))  # `self.y` as a result of this operation, to be differentiated again
        return super().gradient(BlockSum.apply(gy, scale=self.scale), small)


def on_tensors(function: type[Function], *inputs: Any, **static: Any) -> Tensor:
    """A Function of Tensors, recorded."""
    return function.apply(*inputs, **static)


def on_arrays(function: type[Function], *inputs: Any, **static: Any) -> Array:
    """What a Function makes of arrays, or of the arrays of Tensors."""
    return function(**static).forward(*(x.data if isinstance(x, Tensor) else x for x in inputs))
