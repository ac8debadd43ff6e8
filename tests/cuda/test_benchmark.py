"""The benchmark of the GPU with this backend: its problems give the right results, its clock runs, its checks see kernels."""

import numpy as np
import pytest

from benchmarks import __main__ as program
from benchmarks import report
from benchmarks.libraries import gpu
from benchmarks.libraries import minicae as library
from benchmarks.networks import Training, write_digits
from benchmarks.passes import Elementwise, Resizing
from benchmarks.problems import Convolution, Product
from benchmarks.session import validated
from benchmarks.topics import cuda
from benchmarks.worker import Worker
from minicae import kernels
from minicae.kernels.cuda import peak

PROBLEMS = [
    Product(6, 5, 4),
    Product(8, 8, 8),
    *(Convolution(direction, 1, 4, 4, 8) for direction in ("forward", "backward_input", "backward_weight")),
    *(Elementwise(operation, 1, 2, 3) for operation in Elementwise.PASSES),
    *(
        Resizing(f"{kind}_{direction}", 1, 2, 3)
        for kind in ("maxpool2d", "upsample_nearest", "upsample_bilinear")
        for direction in ("forward", "backward")
    ),
]


@pytest.fixture
def worker(monkeypatch):
    """A worker of minicae on this backend, in this process."""
    monkeypatch.setattr(library, "_backend_name", "reference")  # put back at the end
    worker = Worker()
    worker.library = library
    library.begin(1, backend="cuda")
    return worker


@pytest.mark.parametrize("problem", PROBLEMS, ids=lambda problem: problem.title)
def test_problems_are_solved_on_the_device(worker, problem):
    worker.prepare(problem)
    got, answer = worker.result(), problem.wanted()
    assert validated(problem, got, answer) <= 32
    cuda._in_float32(problem, got, answer[0])
    assert len(worker.times(2, 1)) == 2 and min(worker.times(1, 0)) > 0


def test_a_step_is_solved_and_timed(worker, tmp_path):
    path = str(tmp_path / "few.npy")
    write_digits(path, 2)
    problem = Training("step", "5-4-3-2-3-4-5", 2, path)
    worker.prepare(problem)
    validated(problem, worker.result(), problem.wanted())
    assert min(worker.times(1, 0)) > 0


@pytest.mark.parametrize("kernel", ["add", "adam_step", "maxpool2d_backward", "kl_sparsity_forward", "keep_if_finite"])
def test_kernels_are_checked(kernel):
    gpu.begin(1)
    assert gpu.check(kernel, small=True) < 100


def test_the_device_is_described_and_copies():
    assert gpu.about()["device"] and gpu.about()["torch"]
    assert peak.copy_rate(1024, repeats=2, before=1) > 0
    assert peak.milliseconds(lambda: sum(range(100_000))) > 0


def test_what_does_not_wait_is_timed_several_in_a_row():
    module, made = kernels.backend("cuda"), []
    x = module.empty((3,), np.float32)
    module.upload(np.ones(3), x)

    def work():
        made.append(1)
        module.add(x, x, x)

    clock = peak.clock(work, together=True)
    assert len(made) == 2 * peak.CALLS  # once to see the list, once to make a graph of it
    assert clock() > 0 and len(made) == 2 * peak.CALLS
    assert module.download(x).tolist() == [2.0 ** (3 * peak.CALLS)] * 3
    assert peak.clock(work)() > 0 and len(made) == 2 * peak.CALLS + 1


def test_the_program_measures_in_processes_of_its_own(monkeypatch, tmp_path, capsys):
    case = cuda.Case(Elementwise("relu_forward", 1, 2, 3), (cuda.OURS, cuda.THEIRS))
    monkeypatch.setattr(cuda, "checked", lambda referee: [])
    monkeypatch.setattr(cuda, "cases", lambda session: [case])
    assert program.main(["cuda", "--quick", "--save", "--only", cuda.OURS, "--out", str(tmp_path)]) == 0
    rows, machine, content = report.load(tmp_path, "cuda")
    assert [row.contestant for row in rows] == [cuda.OURS] and rows[0].median > 0 and rows[0].share > 0
    assert content["device"]["device"] and machine["quick"]
    assert "relu_forward" in capsys.readouterr().out
