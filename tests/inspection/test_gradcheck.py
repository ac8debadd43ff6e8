"""The gradient check itself: what it passes, what it finds, what it says."""

import numpy as np
import pytest

import minicae as mc
from minicae import layers as L
from minicae import losses
from minicae.errors import DataError, SettingError
from minicae.inspection.gradcheck import STEPS, TOLERANCE


class Scale(L.Layer):
    """y = s * x, with a gradient that can be bent."""

    factor = 1.0
    bend = staticmethod(lambda dx: dx)

    def build(self, input_shape):
        self.parameter("s", input_shape, "ones")
        return input_shape

    def forward(self, x, training=False):
        self.saved.x = self.admit(x)
        return self.saved.x * self.s

    def backward(self, dy):
        self.ds[...] = self.factor * (dy * self.saved.x).sum(0)
        return self.bend(dy * self.s)


def bent(**attributes):
    return type("Bent", (Scale,), attributes)()


def batch(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape)


def test_a_right_layer_passes_far_below_the_tolerance():
    report = mc.gradcheck(Scale(), batch(5, 4))
    assert report.ok and report.worst.error < 1e-10
    assert [(row.name, row.shape, row.checked, row.kinks) for row in report.rows] == [
        ("x", (5, 4), 20, 0),
        ("layers[0].s", (4,), 4, 0),
    ]


@pytest.mark.parametrize("factor", [1.0009, 1 - 1e-6, -1.0, 0.0, 2.0])
def test_a_gradient_off_by_a_factor_fails(factor):
    report = mc.gradcheck(bent(factor=factor), batch(5, 4))
    assert not report.ok and report.worst.name == "layers[0].s"
    wrong = abs(factor - 1) / max(abs(factor), 1)
    assert np.isclose(report.worst.error, wrong, rtol=1e-3)


def test_the_worst_entry_is_named():
    def bend(dx):
        dx = dx.copy()
        dx[3, 2] += 0.5
        return dx

    x = batch(5, 4)
    report = mc.gradcheck(bent(bend=staticmethod(bend)), x)
    worst = report.worst
    assert not report.ok and (worst.name, worst.index) == ("x", (3, 2))
    assert np.isclose(worst.backward - worst.numeric, 0.5)
    text = str(report)
    assert "FAILED" in text and "Bent()" in text and f"{TOLERANCE:g}" in text
    assert f"worst at x[3, 2]: backward {worst.backward:.10g}, numeric {worst.numeric:.10g}" in text


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("place", [0, 7, 19])
def test_a_gradient_that_is_not_finite_fails(value, place):
    def bend(dx):
        dx = dx.copy()
        dx.reshape(-1)[place] = value
        return dx

    report = mc.gradcheck(bent(bend=staticmethod(bend)), batch(5, 4))
    assert not report.ok and report.worst.name == "x"
    assert report.worst.index == np.unravel_index(place, (5, 4))
    assert "FAILED" in str(report)


def test_a_forward_that_is_not_finite_fails():
    class Broken(Scale):
        def forward(self, x, training=False):
            return super().forward(x) * np.nan

    report = mc.gradcheck(Broken(), batch(2, 3))
    assert not report.ok and "nothing could be checked" in str(report)


def test_relu_exactly_at_its_kink_is_left_out():
    x = batch(4, 5)
    x[1, 2] = x[3, 0] = 0.0
    report = mc.gradcheck(L.ReLU(), x)
    assert report.ok and (report.rows[0].kinks, report.rows[0].checked) == (2, 18)
    assert "2 at kinks left out" in str(report)


def test_near_a_kink_the_step_is_shortened():
    x = np.array([[3e-5, -4e-4, 0.7]])  # nearer than the widest step reaches, farther than the narrowest
    assert STEPS[-1] < 3e-5 < STEPS[0]
    report = mc.gradcheck(L.ReLU(), x)
    assert report.ok and (report.rows[0].kinks, report.rows[0].checked) == (0, 3)


def test_a_wrong_slope_at_a_kink_cannot_hide_elsewhere():
    class Leak(L.Layer):
        """ReLU that forgets its slope below zero."""

        def build(self, input_shape):
            return input_shape

        def forward(self, x, training=False):
            return np.maximum(x, 0)

        def backward(self, dy):
            return dy

    assert not mc.gradcheck(Leak(), batch(4, 5)).ok


def test_all_ties_of_a_constant_image_are_kinks_and_no_failures():
    report = mc.gradcheck(L.MaxPooling2D(2), np.full((1, 4, 4, 1), 0.5))
    (row,) = report.rows
    assert (row.kinks, row.checked, row.error) == (16, 0, 0.0)
    assert not report.ok and "every coordinate tried lies at a kink" in str(report)


