"""What is timed has been compared with the definition, and a wrong result is refused."""

import numpy as np
import pytest

from benchmarks import networks
from benchmarks.libraries import Task, Unavailable, loops, numpy, scipy
from benchmarks.libraries import minicae as library
from benchmarks.passes import Elementwise, Resizing
from benchmarks.problems import UNIT, Convolution, Dense, Product, error_of
from benchmarks.session import validated

CONVOLUTIONS = [Convolution(direction, 2, 5, 3, 4) for direction in ("forward", "backward_input", "backward_weight")]
PROBLEMS = [
    Product(6, 5, 4),
    *CONVOLUTIONS,
    *(Dense(direction, 6, 5, 4) for direction in ("forward", "backward")),
    *(
        Resizing(f"{kind}_{direction}", 2, 3, 4)
        for kind in ("maxpool2d", "upsample_nearest", "upsample_bilinear")
        for direction in ("forward", "backward")
    ),
    *(Elementwise(operation, 2, 3, 4) for operation in Elementwise.PASSES),
]


PAIRS = [
    pytest.param(one, problem, id=f"{one.__name__.rpartition('.')[2]}-{problem.title}")
    for one in (library, numpy, scipy, loops)
    for problem in PROBLEMS
    if hasattr(one, problem.operation)
]


@pytest.mark.parametrize("contestant, problem", PAIRS)
def test_libraries_agree_with_the_definition(stubs, contestant, problem):
    task = getattr(contestant, problem.operation)(problem)
    assert isinstance(task, Task)
    assert validated(problem, task.result(), problem.wanted()) <= 32
    task.run()
    assert problem.nbytes > 0 and problem.title and problem.bound in ("fma", "copy")


def test_the_error_is_the_constant_that_was_put_in():
    want, scale = [np.full((2, 3), 5.0)], [np.full((2, 3), 8.0)]
    got = want[0].copy()
    got[1, 2] += 7 * 8 * UNIT
    assert error_of([got], want, scale) == pytest.approx(7)


@pytest.mark.parametrize("wrong", [np.nan, np.inf, 1e-3])
def test_a_wrong_kernel_is_refused(wrong):
    problem = CONVOLUTIONS[0]
    answer = problem.wanted()
    got = [array.astype(np.float32) for array in answer[0]]
    validated(problem, got, answer)
    got[0][1, 2, 3, 0] += wrong
    with pytest.raises(Unavailable, match="wrong: error"):
        validated(problem, got, answer)


@pytest.mark.parametrize("wrong", [np.nan, 1e-3])
def test_a_wrong_gradient_is_refused(tmp_path, wrong):
    path = str(tmp_path / "digits.npy")
    networks.write_digits(path, 4)
    problem = networks.Training("step", "5-4-3-2-3-4-5", 4, path)
    answer = problem.wanted()
    got = [np.array(array, np.float32) for array in answer[0]]
    validated(problem, got, answer)
    got[3] *= 1 + wrong
    with pytest.raises(Unavailable, match="wrong: error"):
        validated(problem, got, answer)


def test_a_result_of_another_shape_is_refused():
    want, scale = CONVOLUTIONS[0].wanted()
    for got in ([], [want[0][:1]], [want[0].transpose(0, 2, 1, 3)[..., :1]]):
        with pytest.raises(Unavailable, match="wrong"):
            validated(CONVOLUTIONS[0], got, (want, scale))


@pytest.mark.parametrize("problem", CONVOLUTIONS, ids=lambda problem: problem.direction)
@pytest.mark.parametrize("algorithm", ["im2col", "winograd"])
def test_every_algorithm_is_validated(monkeypatch, stubs, algorithm, problem):
    monkeypatch.setattr(library, "_algorithm", algorithm)
    task = getattr(library, problem.operation)(problem)
    assert validated(problem, task.result(), problem.wanted()) > 0


def test_training_counts_what_is_multiplied(tmp_path):
    path = str(tmp_path / "digits.npy")
    networks.write_digits(path, 4)
    step = networks.Training("step", "784-100-30-100-784", 2, path)
    once = 2 * (784 * 100 + 100 * 30 + 30 * 100 + 100 * 784)
    assert networks.Training("forward", step.network, 2, path).flops == 2 * once
    assert step.flops == 2 * (3 * once - 2 * 784 * 100)
    assert networks.batches(path, "5-4-3-2-3-4-5", 3).shape == (networks.BATCHES, 3, 5)


@pytest.mark.parametrize("name", ["torch", "jax"])
def test_other_libraries_train_the_same_network(name, tmp_path):
    pytest.importorskip(name)
    module = __import__(f"benchmarks.libraries.{name}", fromlist=["step"])
    path = str(tmp_path / "digits.npy")
    networks.write_digits(path, 4)
    for network in ("slim convolutional", "5-4-3-2-3-4-5"):
        for operation in ("step", "forward"):
            problem = networks.Training(operation, network, 4, path)
            task = getattr(module, operation)(problem)
            validated(problem, task.result(), problem.wanted())
