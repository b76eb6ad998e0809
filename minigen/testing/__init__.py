"""For test suites: check your own layers, functions of other engines, and PyTorch code, as this engine is checked.

    from minigen.testing import check_layer, check_torch, check_vjp
    from minigen.testing.strategies import away_from, by_axes, images_nchw, scales

    check_layer(MyLayer, inputs=images_nchw(C=3))        # a conformance test of a layer, as a list
    check_vjp(f, vjp, [x, w])                            # f(arrays) -> array, vjp(arrays, cotangent) -> arrays
    check_torch(MyAutogradFunction, torch.randn(2, 3))   # where PyTorch is installed

With pytest, the marker and the fixture `gradcheck` are there as soon as this library is installed:

    @pytest.mark.gradcheck(order=2)
    def test_my_layer():
        return MyLayer(4), np.random.randn(2, 4)           # what is to be checked, and where

    def test_my_function(gradcheck):
        report = gradcheck(my_function, x, order=2)

The strategies need hypothesis, the marker pytest: ``pip install 'minigen-engine[test]'``. The functions need neither.

Imports: autograd, nn, gradcheck. Read next: ``strategies.py``, ``layer.py``, ``minigen_pytest/__init__.py``.
"""

from minigen.testing.findings import Finding, LayerMismatch, LayerReport
from minigen.testing.layer import check_layer
from minigen.testing.layer_case import offered_inputs
from minigen.testing.torch_function import check_torch
from minigen.testing.vjp import check_vjp

__all__ = ["Finding", "LayerMismatch", "LayerReport", "check_layer", "check_torch", "check_vjp", "offered_inputs"]
