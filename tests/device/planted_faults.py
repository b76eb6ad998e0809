"""Device faults, each a change of one line of the source, and the test of this folder that must find it.

Each would pass all tests on the CPU. `test_planted_faults.py` plants one, in a process of its own, and runs that test.

Read next: ``plant.py``.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Fault:
    """In `file` the text `old`, which stands there once, becomes `new`; then `test` must fail, and say `says`."""

    name: str
    file: str
    old: str
    new: str
    test: str
    says: str


FAULTS = (
    Fault(
        "an array of NumPy's beside one of the device",
        "minigen/ops/reduce.py",
        "infinite = array_module(y.data).where(y.data == 0, np.inf, 0)",
        "infinite = np.zeros(y.shape)",
        "test_ops.py::test_the_device_computes_what_the_cpu_does[norm]",
        "inputs on cuda and cpu",
    ),
    Fault(
        "initial= of a reduction, which CuPy lacks",
        "minigen/ops/reduce.py",
        "xp.abs(x).max(axis, keepdims=True) if x.size",
        "xp.abs(x).max(axis, keepdims=True, initial=0) if x.size",
        "test_tensors.py::test_norms",
        "unexpected keyword argument 'initial'",
    ),
    Fault(
        "bool() of an array of the device",
        "minigen/ops/elementwise.py",
        "return for_array(x).scale_where(x, self.condition, self.slope)",
        "return for_array(x).scale_where(x, self.condition, self.slope) if self.condition.any() else x * self.slope",
        "test_ops.py::test_the_device_computes_what_the_cpu_does[clip]",
        "clip makes the host wait",
    ),
    Fault(
        "a mask of NumPy's",
        "minigen/ops/elementwise.py",
        "mask = as_tensor(condition).data",
        "mask = as_tensor(condition).numpy()",
        "test_tensors.py::test_operators",
        "where of numbers makes the host wait",
    ),
    Fault(
        "the host reads the loss in every step",
        "minigen/algorithms/updates.py",
        "for p, g in zip(optimizer.params, gradients, strict=True):",
        "for p, g in zip(optimizer.params, gradients, strict=loss.item() == loss.item()):",
        "test_training.py::test_no_step_waits_for_the_device[ae]",
        "get at",
    ),
    Fault(
        "max() of Python's over numbers of the device",
        "minigen/ops/softmax.py",
        "return x - Tensor(x.data.max(axis, keepdims=True))",
        "return x - Tensor(array_module(x.data).asarray(max(list(x.data.ravel()), default=0.0), x.dtype))",
        "test_ops.py::test_the_device_computes_what_the_cpu_does[softmax]",
        "softmax makes the host wait",
    ),
    Fault(
        "a kernel is given a wrong type",
        "kernels/minigen_kernels/cuda/softmax.py",
        'launch("softmax.cu", kernel, blocks_for(R, threads=1), threads, *map(contiguous, arrays), out, R, K)',
        'launch("softmax.cu", kernel, blocks_for(R, threads=1), threads, *map(contiguous, arrays), out, float(R), K)',
        "test_ops.py::test_the_device_computes_what_the_cpu_does[softmax]",
        "takes a whole number, got float",
    ),
    Fault(
        "half of the elements are launched",
        "kernels/minigen_kernels/cuda/interpolate.py",
        "planes = a.shape[0] * a.shape[1]",
        "planes = a.shape[0] * a.shape[1] // 2",
        "test_ops.py::test_the_device_computes_what_the_cpu_does[interpolate]",
        "result 0",
    ),
    Fault(
        "memory that is not contiguous reaches a kernel",
        "kernels/minigen_kernels/cuda/interpolate.py",
        "operands = contiguous(a), b, planes",
        "operands = a, b, planes",
        "test_ops.py::test_every_layout_of_the_memory_there[interpolate]",
        "takes a C-contiguous array",
    ),
    Fault(
        "a number in float64 makes float32 float64",
        "minigen/ops/elementwise.py",
        "return xp.maximum(a, b)",
        "return xp.maximum(a, b) if isinstance(a, np.ndarray) else xp.maximum(a, b) + xp.zeros(())",
        "test_ops.py::test_the_device_computes_what_the_cpu_does[maximum]",
        "float64",
    ),
    Fault(
        "add.at on the device, where threads add in any order",
        "minigen/ops/indexing.py",
        "y = self._in_order(x, xp)",
        "xp.add.at(y := xp.zeros(self.shape, x.dtype), self.index, x)",
        "test_tensors.py::test_a_place_that_is_named_often_adds_in_order",
        "atomicAdd",
    ),
    Fault(
        "a generator of the CPU in a step of the device",
        "minigen/algorithms/autoencoders/build.py",
        'noise = Generator(setup.seed, device=device).spawn("noise")',
        'noise = Generator(setup.seed).spawn("noise")',
        "test_training.py::test_terms_are_those_of_the_cpu[denoising-ae]",
        "Unsupported type <class 'numpy.ndarray'>",
    ),
    Fault(
        "another sequence of random numbers there",
        "minigen/random.py",
        "return Generator(self._seed, stream=stream, device=self.device)",
        'return Generator(self._seed, stream=stream + (self.device == "cuda"), device=self.device)',
        "test_optimizers.py::test_a_draw_there_has_the_bits_of_the_cpu[spawned]",
        "assert_same_bits",
    ),
    Fault(
        "`to` leaves the biases behind",
        "minigen/nn/module.py",
        "t.detach().to(device, dtype",
        "t.detach().to(None if t.ndim == 1 else device, dtype",
        "test_layers.py::test_all_of_a_layer_moves_there_and_back[nn.Dense]",
        "<= {'cuda'}",
    ),
    Fault(
        "parameters are loaded to the CPU",
        "minigen/nn/state.py",
        't.data = to_device(np.array(found[key], t.dtype, order="C"), t.device)',
        't.data = np.array(found[key], t.dtype, order="C")',
        "test_tensors.py::test_files",
        "== {'cuda'}",
    ),
    Fault(
        "the state of an optimizer is loaded to the CPU",
        "minigen/optim/optimizer.py",
        'arrays[name] = to_device(np.array(given[f"{i}.{name}"], order="C"), device_of(array))',
        'arrays[name] = np.array(given[f"{i}.{name}"], order="C")',
        "test_optimizers.py::test_steps_there_are_those_of_the_cpu[Adam-state]",
        "takes an array on the current device, got a numpy array",
    ),
    Fault(
        "the result stays on the host",
        "minigen/ops/order.py",
        "y = xp.asarray(getattr(xp, name)(x.data, axis=k))",
        "y = array_module(0).asarray(getattr(array_module(0), name)(x.numpy(), axis=k))",
        "test_ops.py::test_the_device_computes_what_the_cpu_does[argmax]",
        "argmax makes the host wait",
    ),
    Fault(
        "a place beyond the axis is wrapped",
        "minigen/ops/indexing.py",
        "        _check_on_host(x, parts, plain)\n",
        "        pass\n",
        "test_tensors.py::test_a_place_beyond_the_axis_that_the_host_has_is_refused",
        "DID NOT RAISE",
    ),
    Fault(
        "an input is written to",
        "minigen/ops/transcendental.py",
        "return array_module(x).tanh(x)",
        "return array_module(x).tanh(x, out=x if array_module(x) is not array_module(0) else None)",
        "test_ops.py::test_the_device_computes_what_the_cpu_does[tanh]",
        "an input has changed",
    ),
    Fault(
        "a run whose GPU is gone asks for it",
        "minigen/runs/sessions.py",
        'return device if device != "cuda" or cuda_status()[0] else "auto"',
        "return device",
        "test_commands.py::test_a_run_whose_gpu_is_gone_goes_on_on_the_cpu",
        "device 'cuda' was asked for, but no CUDA device is visible",
    ),
    Fault(
        "gradients of nothing but rounding are compared by their size",
        "minigen/gradcheck/invariances.py",
        "off = np.abs(here - there) - room",
        "off = np.abs(here - there)",
        "test_layers.py::test_gradcheck_of_a_gradient_that_is_exactly_zero",
        "another one on cpu",
    ),
)
