"""``minigen kernel``: tables, picture, the other rooms, and one line for what cannot be done."""

import pytest
from kernels.cuda.conftest import needed

from minigen.kernel_view.calls import CALLS, arguments_for
from minigen.kernel_view.looking import look
from minigen.kernel_view.text import lines
from minigen_kernels import plain
from minigen_kernels.calls import NAMES
from minigen_kernels.host.build import compiler

WRONG = {
    ("conv2",): "there is no kernel 'conv2'. Did you mean 'conv2d'?",
    ("conv2d", "--shape", "1,1,8"): "shape 1 is 1,1,8, which has 3 numbers for N,C,H,W",
    ("conv2d", "--shape", "1,1,8,8", "--shape", "1,2,3,3"): "shape 2 is 1,2,3,3, but C is 1 before",
    ("conv2d", "--shape", "a"): "--shape: expected whole numbers from 1 on, as in 1,1,8,8; got 'a'",
    ("philox", "--shape", "5", "--shape", "3"): "philox takes the shape n; got 2 shapes",
    ("max_pool2d", "--shape", "1,1,1,8"): "these shapes leave a result without cells",
    ("adam_update", "--shape", "4,64", "--shape", "4,6"): "shape 2 is 4,6, but all of its arrays have one shape",
    ("block_sum2d", "--shape", "1,1,3,4"): "3 is odd",
    ("softmax", "--shape", "9999,999"): "9989001 cells are too many to watch",
    ("conv2d", "--thread", "0"): "--thread: expected block and thread",
    ("conv2d", "--thread", "0,2000"): "--thread: expected block and thread",
    ("conv2d", "--plot", "x.gif"): "--plot x.gif: take a name that ends in .png, .pdf or .svg",
    ("conv2d", "--room", "cpu", "--plot", "x.png"): "--plot draws threads",
    ("conv2d", "--room", "cpu", "--thread", "0,1"): "--thread is one of a GPU",
    ("conv2d", "--room", "reference", "--shape", "1,1,8,8"): "--shape is of a call",
    ("batch_norm", "--room", "plain"): "there is no plain batch_norm; the plain room has conv2d, ",
}


@pytest.mark.parametrize("words", WRONG)
def test_wrong_words(minigen, words):
    result = minigen("kernel", *words)
    assert (result.code, result.out) == (2, "") and result.err.count("\n") == 1
    assert result.err.startswith("minigen: error: ") and WRONG[words] in result.err


@pytest.mark.parametrize(("words", "said"), [(("--thread", "5,0"), "there is no thread 5,0"), (("matmul",), "cuBLAS")])
def test_what_does_not_run(minigen, words, said):
    needed("g++", compiler())
    result = minigen("kernel", *(words if words[0] == "matmul" else ("philox", *words)))
    assert (result.code, result.out) == (2, "") and said in result.err and result.err.count("\n") == 1


def test_without_a_compiler(minigen, monkeypatch):
    monkeypatch.setattr("minigen.kernel_view.looking.compiler", lambda: None)
    result = minigen("kernel", "philox")
    assert (result.code, result.out) == (2, "")
    assert result.err == (
        "minigen: error: running CUDA kernels without a GPU takes g++ on Linux: apt-get install g++ (with binutils)\n"
    )


def test_tables_and_picture(minigen, tmp_path):
    needed("g++", compiler())
    result = minigen("kernel", "max_pool2d", "--rows", 3, "--plot", tmp_path / "warp.svg")
    assert result.code == 0, result.err
    assert "max_pool2d_kernel (pool.cu), float32, grid 1 x 1 x 1 of blocks of 256 x 1 x 1 threads" in result.out
    assert result.out.count("... 4 more (--rows 0 shows all)") == 2
    assert "scattered, 50% of the bytes used" in result.out
    assert "different bytes: 2048 read, 1536 written" in result.out
    assert "| Memory traffic in bytes, with B = sizeof(real)" in result.out
    assert "<svg" in (tmp_path / "warp.svg").read_text(encoding="utf-8")


def test_the_other_rooms(minigen):
    reference = minigen("kernel", "softmax", "--room", "reference")
    assert reference.code == 0 and "def softmax(x: Array)" in reference.out and "_below_largest" in reference.out
    cpu = minigen("kernel", "leaky_relu", "--room", "cpu", "--shape", "3,5")
    assert cpu.code == 0 and "def leaky_relu(" in cpu.out and "# compiled for this call" in cpu.out


@pytest.mark.parametrize("name", plain.NAMES)
def test_the_plain_room(minigen, tmp_path, name):
    """Both sources, then the CUDA one at work: also of matmul, which has none of its own in the CUDA room."""
    needed("g++", compiler())
    result = minigen("kernel", name, "--room", "plain", "--thread", "0,1", "--plot", tmp_path / "warp.png")
    assert result.code == 0, result.err
    assert "@numba.njit\n" in result.out and f"__global__ void {name}(" in result.out
    assert f"{name} (plain/" in result.out and "its warp (threads 0 to 31)" in result.out
    assert "| Memory traffic, with B = sizeof(real): a thread reads" in result.out
    assert (tmp_path / "warp.png").stat().st_size > 1000


def test_a_warp_that_touches_no_memory(minigen, tmp_path):
    """Nine weights: the second warp has nothing to do. It is said, and drawn."""
    needed("g++", compiler())
    words = "conv2d_weight_grad", "--room", "plain", "--thread", "0,33", "--plot", tmp_path / "warp.svg"
    result = minigen("kernel", *words)
    assert result.code == 0 and "it touches no memory" in result.out, result.err
    assert (tmp_path / "warp.svg").stat().st_size > 1000


def test_the_plain_sources_are_shown_without_a_compiler(minigen, monkeypatch):
    monkeypatch.setattr("minigen.kernel_view.looking.compiler", lambda: None)
    result = minigen("kernel", "softmax", "--room", "plain")
    assert result.code == 2 and "__global__ void softmax(" in result.out and "g++ on Linux" in result.err


def test_every_kernel_has_a_call():
    assert set(CALLS) == set(NAMES)
    for name in NAMES:
        assert arguments_for(name, (), "float64")


@pytest.mark.slow
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_every_kernel_can_be_seen(dtype):
    needed("g++", compiler())
    for name in NAMES:
        if name == "matmul":
            continue
        seen = look(name, dtype=dtype)
        assert seen.error < (1e-3 if dtype == "float32" else 1e-10), name
        assert all(place.line > 0 for launch in seen.launches for place in launch.places.values()), name
        assert len(list(lines(seen))) > 10
