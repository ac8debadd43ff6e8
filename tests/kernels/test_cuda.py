"""The CUDA backend without a GPU: tests/cuda in the simulator, every kernel through the compiler, and what users are told."""

import concurrent.futures
import importlib.util
import os
import pathlib
import subprocess
import sys
import types

import numpy as np
import pytest

from minicae import kernels
from minicae.errors import BackendError

ROOT = pathlib.Path(__file__).parents[2]


def run(*command, **variables):
    """The process that `python *command` was; the simulator is off unless a variable says otherwise."""
    environment = {name: value for name, value in os.environ.items() if name != "NUMBA_ENABLE_CUDASIM"}
    environment |= {"PYTHONPATH": str(ROOT)} | variables
    return subprocess.run(
        [sys.executable, *map(str, command)], env=environment, cwd=ROOT, capture_output=True, text=True, timeout=600
    )


SIMULATED = {"kernels": ("launch", "queue", "as_the_others"), "products": ("products",)}  # about as long, both
COMPILED = "test_every_kernel_compiles"


def simulate(names):
    files = [f"tests/cuda/test_{name}.py" for name in names]
    return run("-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", *files, NUMBA_ENABLE_CUDASIM="1")


@pytest.fixture(scope="module")
def children(request):
    """{part: a process that tests of this session wait for}: two at a time, since each keeps one core busy for minutes."""
    chosen = {item.name for item in request.session.items}
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        begun = {
            part: pool.submit(simulate, names)
            for part, names in SIMULATED.items()
            if f"test_every_kernel_in_the_simulator[{part}]" in chosen
        }
        if COMPILED in chosen:
            begun[COMPILED] = pool.submit(run, ROOT / "tests" / "cuda" / "compile_report.py")
        yield begun


@pytest.mark.parametrize("part", SIMULATED)
def test_every_kernel_in_the_simulator(children, part):
    """Whole models there take minutes: `NUMBA_ENABLE_CUDASIM=1 pytest tests/cuda` runs them too."""
    done = children[part].result()
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr


def test_every_kernel_compiles(children):
    """For three generations of devices: no spilled register, no float64 by accident, 128-bit loads where it matters."""
    done = children[COMPILED].result()
    if done.returncode == 77:
        pytest.skip(done.stdout.strip())
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_report_notices_what_is_wrong():
    specification = importlib.util.spec_from_file_location(
        "compile_report", ROOT / "tests" / "cuda" / "compile_report.py"
    )
    report = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(report)
    fine = "0 bytes spill stores, 0 bytes spill loads\nUsed 64 registers"
    wide = 8 * "ld.shared.v4.f32 {%f1, %f2, %f3, %f4}, [%rd1];\n"
    assert report.faults("_weigh._weigh", "float32", wide, fine) == ([], 64)
    assert report.faults("_weigh._weigh", "float32", "ld.shared.f32 %f1, [%rd1];", fine)[0] == [
        "has 0 loads of 128 bits"
    ]
    assert report.faults("loss._mse_backward", "float32", "mul.f64", fine)[0] == ["calculates in float64"]
    assert report.faults("loss._mse_backward", "float64", "mul.f64", fine)[0] == []
    assert report.faults("memory._add", "float32", "", fine.replace("64", "200"))[0] == ["takes 200 registers"]
    assert report.faults("memory._add", "float32", "", fine.replace("0 bytes spill l", "8 bytes spill l"))[0] == [
        "spills 8 bytes"
    ]


def test_without_a_gpu_one_line_says_what_to_do():
    program = """
from minicae import kernels
from minicae.errors import BackendError
try:
    kernels.backend("cuda")
except BackendError as error:
    print(error)
print("cuda" in kernels.available())
"""
    done = run("-c", program)
    told, usable = done.stdout.splitlines() if done.stdout.count("\n") == 2 else (None, done.stdout.strip())
    if usable == "True":
        pytest.skip("there is a GPU")
    assert told.startswith("backend 'cuda' cannot be imported: ") and told.endswith("; backend='cpu' needs no GPU")
    assert 'pip install "minicae[cuda]"' in told or "NUMBA_ENABLE_CUDASIM=1" in told
    assert done.stderr == ""
    with_simulator = run("-c", program, NUMBA_ENABLE_CUDASIM="1")
    assert (with_simulator.stdout, with_simulator.stderr) == ("True\n", "")


@pytest.mark.parametrize("name", ["gpu", None, "CUDA"])
def test_an_unknown_backend(name):
    with pytest.raises(BackendError, match="choose one of 'reference', 'cpu', 'cuda'"):
        kernels.backend(name)


@pytest.mark.parametrize("name", ["reference", "cpu"])
def test_memory_of_the_host(name):
    backend = kernels.backend(name)
    array = backend.empty((2, 3), "float32")
    backend.upload([[1, 2, 3], [4, 5, 6]], array)
    copy = backend.download(array)
    array[...] = 0
    assert copy.dtype == "float32" and copy.tolist() == [[1, 2, 3], [4, 5, 6]]


def test_a_backend_on_a_device_is_hosted():
    """Arrays go there and come back, one array stays one, and what is in a tuple goes too."""
    log, module = [], types.ModuleType("elsewhere")

    def half(x, y, through=None):
        log.append((x is y, type(x), through and type(through[0])))
        y["numbers"][...] = x["numbers"] / 2

    module.half, module.conv2d_algorithm, module.__all__, module.ON_DEVICE = half, len, ["half"], True
    module.empty = lambda shape, dtype: {"numbers": np.empty(shape, dtype)}
    module.upload = lambda host, array: np.copyto(array["numbers"], host)
    module.download = lambda array: array["numbers"].copy()
    hosted = kernels._behind_arrays(module)
    x, y = np.array([2.0, 4.0]), np.zeros(2)
    hosted.half(x, y, through=(x, "relu", 0.0))
    assert (x.tolist(), y.tolist()) == ([2, 4], [1, 2])
    hosted.half(x, x[:])
    assert x.tolist() == [1, 2]
    assert log == [(False, dict, dict), (True, dict, None)]
    assert kernels.hosted("reference") is kernels.backend("reference")