def test_a_tie_in_one_window_leaves_the_others_checked():
    x = batch(1, 4, 4, 1)
    x[0, :2, :2] = 1.0
    report = mc.gradcheck(L.MaxPooling2D(2), x)
    assert report.ok and (report.rows[0].kinks, report.rows[0].checked) == (4, 12)


@pytest.mark.parametrize("loss", ["mse", "mae", "bce_logits"])
def test_models_with_their_objective(loss, backend):
    layers = [L.Conv2D(3, 3, activation="tanh"), L.MaxPooling2D(2)], [L.UpSampling2D(2), L.Conv2D(1, 3)]
    ae = mc.Autoencoder([*layers[0], L.L1Penalty(0.1)], layers[1], (4, 4, 1), backend=backend.__name__.split(".")[-1])
    ae.compile(loss)
    x = np.random.default_rng(0).random((3, 4, 4, 1))
    for report in (mc.gradcheck(ae, x), mc.gradcheck(ae, x, x)):
        assert report.ok, report
        names = [row.name for row in report.rows]
        assert names == ["x", "encoder[0].w", "encoder[0].b", "decoder[1].w", "decoder[1].b"]


def test_the_objective_is_that_of_the_loss():
    ae = mc.Autoencoder([L.Dense(2)], [L.Dense(3)], 3)
    ae.compile("mse")
    ae.loss.step = lambda y, target, fused=False: (0.0, np.zeros_like(y))
    assert not mc.gradcheck(ae, batch(4, 3), batch(4, 3)).ok


def test_losses():
    y, target = batch(4, 3), batch(4, 3, seed=1)
    report = mc.gradcheck(losses.MeanSquaredError(), y, target)
    assert report.ok and [row.name for row in report.rows] == ["y"]

    class Halved(losses.MeanSquaredError):
        def step(self, y, target, fused=False):
            value, dy = super().step(y, target)
            return value, dy / 2

    report = mc.gradcheck(Halved(), y, target)
    assert not report.ok and np.isclose(report.worst.error, 0.5)


def test_the_subject_is_left_as_it_was():
    ae = mc.Autoencoder([L.Dropout(0.5), L.Dense(2)], [L.BatchNormalization(), L.Dense(3)], 3)
    ae.compile("mse")
    x = batch(4, 3).astype(np.float32)
    ae.train_on_batch(x)

    def state():
        leaves = ae.leaves()
        streams = [leaf.rng.bit_generator.state for leaf in leaves if leaf.random]
        arrays = [*ae.get_weights(), *ae.get_gradients(), *(a.copy() for leaf in leaves for a in leaf.states.values())]
        return repr((streams, [(a.dtype, a.tobytes()) for a in arrays], ae.optimizer.steps))

    before, x_before = state(), x.copy()
    assert mc.gradcheck(ae, x, x).ok
    assert state() == before and np.array_equal(x, x_before)


def test_a_built_model_is_checked_with_its_own_weights():
    model = mc.Sequential([L.Dense(2)], 3)
    model.set_weights([np.zeros((3, 2)), np.zeros(2)])
    report = mc.gradcheck(model, batch(4, 3))
    assert report.ok and report.rows[0].backward == 0.0  # dx = dy w'


def test_samples_and_seed():
    layer, x = L.Dense(20), batch(3, 30)
    few = mc.gradcheck(layer, x, samples=10)
    assert [row.checked for row in few.rows] == [10, 10, 10]
    assert str(few) == str(mc.gradcheck(layer, x, samples=10)) != str(mc.gradcheck(layer, x, samples=10, seed=1))


def test_outside_training(backend):
    layer, x = L.BatchNormalization(), batch(5, 3)
    assert mc.gradcheck(layer, x, training=False, backend=backend.__name__.split(".")[-1]).ok
    assert mc.gradcheck(L.Dropout(0.5), x, training=False).rows[0].checked == 15


def test_what_it_refuses():
    for x in (np.zeros((0, 3)), np.array([[np.nan]]), np.array([[np.inf, 1.0]])):
        with pytest.raises(DataError, match="finite"):
            mc.gradcheck(L.ReLU(), x)
    with pytest.raises(SettingError, match="a layer, a model or a loss"):
        mc.gradcheck("relu", batch(2, 2))
    with pytest.raises(SettingError, match="needs targets"):
        mc.gradcheck(losses.MeanSquaredError(), batch(2, 2))
