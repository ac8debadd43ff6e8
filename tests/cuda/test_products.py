"""Convolutions and dense layers by each of their kernels: the wide ones, the plain ones, the direct ones, all exact."""

import numpy as np
import pytest

from minicae.kernels import reference
from minicae.kernels.cuda import _gemm, _launch, _plain, _weigh, _wide
from tests.kernels.strategies import blank, cast, integers

THROUGH = [None, ("relu", 0.0), ("leaky_relu", 0.5), ("sigmoid", 0.0)]
SIZES = {  # the kernel that does it: x, window, filters, strides, padding, dilation
    "wide_64": ((1, 13, 10, 4), (1, 3), 36, (1, 1), (0, 0, 1, 1), (1, 1)),
    "wide_32": ((1, 9, 12, 8), (2, 3), 12, (2, 1), (2, 0, 0, 1), (1, 2)),
    "plain": ((1, 6, 5, 5), (3, 2), 35, (1, 2), (1, 0, 2, 1), (2, 1)),
    "direct": ((2, 5, 6, 3), (2, 3), 7, (2, 1), (1, 1, 0, 1), (1, 2)),
}


@pytest.fixture
def used(monkeypatch):
    """The names of the product kernels that were launched."""
    names, known = set(), {made: name.partition(".")[2] for name, made in _launch.KERNELS.items()}

    def watch(launcher):
        def launched(made, *rest):
            names.add(known[made])
            launcher(made, *rest)

        return launched

    for module, name in ((_gemm, "run"), (_gemm, "launch"), (_weigh, "run")):
        monkeypatch.setattr(module, name, watch(getattr(module, name)))
    return names


def case(dtype, x_shape, window, F, strides, padding, dilation):
    rng = np.random.default_rng(0)
    N, H, W, C = x_shape
    OH = (H + padding[0] + padding[1] - (window[0] - 1) * dilation[0] - 1) // strides[0] + 1
    OW = (W + padding[2] + padding[3] - (window[1] - 1) * dilation[1] - 1) // strides[1] + 1
    shapes = x_shape, (*window, C, F), (F,), (C,), (N, OH, OW, F)
    return *cast(dtype, *(integers(rng, *shape) for shape in shapes)), (strides, padding, dilation)


def everything(module, x, w, b, b_transposed, dy, how, through):
    """All that the six kernels of a convolution write."""
    activation = through or ("linear", 0.0)
    y, dx, dw, db = (blank(a.shape, a.dtype) for a in (dy, x, w, b))
    back, down, dw_back, db_back = (blank(a.shape, a.dtype) for a in (x, dy, w, b_transposed))
    module.conv2d_forward(x, w, b, y, *how, *activation)
    module.conv2d_backward_input(dy, w, dx, *how, through=through and (x, *through))
    module.conv2d_backward_weight(x, dy, dw, db, *how)
    module.conv2d_transpose_forward(dy, w, b_transposed, back, *how, *activation)
    module.conv2d_transpose_backward_input(x, w, down, *how, through=through and (dy, *through))
    module.conv2d_transpose_backward_weight(dy, x, dw_back, db_back, *how)
    return y, dx, dw, db, back, down, dw_back, db_back


CASES = [
    (kernel, through) for kernel in SIZES for through in THROUGH if kernel != "wide_64" or through == ("relu", 0.0)
]


@pytest.mark.parametrize("kernel, through", CASES)
def test_every_kernel_of_a_convolution_is_exact(backend, used, kernel, through):
    *arrays, how = case(np.float32, *SIZES[kernel])
    want, got = (everything(module, *arrays, how, through) for module in (reference, backend))
    for one, other in zip(got, want):
        smooth = through is not None and through[0] == "sigmoid"
        assert np.allclose(one, other, rtol=1e-5, atol=1e-5) if smooth else np.array_equal(one, other)
    turned = {f"{kernel}_turned"} if kernel.startswith("wide") else set()
    if kernel == "wide_64":  # going back, its 4 channels are not many
        assert used == {kernel, "wide_32_turned", "_weigh"}
    else:
        assert used == {kernel, *turned, "_weigh" if turned else f"_weigh_{kernel}"}


