"""Losses: numbers typed by hand, what they refuse, and the promise that batches leave no trace in them."""

import copy
import pickle

import numpy as np
import pytest

from minicae import losses
from minicae.errors import DataError, SettingError, ShapeError
from minicae.losses import BinaryCrossEntropy, MeanAbsoluteError, MeanSquaredError

Y = np.array([[1.0, 2.0, 3.0], [0.0, -1.0, 4.0]])
T = np.array([[1.0, 0.0, 0.0], [2.0, -1.0, 1.0]])


def with_backend(loss, backend):
    loss.backend = backend.__name__.split(".")[-1]
    return loss


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    "loss, value, dy, costs",
    [
        (MeanSquaredError(), 26 / 6, [[0, 4 / 6, 1], [-4 / 6, 0, 1]], [13 / 3, 13 / 3]),  # 0 + 4 + 9, 4 + 0 + 9
        (MeanSquaredError("per_image"), 13.0, [[0, 2, 3], [-2, 0, 3]], [13, 13]),
        (MeanAbsoluteError(), 10 / 6, [[0, 1 / 6, 1 / 6], [-1 / 6, 0, 1 / 6]], [5 / 3, 5 / 3]),
        (MeanAbsoluteError("per_image"), 5.0, [[0, 0.5, 0.5], [-0.5, 0, 0.5]], [5, 5]),
    ],
)
def test_squares_and_absolute_values(loss, value, dy, costs, dtype, backend):
    got, gradient = with_backend(loss, backend)(Y.astype(dtype), T.astype(dtype))
    assert type(got) is float and np.isclose(got, value, rtol=1e-6)
    assert gradient.dtype == dtype and np.allclose(gradient, dy, rtol=1e-6)
    assert np.allclose(loss.per_image(Y.astype(dtype), T.astype(dtype)), costs, rtol=1e-6)


def test_cross_entropy_of_probabilities(backend):
    y, t = np.array([[0.8, 0.5]]), np.array([[1.0, 0.25]])
    value, dy = with_backend(BinaryCrossEntropy(), backend)(y, t)
    assert np.isclose(value, (0.22314355131420976 + 0.6931471805599453) / 2, rtol=1e-14)  # -log 0.8, log 2
    assert np.allclose(dy, [[-0.625, 0.5]], rtol=1e-14)  # -1 / 0.8 / 2, (0.5 - 0.25) / 0.25 / 2


def test_a_perfect_prediction_costs_nothing_and_a_wrong_certainty_100(backend):
    loss = with_backend(BinaryCrossEntropy(), backend)
    assert loss(np.array([[0.0, 1.0]]), np.array([[0.0, 1.0]]))[0] == 0.0
    value, dy = loss(np.array([[1.0, 0.0]]), np.array([[0.0, 1.0]]))
    assert value == 100.0 and np.isfinite(dy).all() and dy[0, 0] > 0 > dy[0, 1]


def test_cross_entropy_of_logits(backend):
    loss = with_backend(BinaryCrossEntropy(from_logits=True), backend)
    y, t = np.array([[0.0, 2.0, -1000.0, 1000.0]]), np.array([[1.0, 0.5, 0.0, 0.0]])
    assert np.allclose(loss.per_image(y, t) * 4, 0.6931471805599453 + 2.1269280110429727 - 1 + 0 + 1000, rtol=1e-14)
    assert np.allclose(loss(y, t)[1] * 4, [[-0.5, 0.8807970779778823 - 0.5, 0.0, 1.0]], rtol=1e-14)


@pytest.mark.parametrize("reduction", ["mean", "per_image"])
def test_the_fused_gradient_is_that_before_the_sigmoid(reduction, backend):
    rng = np.random.default_rng(0)
    logits, target = rng.standard_normal((4, 5)), rng.random((4, 5))
    y = 1 / (1 + np.exp(-logits))
    fused = with_backend(BinaryCrossEntropy(reduction=reduction), backend).step(y, target, fused=True)
    plain = with_backend(BinaryCrossEntropy(reduction=reduction), backend).step(y, target)
    from_logits = with_backend(BinaryCrossEntropy(True, reduction), backend).step(logits, target)
    assert np.isclose(fused[0], from_logits[0], rtol=1e-13) and fused[0] == plain[0]
    assert np.allclose(fused[1], from_logits[1], rtol=1e-12, atol=1e-15)
    assert np.allclose(fused[1], plain[1] * y * (1 - y), rtol=1e-12, atol=1e-15)


def test_a_saturated_sigmoid_still_learns():
    y, target = np.array([[1.0]], np.float32), np.array([[0.0]], np.float32)  # the slope of the sigmoid is 0 here
    assert BinaryCrossEntropy().step(y, target, fused=True)[1] == 1.0


