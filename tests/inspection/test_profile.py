"""The profile of a step: which kernels run in which layer, and what they cost, by hand."""

import numpy as np
import pytest

from minicae import kernels, zoo
from minicae.inspection.profile import Profile, Row, flops, nbytes, profile


@pytest.fixture
def x():
    return np.random.default_rng(0).standard_normal((8, 3)).astype(np.float32)


@pytest.mark.parametrize("backend", ["reference", "cpu"])
def test_kernels_are_told_apart_by_layer(x, backend):
    model = zoo.basic(backend=backend)
    weights, module = model.get_weights(), kernels.backend(backend)
    before = {name: getattr(module, name) for name in module.__all__}
    found = profile(model, x, steps=2)
    assert all(getattr(module, name) is kernel for name, kernel in before.items())
    assert all(np.array_equal(one, other) for one, other in zip(model.get_weights(), weights))
    layers = {(row.layer, row.kernel): row for row in found.rows}
    forward = layers["encoder[0]", "dense_forward"]
    assert (forward.calls, forward.flops) == (1, 2 * 8 * 3 * 2)
    assert forward.nbytes == 4 * (8 * 3 + 3 * 2 + 2 + 8 * 2)
    assert ("decoder[0]", "dense_backward") in layers and ("encoder[0]", "dense_backward_weight") in layers
    assert layers["optimizer", "adam_step"].nbytes == 4 * 7 * 17
    assert any(layer == "loss" for layer, _ in layers)
    assert all(row.ms > 0 for row in found.rows) and found.step_ms > 0
    assert (found.peak is not None) == (backend == "cpu")


def test_the_table_has_a_line_a_kernel_and_points_to_the_benchmarks():
    row = Row("encoder[0]", "dense_forward", 1, 2.0, 10**8, 4 * 10**6)
    assert row.gflops == pytest.approx(50) and row.gbytes == pytest.approx(2)
    text = str(Profile((row,), 4.0, 100.0, 2, "8 samples"))
    lines = text.splitlines()
    assert lines[0] == "8 samples: a training step takes 4.000 ms on 2 threads, which reach 100 GFLOP/s in registers"
    assert lines[3].split() == ["encoder[0]", "dense_forward", "1", "2.000", "50.0%", "50.0", "50%", "2.0"]
    assert lines[4].split() == ["between", "kernels", "2.000", "50.0%"]
    assert lines[-1].endswith("python -m benchmarks, in a checkout of the repository")


def test_costs_by_hand():
    x, w, y = np.zeros((2, 5, 5, 3), np.float32), np.zeros((3, 3, 3, 4), np.float32), np.zeros((2, 5, 5, 4), np.float32)
    operations = 2 * 2 * 25 * 9 * 3 * 4
    assert flops("conv2d_forward", (x, w, None, y)) == operations
    assert flops("conv2d_backward_input", (y, w, x)) == operations
    assert flops("conv2d_backward_weight", (x, y, w, None)) == operations
    assert flops("conv2d_transpose_forward", (y, w, None, x)) == operations
    assert flops("conv2d_transpose_backward_input", (x, w, y)) == operations
    assert flops("conv2d_transpose_backward_weight", (y, x, w, None)) == operations
    assert flops("add", (x, x, x)) == 0 and nbytes("add", (x, x, x)) == 3 * x.nbytes
    assert nbytes("dense_backward_input", (y, w, x, (x, "relu", 0.0))) == y.nbytes + w.nbytes + 2 * x.nbytes
