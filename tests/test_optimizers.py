"""Optimizers and schedules: first steps worked out by hand, state, settings. Longer runs are compared with PyTorch's."""

import copy
import json
import math

import numpy as np
import pytest

import minicae as mc
from minicae import layers as L
from minicae import optimizers
from minicae.errors import SettingError
from minicae.optimizers import SGD, Adam, AdamW, Nadam, RMSprop
from minicae.schedules import CosineDecay, ExponentialDecay, OneCycle, Schedule, StepDecay, WarmUp


class Vector:
    """Parameters of one vector."""

    def __init__(self, values, gradients):
        self.values, self.gradients = np.array(values), np.array(gradients)


def steps(optimizer, gradients, backend, start=(1.0, -2.0)):
    """The values after each step."""
    optimizer = copy.deepcopy(optimizer)
    optimizer.backend = backend.__name__.split(".")[-1]
    vector, seen = Vector(start, np.zeros(len(start))), []
    for gradient in gradients:
        vector.gradients[...] = gradient
        optimizer.step(vector)
        seen.append(vector.values.copy())
    return seen


G = [(2.0, -4.0), (1.0, 1.0)]


@pytest.mark.parametrize(
    "optimizer, after",
    [
        (SGD(0.1), [(0.8, -1.6), (0.7, -1.7)]),
        (SGD(0.1, 0.5), [(0.8, -1.6), (0.6, -1.5)]),  # velocity -0.2, 0.4; then -0.1 - 0.1, 0.2 - 0.1
        (SGD(0.1, 0.5, True), [(0.7, -1.4), (0.5, -1.45)]),  # w += 0.5 velocity - 0.1 g, with the new velocity
        (RMSprop(0.1, 0.75, 0.0), [(0.8, -1.8)]),  # v = g^2 / 4, so the step is 0.1 * 2
        (Adam(0.1, epsilon=0.0), [(0.9, -1.9)]),  # corrected for its start, the first step is the rate
        (Adam(0.1, 0.0, 0.0, 0.0), [(0.9, -1.9), (0.8, -2.0)]),
        (AdamW(0.1, epsilon=0.0, weight_decay=0.5), [(0.95 - 0.1, -1.9 + 0.1)]),
        (SGD(0.1, weight_decay=0.5), [(0.95 - 0.2, -1.9 + 0.4)]),
        (SGD(0.1, clip_value=1.0), [(0.9, -1.9), (0.8, -2.0)]),
        (SGD(0.1, clip_norm=math.sqrt(5)), [(0.9, -1.8), (0.8, -1.9)]),  # the first gradient is halved
        (SGD(0.1, clip_norm=1.0, clip_value=2.0), [(1 - 0.1 / math.sqrt(2), -2 + 0.1 / math.sqrt(2))]),  # (2, -2) first
        (Adam(0.1, 0.0, 0.0, 0.0, clip_value=1.0), [(0.9, -1.9), (0.8, -2.0)]),
    ],
)
def test_by_hand(optimizer, after, backend):
    for got, want in zip(steps(optimizer, G[: len(after)], backend), after, strict=True):
        assert np.allclose(got, want, rtol=1e-14)


def test_adam_second_step_by_hand(backend):
    got = steps(Adam(0.1, 0.9, 0.99, 1e-8), [(2.0,), (1.0,)], backend, (1.0,))[1]
    m, v = 0.9 * 0.2 + 0.1 * 1, 0.99 * 0.04 + 0.01 * 1
    assert np.isclose(got[0], 0.9 - 0.1 * (m / 0.19) / (math.sqrt(v / 0.0199) + 1e-8), rtol=1e-7)


def test_nadam_first_step_by_hand(backend):
    mu, following = 0.9 * (1 - 0.5 * 0.96**0.004), 0.9 * (1 - 0.5 * 0.96**0.008)
    m = following * 0.2 / (1 - mu * following) + (1 - mu) * 2 / (1 - mu)  # m = 0.1 * 2; v corrected is 2^2
    assert np.isclose(steps(Nadam(0.1, epsilon=0.0), [(2.0,)], backend, (1.0,))[0][0], 1 - 0.1 * m / 2, rtol=1e-12)


@pytest.mark.parametrize("name", optimizers.NAMES)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_every_optimizer_goes_downhill(name, dtype, backend):
    optimizer = optimizers.NAMES[name](0.05)
    optimizer.backend = backend.__name__.split(".")[-1]
    vector = Vector(np.array([3.0, -2.0], dtype), np.zeros(2, dtype))
    for _ in range(500):
        vector.gradients[...] = 2 * vector.values
        optimizer.step(vector)
    assert vector.values.dtype == dtype and np.abs(vector.values).max() < 0.06
    assert optimizer.steps == 500
    optimizer.reset()
    assert optimizer.steps == 0 and optimizer.state == {}


def test_a_gradient_of_zero_moves_nothing_at_first():
    model = mc.Sequential([L.Dense(2)], 3)
    for name in optimizers.NAMES:
        before = model.get_weights()
        optimizer = optimizers.get(name)
        optimizer.step(model.parameters)
        if name != "adamw":  # which shrinks the weights all the same
            assert all(np.array_equal(a, b) for a, b in zip(before, model.get_weights())), name


@pytest.mark.parametrize("cls", optimizers.NAMES.values())
@pytest.mark.parametrize("rate", [-0.1, math.nan, math.inf, "0.1", None, True, [0.1], 1j])
def test_learning_rates_that_mean_nothing(cls, rate):
    with pytest.raises(SettingError, match="learning_rate must be"):
        cls(rate)