@pytest.mark.parametrize(
    "loss", [MeanSquaredError(), MeanAbsoluteError(), BinaryCrossEntropy(), BinaryCrossEntropy(True)]
)
def test_what_all_of_them_refuse(loss):
    half = np.full((4, 1), 0.5)
    for y, target in ((half, half[:, 0]), (half[:, 0], half), (half, half[:1]), (half, np.full((4, 2), 0.5))):
        with pytest.raises(ShapeError, match="must have the same shape"):
            loss(y, target)
        with pytest.raises(ShapeError, match=r"y \(N=4.*    target \("):
            loss.per_image(y, target)
    with pytest.raises(ShapeError, match="the batch is empty"):
        loss(half[:0], half[:0])
    for bad in (
        half.astype(complex),
        np.full((4, 1), "a"),
        np.ma.masked_array(half, True),
        (half * 255).astype(np.uint8),
    ):
        for arrays in ((half, bad), (bad, half)):
            with pytest.raises(DataError):
                loss(*arrays)


@pytest.mark.parametrize("from_logits", [False, True])
@pytest.mark.parametrize("bad", [-1e-3, 1.001, np.nan, np.inf])
def test_targets_that_are_no_probabilities(from_logits, bad):
    target = np.full((2, 3), 0.5)
    target[1, 1] = bad
    with pytest.raises(DataError, match="needs targets in 0..1"):
        BinaryCrossEntropy(from_logits)(np.full((2, 3), 0.5), target)


def test_integers_and_other_kinds_are_converted():
    value, dy = MeanSquaredError()(Y.astype(np.int64), T.astype(">f8"))
    assert np.isclose(value, 26 / 6, rtol=1e-6) and dy.dtype == np.float32
    assert MeanSquaredError()(Y.tolist(), T.tolist())[0] == 26 / 6


def test_the_gradient_is_lent_and_the_costs_are_given():
    loss = MeanSquaredError()
    first, costs = loss(Y, T)[1], loss.per_image(Y, T)
    kept = costs.copy()
    second = loss(2 * Y, T)[1]
    loss.per_image(2 * Y, T)
    assert np.shares_memory(first, second) and np.array_equal(costs, kept)
    assert loss(Y[:1], T[:1])[1].shape == (1, 3)  # a smaller batch, then a larger one
    assert np.allclose(loss(np.tile(Y, (3, 1)), np.tile(T, (3, 1)))[0], 26 / 6)


@pytest.mark.parametrize("loss", [MeanSquaredError(), MeanAbsoluteError(), BinaryCrossEntropy(True)])
def test_the_costs_of_an_image_do_not_depend_on_its_batch(loss):
    rng = np.random.default_rng(0)
    y, t = rng.random((9, 40, 40, 3), np.float32), rng.random((9, 40, 40, 3), np.float32)
    together = loss.per_image(y, t)
    assert together.dtype == np.float64
    assert np.array_equal(
        together, np.concatenate([loss.per_image(y[i : i + 2], t[i : i + 2]) for i in range(0, 9, 2)])
    )


def test_names():
    assert [repr(losses.get(name)) for name in losses.NAMES] == [
        *("MeanSquaredError()", "MeanAbsoluteError()", "BinaryCrossEntropy()", "BinaryCrossEntropy(True)")
    ]
    loss = MeanSquaredError()
    assert losses.get(loss) is loss
    for bad in ("MSE", None, 3, MeanSquaredError, ["mse"]):
        with pytest.raises(SettingError, match="give one of mse, mae, bce, bce_logits"):
            losses.get(bad)
    for options in ({"reduction": "sum"}, {"reduction": None}, {"from_logits": 1}, {"from_logits": "yes"}):
        with pytest.raises(SettingError):
            BinaryCrossEntropy(**options)


def test_copies():
    loss = BinaryCrossEntropy(True, "per_image")
    loss(Y, np.zeros_like(Y))
    for twin in (copy.deepcopy(loss), pickle.loads(pickle.dumps(loss))):
        assert repr(twin) == repr(loss) and twin(Y, np.zeros_like(Y))[0] == loss(Y, np.zeros_like(Y))[0]


def test_data_from_outputs():
    z = np.array([[0.0, 40.0, -40.0]])
    assert np.allclose(BinaryCrossEntropy(True).to_data(z), [[0.5, 1.0, 0.0]])
    assert BinaryCrossEntropy().to_data(z) is z and MeanSquaredError().to_data(z) is z
    mean = np.array([0.0, 0.25, 1.0])
    assert np.allclose(1 / (1 + np.exp(-BinaryCrossEntropy(True).baseline_output(mean))), mean, atol=2e-6)
