"""The CUDA backend through numba-cuda itself, on a stand-in for NVIDIA's driver that computes nothing: tests/cuda/driver.

The simulator runs what kernels compute; here runs all that lies around it: linking, loading, arguments, launches, copies,
streams, events, capture. A process takes the stand-in for libcuda.so.1, and the stand-in writes each call down.
"""

import importlib.util
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).parents[2]
SOURCES = ROOT / "tests" / "cuda" / "driver"
NAME = "stand-in for an H200"
RULES = [
    "copies_stay_inside",
    "threads_need_a_context",
    "launches_are_sound",
    "a_capture_is_replayed",
    "a_capture_is_easily_spoilt",
    "events_tell_the_time",
]
WARM, SPARE = 2, 256  # of each model; bytes of settings that may cross in each
CROSS = {  # bytes in a step of 4 samples: batch, noise, costs, charges
    "dense": 4 * 8 * 4 + 4 * 8,
    "convolutional": 4 * 64 * 4 + 4 * 8,
    "denoising": 2 * 4 * 8 * 4 + 4 * 8,
    "variational": 4 * 8 * 4 + 4 * 2 * 4 + 2 * 4 * 8,
}


class Driver:
    """The stand-in, compiled into a folder."""

    def __init__(self, folder):
        self.folder, self.log = folder, folder / "log"

    def run(self, *command):
        """(the process that `python *command` was, the driver's calls)."""
        self.log.unlink(missing_ok=True)
        paths = os.pathsep.join(filter(None, [str(self.folder), os.environ.get("LD_LIBRARY_PATH")]))
        environment = {name: value for name, value in os.environ.items() if name != "NUMBA_ENABLE_CUDASIM"}
        environment |= {"PYTHONPATH": str(ROOT), "LD_LIBRARY_PATH": paths, "MINICAE_DRIVER_LOG": str(self.log)}
        command = [sys.executable, "-W", "ignore", *map(str, command)]
        done = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, timeout=600)
        return done, self.log.read_text().splitlines() if self.log.exists() else []


@pytest.fixture(scope="module")
def driver(tmp_path_factory):
    """The stand-in; skipped where it, or a kernel, cannot be compiled."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if not sys.platform.startswith("linux") or importlib.util.find_spec("numba_cuda") is None or compiler is None:
        pytest.skip("a stand-in for the driver needs Linux, a C compiler and numba-cuda")
    made = Driver(tmp_path_factory.mktemp("driver"))
    library = made.folder / "libcuda.so.1"
    command = [compiler, "-O1", "-shared", "-fPIC", "-o", library, *sorted(SOURCES.glob("*.c")), "-ldl"]
    subprocess.run(command, check=True, timeout=120)
    (made.folder / "libcuda.so").symlink_to(library)
    done, _ = made.run("-c", "from numba.cuda.cudadrv import nvvm; nvvm.NVVM()")
    if "NvvmSupportError" in done.stderr:
        pytest.skip("libNVVM is needed to compile kernels")
    return made


def refusals(calls):
    return [call for call in calls if " error=" in call]


def test_what_a_driver_refuses_is_refused(driver):
    done, calls = driver.run(SOURCES / "rules.py")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.split() == RULES
    launched = [call.partition(" stream")[0] for call in calls if call.startswith("cuGraphLaunch")]
    assert launched == ["cuGraphLaunch nodes=3 bytes=2400"] * 2 + ["cuGraphLaunch nodes=3 bytes=0"]
    assert any("guard._clip grid=2,1,1 block=256,1,1" in call for call in calls)


def test_models_train_and_travel(driver):
    """models.py looks at what comes back; here is how: nothing is refused; a warm step is one graph and takes no memory."""
    done, calls = driver.run(SOURCES / "models.py")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.split() == list(CROSS)
    assert not refusals(calls)
    for name, numbers in CROSS.items():
        begin = calls.index(f"# warm {name}")
        warm = calls[begin + 1 : calls.index("# end", begin)]
        launches = [call for call in warm if not call.startswith("cuMemcpy")]
        assert len(launches) == WARM and all(call.startswith("cuGraphLaunch") for call in launches)
        assert all(number("nodes", call, 0) >= 10 for call in launches)
        cross = WARM * (numbers + 4)
        assert cross <= sum(number("bytes", call, 0) for call in warm) <= cross + WARM * SPARE
    addresses = [
        {number("address", call) for call in calls if call.startswith(kind)} for kind in ("cuMemAlloc", "cuMemFree ")
    ]
    assert addresses[1] and addresses[1] <= addresses[0]


def number(name, call, otherwise=None):
    """What a call's line says of an argument."""
    found = re.search(rf" {name}=(\w+)", call)
    return int(found[1], 0) if found else otherwise


DOCTOR = """
from minicae import kernels
from minicae.inspection import doctor, gpu
gpu.gpus = list  # no nvidia-smi
doctor.check_kernels = lambda name: [doctor.Finding("kernels", name)]
print(kernels.backend("cuda").facts())
for finding in doctor.examine():
    print(*finding, sep="|")
"""


def test_the_doctor_sees_the_device(driver):
    done, _ = driver.run("-c", DOCTOR)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert f"'device': '{NAME}', 'compute capability': '9.0', 'numba-cuda': '" in lines[0]
    assert f"gpu|{NAME}|True" in lines and "kernels|cuda|True" in lines
    (told,) = (line for line in lines if line.startswith("cuda|"))
    assert told.startswith("cuda|numba-cuda ") and told.endswith("|True")


BENCHMARK = """
import sys
from benchmarks import __main__ as program
from benchmarks.passes import Elementwise
from benchmarks.problems import Product
from benchmarks.topics import cuda

ask, judge = cuda.Referee.ask, cuda.validated
cuda.Referee.ask = lambda self, *request: ["scale", "sgd_step"] if "names" in request else ask(self, *request)
cuda.validated = lambda problem, *rest: 0.0 if isinstance(problem, Elementwise) else judge(problem, *rest)
cuda.cases = lambda session: [
    cuda.Case(problem, (cuda.OURS,)) for problem in (Product(16, 16, 16), Elementwise("relu_forward", 1, 2, 3))
]
sys.exit(program.main(["cuda", "--quick", "--save", "--out", sys.argv[1]]))
"""


def test_the_benchmark_says_what_is_wrong_and_times_the_rest(driver, tmp_path):
    """The result of a pass is let through, so that it is timed."""
    done, calls = driver.run("-c", BENCHMARK, tmp_path)
    assert done.returncode == 1, done.stderr  # as where a result is wrong
    (path,) = tmp_path.glob("*.json")
    told = json.loads(path.read_text())
    assert told["device"]["device"] == NAME
    rows = {(row["case"], row["contestant"]): row for row in told["rows"]}
    wrong = [row["note"].startswith("wrong: error") and not row["median"] for row in rows.values()]
    assert wrong == [True, True, True, False], done.stdout
    *_, timed = rows.values()
    assert timed["median"] > 0 and timed["peak"] > 0
    assert not refusals(calls)
    assert {"cuEventRecord", "cuEventElapsedTime", "cuMemcpyDtoDAsync"} <= {call.split()[0] for call in calls}
