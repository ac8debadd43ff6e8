"""Mistakes that real projects shipped, rebuilt small: each must be found by the gradient check, by the adjoint identity
<Ax, g> = <x, A'g>, by a distribution or by comparison with the definition. Where one judge is blind, the test says so."""

import numpy as np
import pytest

import minicae as mc
from minicae import layers as L
from minicae import losses

SIZE = 2


class Map(L.Layer):
    """A layer without parameters that keeps its shape, unless it says otherwise."""

    def build(self, input_shape):
        return input_shape


class NearestEveryOther(Map):
    """Upsampling whose backward takes every s-th gradient instead of summing the block."""

    def build(self, input_shape):
        H, W, C = input_shape
        return H * SIZE, W * SIZE, C

    def forward(self, x, training=False):
        return x.repeat(SIZE, 1).repeat(SIZE, 2)

    def backward(self, dy):
        return dy[:, ::SIZE, ::SIZE].copy()


class ChainedElu(Map):
    """ELU whose slope is a chained comparison: a boolean."""

    def forward(self, x, training=False):
        self.saved.x = x
        return np.where(x > 0, x, np.expm1(x))

    def backward(self, dy):
        return dy * ((self.saved.x > 0) >= (np.exp(self.saved.x) > 0))


class OneStride(Map):
    """Subsampling by (2, 3) that goes back along the width by the height's stride."""

    def build(self, input_shape):
        self.input = input_shape
        return -(-input_shape[0] // 2), -(-input_shape[1] // 3), input_shape[2]

    def forward(self, x, training=False):
        return x[:, ::2, ::3].copy()

    def backward(self, dy):
        dx = np.zeros((len(dy), *self.input))
        dx[:, ::2, : 2 * dy.shape[2] : 2] = dy
        return dx


class ZeroPaddedMax(Map):
    """Max pooling 3x3, stride 1, that pads with zeros. Forward and backward agree with each other."""

    def forward(self, x, training=False):
        self.saved.inside = np.lib.stride_tricks.sliding_window_view(
            np.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0))), (3, 3), (1, 2)
        )
        return self.saved.inside.max((-2, -1))

    def backward(self, dy):
        N, H, W, C = dy.shape
        dx = np.zeros((N, H + 2, W + 2, C))
        best = self.saved.inside.reshape(N, H, W, C, 9).argmax(-1)
        n, i, j, c = np.indices(dy.shape)
        np.add.at(dx, (n, i + best // 3, j + best % 3, c), dy)
        return dx[:, 1:-1, 1:-1]


class LogVarAsDeviation(L.GaussianSampling):
    """z = mu + exp(log_var) * n, and a gradient that is right for that."""

    def forward(self, x, training=False):
        super().forward(x, training)
        mu, log_var = np.split(x, 2, 1)
        return mu + np.exp(log_var) * self.saved.buffers["noise"][: len(x)]

    def backward(self, dy):
        mu, log_var = np.split(self.saved.x, 2, 1)
        kl = self.beta / len(dy) * np.concatenate([mu, np.expm1(log_var) / 2], 1)
        return np.concatenate([dy, dy * np.exp(log_var) * self.saved.buffers["noise"][: len(dy)]], 1) + kl


class Accumulating(L.Dense):
    """dw += where dw = is meant."""

    def adjoints(self, *arguments):
        before = self.dw.copy()
        super().adjoints(*arguments)
        self.dw += before


class ForgottenBias(L.Conv2D):
    """A convolution that never writes db."""

    def weight_gradient(self, x, dpre):
        super().weight_gradient(x, dpre)
        self.db[...] = 0


class PerImageBias(L.Dense):
    """db is the mean over the batch, the rest is summed."""

    def adjoints(self, x, *others):
        super().adjoints(x, *others)
        self.db /= len(x)


class UnchargedPenalty(L.L1Penalty):
    """Charges, and gives no gradient for it."""

    def backward(self, dy):
        return dy


class SlopeOfPreactivation(Map):
    """Sigmoid whose slope is taken from x as if x were the output."""

    def forward(self, x, training=False):
        self.saved.x = x
        return 1 / (1 + np.exp(-x))

    def backward(self, dy):
        return dy * self.saved.x * (1 - self.saved.x)


class StoredStatistics(L.BatchNormalization):
    """In training, mean and variance are taken for constants."""

    def backward(self, dy):
        return dy * self.gamma / np.sqrt(self.saved.variance + self.epsilon)


class ClippedCrossEntropy(losses.BinaryCrossEntropy):
    """Probabilities clipped at 0.999."""

    def _costs(self, y, target):
        return super()._costs(np.clip(y, 0.001, 0.999), target)


def normal(*shape):
    return np.random.default_rng(1).standard_normal(shape)


WRONG = [
    (NearestEveryOther(), normal(2, 3, 4, 2)),
    (ChainedElu(), normal(4, 5)),
    (OneStride(), normal(2, 6, 7, 2)),
    (ForgottenBias(2, 3), normal(2, 4, 4, 1)),
    (PerImageBias(2), normal(4, 3)),
    (UnchargedPenalty(0.1), normal(4, 3)),
    (SlopeOfPreactivation(), normal(4, 3)),
    (StoredStatistics(), normal(6, 3)),
]


@pytest.mark.parametrize("layer, x", WRONG, ids=[type(layer).__name__ for layer, _ in WRONG])
def test_found_by_the_gradient_check(layer, x):
    report = mc.gradcheck(layer, x)
    assert not report.ok and report.worst.error > 0.01, report


@pytest.mark.parametrize("layer, x", [(NearestEveryOther(), normal(2, 3, 4, 2)), (OneStride(), normal(2, 6, 7, 2))])
def test_linear_ones_are_found_by_the_adjoint_too(layer, x):
    layer.setup(x.shape[1:], dtype="float64", backend="reference")
    y = layer.forward(x)
    g = np.random.default_rng(2).standard_normal(y.shape)
    assert not np.isclose(np.vdot(y, g), np.vdot(x, layer.backward(g)))


def test_accumulation_needs_a_second_backward():
    model = mc.Sequential([Accumulating(2)], 3, dtype="float64", backend="reference")
    assert mc.gradcheck(model, normal(4, 3)).ok  # the first backward finds zeros
    g = normal(*model.forward(normal(4, 3)).shape)
    gradients = []
    for _ in range(2):
        model.backward(g)
        gradients.append(model.get_gradients()[0])
    assert not np.allclose(*gradients)


def test_the_wrong_deviation_is_consistent_and_needs_a_distribution():
    assert mc.gradcheck(LogVarAsDeviation(0.5), normal(5, 6)).ok
    deviations = []
    for layer in (LogVarAsDeviation(), L.GaussianSampling()):
        layer.setup(2, dtype="float64", backend="reference")
        deviations.append(layer.forward(np.tile([0.0, np.log(4.0)], (50_000, 1)), training=True).std())
    assert abs(deviations[0] - 4.0) < 0.1
    assert abs(deviations[1] - 2.0) < 0.05


def test_zero_padding_in_a_maximum_is_consistent_and_needs_negative_inputs():
    wrong, right = ZeroPaddedMax(), L.MaxPooling2D(3, 1, "same")
    assert mc.gradcheck(wrong, normal(2, 4, 5, 2)).ok
    for layer in (wrong, right):
        layer.setup((4, 5, 2), dtype="float64", backend="reference")
    x = np.full((1, 4, 5, 2), -1.0)
    assert (right.forward(x) == -1).all()
    assert not (wrong.forward(x) == -1).all()


def test_clipping_is_found_by_a_number_typed_by_hand():
    y, target = np.array([[0.0, 1.0]]), np.array([[0.0, 1.0]])
    assert losses.BinaryCrossEntropy()(y, target)[0] == 0.0
    assert ClippedCrossEntropy()(y, target)[0] > 0.0005
    saturated = np.array([[0.9995, 0.3]])
    assert not mc.gradcheck(ClippedCrossEntropy(), saturated, np.array([[0.5, 0.5]])).ok


def test_a_forgotten_factor_shows_though_it_begins_at_1():
    class Forgetful(L.BatchNormalization):
        def backward(self, dy):
            return super().backward(dy) / self.gamma

    x = np.random.default_rng(0).standard_normal((6, 4))
    assert mc.gradcheck(L.BatchNormalization(), x).ok
    assert not mc.gradcheck(Forgetful(), x).ok
