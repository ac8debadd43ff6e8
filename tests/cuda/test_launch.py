"""What holds for every kernel of the CUDA backend: nothing is allocated twice, barriers count, alignment is looked at."""

import numpy as np
import pytest

from minicae.errors import SettingError
from minicae.kernels import backend as _backend
from minicae.kernels import reference
from minicae.kernels.cuda import _device, _launch
from tests.kernels.strategies import blank, integers

simulated = pytest.mark.skipif(not _device.SIMULATED, reason="on a device a missing barrier need not show")
CONVOLUTION = ((1, 1), (1, 1, 1, 1), (1, 1))


def there(module, *hosts):
    """The arrays, on the device."""
    placed = [module.empty(host.shape, host.dtype) for host in hosts]
    for host, array in zip(hosts, placed):
        module.upload(host, array)
    return placed


def convolve(module, C, F):
    rng = np.random.default_rng(0)
    x, w, dy = (integers(rng, *shape).astype(np.float32) for shape in ((1, 4, 4, C), (3, 3, C, F), (1, 4, 4, F)))
    y, dw, db = (blank(shape, np.float32) for shape in (dy.shape, w.shape, (F,)))
    module.conv2d_forward(x, w, None, y, *CONVOLUTION, "linear", 0.0)
    module.conv2d_backward_weight(x, dy, dw, db, *CONVOLUTION)
    return y, dw, db


@pytest.fixture
def without_barriers(monkeypatch):
    """A function that takes all barriers away."""

    def take_away():
        from numba.cuda.simulator import kernelapi

        monkeypatch.setattr(kernelapi.FakeCUDAModule, "syncthreads", lambda self: None)

    return take_away


@simulated
@pytest.mark.parametrize("C, F", [(4, 4), (5, 11)])
def test_a_dropped_barrier_shows(backend, without_barriers, C, F):
    """Shared memory is NaN until it is written, so a thread that does not wait for the others is found out."""
    want = convolve(reference, C, F)
    assert all(map(np.array_equal, convolve(backend, C, F), want))
    without_barriers()
    got = convolve(backend, C, F)
    assert all(np.isnan(one).any() for one in got), [one.ravel()[:4] for one in got]


@simulated
def test_a_dropped_barrier_shows_in_sums(backend, without_barriers):
    y, target, costs = np.ones((3, 40), np.float32), np.zeros((3, 40), np.float32), blank((3,), np.float64)
    backend.mse_forward(y, target, costs)
    assert costs.tolist() == [40, 40, 40]
    without_barriers()
    backend.mse_forward(y, target, costs)
    assert costs.tolist() != [40, 40, 40]


@simulated
def test_a_dropped_barrier_shows_where_runs_are_added_up(backend, without_barriers):
    rng = np.random.default_rng(0)
    x, dy = (integers(rng, 2, 8, 8, C).astype(np.float32) for C in (5, 1))  # the direct kernel has none of its own
    got, want = blank((3, 3, 5, 1), np.float32), blank((3, 3, 5, 1), np.float32)
    reference.conv2d_backward_weight(x, dy, want, None, *CONVOLUTION)
    backend.conv2d_backward_weight(x, dy, got, None, *CONVOLUTION)
    assert np.array_equal(got, want)
    without_barriers()
    backend.conv2d_backward_weight(x, dy, got, None, *CONVOLUTION)
    assert np.isnan(got).any()


@simulated
def test_a_dropped_barrier_shows_in_softmax(backend, without_barriers):
    x, dy = np.log(np.array([[1, 2, 5, 4, 4], [1, 1, 1, 1, 4]], np.float32)), np.eye(2, 5, dtype=np.float32)
    y, dx = blank(x.shape, np.float32), blank(x.shape, np.float32)
    want = np.array([[1, 2, 5, 4, 4], [2, 2, 2, 2, 8]]) / 16
    backend.softmax_forward(x, y)
    backend.softmax_backward(dy, y, dx)
    assert np.allclose(y, want, rtol=1e-6)
    assert np.allclose(dx, want * (dy - (dy * want).sum(1, keepdims=True)), rtol=1e-5)
    without_barriers()
    backend.softmax_forward(x, y)
    assert not np.allclose(y, want, rtol=1e-3)
    backend.softmax_backward(dy, want.astype(np.float32), dx)
    assert np.isnan(dx).any()