@pytest.mark.parametrize(
    "cls, options",
    [
        (SGD, {"momentum": 1.0}),
        (SGD, {"momentum": -0.1}),
        (SGD, {"nesterov": True}),
        (SGD, {"momentum": 0.9, "nesterov": 1}),
        (RMSprop, {"rho": 1.0}),
        (RMSprop, {"epsilon": -1e-9}),
        (Adam, {"beta_1": 1.0}),
        (Adam, {"beta_2": math.nan}),
        (AdamW, {"weight_decay": -0.1}),
        (Nadam, {"beta_1": "0.9"}),
        (SGD, {"weight_decay": -0.1}),
        (SGD, {"clip_norm": 0.0}),
        (RMSprop, {"clip_value": -1.0}),
        (Adam, {"clip_norm": math.inf}),
        (AdamW, {"clip_value": "1"}),
        (Nadam, {"clip_norm": True}),
    ],
)
def test_settings_that_mean_nothing(cls, options):
    with pytest.raises(SettingError, match=list(options)[-1]):
        cls(**options)


def test_names():
    assert {type(optimizers.get(name)) for name in optimizers.NAMES} == {SGD, RMSprop, Adam, AdamW, Nadam}
    for bad in ("Adam", None, Adam, 0.1):
        with pytest.raises(SettingError, match="give one of sgd, rmsprop, adam, adamw, nadam"):
            optimizers.get(bad)


def test_schedules_by_hand(backend):
    decay = ExponentialDecay(0.8, 10, 0.25)
    assert [decay(0), decay(5), decay(10)] == pytest.approx([0.8, 0.4, 0.2], rel=1e-14)
    cosine = CosineDecay(1.0, 4, 0.2)
    half = math.sqrt(0.5) * 0.4
    assert [cosine(k) for k in range(6)] == pytest.approx([1.0, 0.6 + half, 0.6, 0.6 - half, 0.2, 0.2], rel=1e-14)
    stair = StepDecay(0.8, 3, 0.5)
    assert [stair(k) for k in (0, 2, 3, 5, 6)] == pytest.approx([0.8, 0.8, 0.4, 0.4, 0.2], rel=1e-14)
    warm = WarmUp(stair, 3)
    assert [warm(k) for k in (0, 1, 2, 3, 5, 6)] == pytest.approx([0.2, 0.4, 0.6, 0.8, 0.8, 0.4], rel=1e-14)
    assert [WarmUp(1.0, 1)(k) for k in (0, 1, 9)] == [0.5, 1.0, 1.0]
    cycle = OneCycle(1.0, 11, warm_up=5 / 11, start=2.0, end=4.0)  # up from 1/2 in updates 0 to 4, down to 1/8 by 10
    assert [cycle(k) for k in (0, 2, 4, 7, 10, 99)] == pytest.approx([0.5, 0.75, 1, 0.5625, 0.125, 0.125], rel=1e-14)
    first = OneCycle(1.0, 10, warm_up=0.1, start=2.0, end=4.0)  # its way up is update 0 alone
    assert [first(k) for k in (0, 9)] == pytest.approx([1.0, 0.125], rel=1e-14)
    seen = np.ravel(steps(SGD(ExponentialDecay(1.0, 1, 0.5)), [(1.0,)] * 3, backend, (0.0,)))
    assert np.allclose(seen, [-1.0, -1.5, -1.75])


def test_nested_schedules_come_back_from_their_description():
    optimizer = Adam(WarmUp(OneCycle(0.1, 20, 0.4), 3), clip_norm=2.0)
    again = mc.config.from_config(json.loads(json.dumps(optimizer.config())))
    assert repr(again) == repr(optimizer) == "Adam(WarmUp(OneCycle(0.1, 20, 0.4), 3), clip_norm=2.0)"
    assert [again.learning_rate(k) for k in range(25)] == [optimizer.learning_rate(k) for k in range(25)]


def test_a_schedule_of_your_own():
    class Warmup(Schedule):
        def __init__(self, rate):
            self.rate = rate

        def __call__(self, step):
            return self.rate * min(1, (step + 1) / 10)

    optimizer = Adam(Warmup(0.1))
    assert repr(optimizer) == "Adam(Warmup(0.1))" and optimizer.rate == pytest.approx(0.01)
    assert mc.config.from_config(optimizer.config()).rate == pytest.approx(0.01)


@pytest.mark.parametrize("bad", [-1, math.nan, math.inf, "1", None, True])
def test_schedules_that_mean_nothing(bad):
    for make in (
        lambda: ExponentialDecay(bad, 1, 0.5),
        lambda: ExponentialDecay(0.1, bad, 0.5),
        lambda: ExponentialDecay(0.1, 1, bad),
        lambda: CosineDecay(bad, 1),
        lambda: CosineDecay(0.1, bad),
        lambda: CosineDecay(0.1, 1, bad),
        lambda: StepDecay(bad, 1),
        lambda: StepDecay(0.1, bad),
        lambda: StepDecay(0.1, 1, bad),
        lambda: OneCycle(bad, 9),
        lambda: OneCycle(0.1, bad),
        lambda: OneCycle(0.1, 9, warm_up=bad),
        lambda: OneCycle(0.1, 9, start=bad),
        lambda: OneCycle(0.1, 9, end=bad),
        lambda: WarmUp(bad, 9),
        lambda: WarmUp(0.1, bad),
    ):
        with pytest.raises(SettingError):
            make()