STRIDED = [  # window, strides, dilation: phases without a tap are among them, and strides that share a factor with dilation
    ((3, 3), (2, 2), (1, 1)),
    ((2, 5), (3, 2), (1, 1)),
    ((1, 2), (2, 3), (2, 1)),
    ((3, 2), (2, 4), (2, 2)),
    ((3, 3), (4, 3), (3, 3)),
]


@pytest.mark.parametrize("C, F", [(4, 4), (5, 4), (2, 5)])
@pytest.mark.parametrize("window, strides, dilation", STRIDED)
def test_strided_adjoints_are_exact(backend, window, strides, dilation, C, F):
    x, w, _, b, dy, how = case(np.float32, (1, 13, 14, C), window, F, strides, (1, 0, 2, 1), dilation)
    want, got = ([blank(x.shape, np.float32) for _ in range(2)] for _ in range(2))
    for module, (dx, y) in ((reference, want), (backend, got)):
        module.conv2d_backward_input(dy, w, dx, *how, through=(x, "relu", 0.0))
        module.conv2d_transpose_forward(dy, w, b, y, *how, "leaky_relu", 0.5)
    assert all(map(np.array_equal, got, want))


@pytest.mark.skipif(not _launch.SIMULATED, reason="a device does not tell")
@pytest.mark.parametrize("module, C", [(_wide, 8), (_plain, 5), (_plain, 3)])
@pytest.mark.parametrize("strides, dilation", [((2, 2), (1, 1)), ((2, 1), (3, 2)), ((4, 2), (2, 1))])
def test_no_pixel_looks_at_a_tap_that_it_does_not_meet(backend, monkeypatch, module, C, strides, dilation):
    met, meet = [], module.meet

    def watched(base, p, step, down, size):
        met.append((base + p * step) % down == 0)
        return meet(base, p, step, down, size)

    monkeypatch.setattr(module, "meet", watched)
    x, w, _, _, dy, how = case(
        np.float32, (strides[0] * strides[1] // 2, 16, 16, C), (3, 3), C, strides, (1,) * 4, dilation
    )
    backend.conv2d_backward_input(dy, w, blank(x.shape, np.float32), *how)
    assert met and all(met)


@pytest.mark.parametrize("N, C, F", [(5, 8, 12), (3, 40, 36), (7, 5, 6), (130, 1, 4), (2, 3, 1)])
def test_dense_layers_are_exact(backend, N, C, F):
    rng = np.random.default_rng(0)
    x, w, b, dy = cast(np.float32, integers(rng, N, C), integers(rng, C, F), integers(rng, F), integers(rng, N, F))

    def results(module):
        y, dw, db, dx = (blank(a.shape, a.dtype) for a in (dy, w, b, x))
        module.dense_forward(x, w, b, y, "leaky_relu", 0.25)
        module.dense_backward(x, dy, w, dw, db, dx, (x, "relu", 0.0))
        return y, dw, db, dx

    for got, want in zip(results(backend), results(reference)):
        assert np.array_equal(got, want)


@pytest.mark.parametrize(
    "kernel, C, F", [("_weigh", 4, 4), ("_weigh_plain", 7, 11), ("_weigh_direct", 6, 1), ("_weigh_direct", 1, 35)]
)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_gradient_of_many_runs_is_exact(backend, used, kernel, C, F, dtype):
    """Over a run's length of pixels, each run gives a gradient of its own."""
    *arrays, how = case(dtype, (3, 8, 7, C), (1, 2), F, (1, 1), (0, 0, 0, 1), (1, 1))
    x, _, _, _, dy = arrays
    dw, db = blank(arrays[1].shape, dtype), blank(arrays[2].shape, dtype)
    assert dy[..., 0].size > 2 * _weigh.RUN
    backend.conv2d_backward_weight(x, dy, dw, db, *how)
    want_dw, want_db = dw.copy(), db.copy()
    reference.conv2d_backward_weight(x, dy, want_dw, want_db, *how)
    assert np.array_equal(dw, want_dw) and np.array_equal(db, want_db)
    few = "_weigh_direct" if kernel == "_weigh" else kernel  # float64 has no fast kernel, and 8 weights are few
    assert used == {kernel if dtype is np.float32 else few}