def test_a_warm_call_allocates_nothing(monkeypatch):
    module = _backend("cuda")
    rng = np.random.default_rng(0)
    x, w, dy, dw, db, small, mean = there(
        module,
        *(
            integers(rng, *s)
            for s in ((1, 9, 9, 5), (3, 3, 5, 6), (1, 9, 9, 6), (3, 3, 5, 6), (6,), (1, 3, 3, 5), (5,))
        ),
    )

    def calls():
        module.conv2d_backward_weight(x, dy, dw, db, *CONVOLUTION)
        module.upsample_bilinear_forward(small, x, False)
        module.batchnorm_statistics(x, mean, mean)
        module.keep_if_finite(db, db, db)

    calls()
    asked = []
    for name in ("device_array", "to_device"):
        monkeypatch.setattr(_device.cuda, name, lambda *arguments, **named: asked.append(arguments))
    calls()
    assert asked == []


def test_what_is_not_aligned_is_read_number_by_number():
    module = _backend("cuda")
    whole = module.empty((65,), np.float32)
    assert _launch.aligned(whole) and _launch.aligned(whole[4:]) and not _launch.aligned(whole, whole[1:])
    rng = np.random.default_rng(0)
    x, w, y = integers(rng, 4, 8).astype(np.float32), integers(rng, 8, 4).astype(np.float32), blank((4, 4), np.float32)
    shifted = whole[1:33].reshape(4, 8)
    module.upload(x, shifted)
    w_there, y_there = there(module, w, y)
    module.dense_forward(shifted, w_there, None, y_there, "linear", 0.0)
    assert np.array_equal(module.download(y_there), x @ w)


def test_what_32_bits_cannot_count_is_refused(monkeypatch):
    module = _backend("cuda")
    made = []
    monkeypatch.setattr(_launch.cuda, "device_array", lambda shape, dtype: made.append(shape))
    for shape in (2**31, (2**31,), (2**20, 64, 64, 3), (2**40, 2**40)):
        with pytest.raises(
            SettingError, match="numbers, kernels on the device count to 2,147,418,112: choose a smaller"
        ):
            module.empty(shape, np.float32)
    for shape in (2**31 - 2**16, (2**10, 2**10, 2**10), ()):
        module.empty(shape, np.float32)
    assert made == [2**31 - 2**16, (2**10, 2**10, 2**10), ()]


def test_what_is_downloaded_is_a_copy():
    module = _backend("cuda")
    (array,) = there(module, np.arange(6.0).reshape(2, 3))
    first = module.download(array)
    module.upload(np.zeros((2, 3)), array)
    assert first.tolist() == [[0, 1, 2], [3, 4, 5]] and not module.download(array).any()


def test_a_kernel_is_compiled_once_for_each_type():
    module = _backend("cuda")
    arrays = there(module, *np.ones((3, 4), np.float32))
    module.add(*arrays)
    assert module.compile_for(lambda: module.add(*arrays)) == 0
    assert module.facts()["device"]


def test_sums_of_the_same_numbers_have_the_same_bits(backend):
    rng = np.random.default_rng(0)
    x, dy = (rng.standard_normal(shape).astype(np.float32) for shape in ((2, 9, 9, 3), (2, 9, 9, 5)))
    results = []
    for _ in range(2):
        dw, db = blank((3, 3, 3, 5), np.float32), blank((5,), np.float32)
        backend.conv2d_backward_weight(x, dy, dw, db, *CONVOLUTION)
        results.append(dw.tobytes() + db.tobytes())
    assert results[0] == results[1]
