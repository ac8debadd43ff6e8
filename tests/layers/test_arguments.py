"""No argument is decoration: each one, changed alone, changes something. An argument missing here fails."""

import copy

import numpy as np
import pytest

import minicae as mc
from minicae import layers as L
from minicae import losses, optimizers, schedules

IMAGES, VECTORS = (3, 6, 7, 2), (4, 6)
LINEAR = {"activation": "relu", "use_bias": True, "kernel_initializer": "he_uniform", "bias_initializer": "ones"}
OTHER = {"activation": "tanh", "use_bias": False, "kernel_initializer": "lecun_normal", "bias_initializer": "zeros"}
WINDOW = {"filters": 3, "kernel_size": 3, "strides": 1, "padding": "same", "dilation": 1, "algorithm": "im2col"}
OTHER_WINDOW = {"filters": 2, "kernel_size": (3, 2), "strides": 2, "padding": (0, 1, 1, 0), "dilation": (1, 2)}
OTHER_WINDOW["algorithm"] = "winograd"
ADAM = {"learning_rate": 0.1, "beta_1": 0.9, "beta_2": 0.999, "epsilon": 1e-8}
OTHER_ADAM = {"learning_rate": 0.2, "beta_1": 0.5, "beta_2": 0.9, "epsilon": 1e-2}

BEFORE = {  # layers that need others in front of them
    L.AppendLabels: lambda C: [L.SplitLabels()],
    L.ContractivePenalty: lambda C: [L.Dense(C, "tanh")],
    L.Tied: lambda C: [L.Dense(C, "tanh"), L.Dense(C, "tanh")],
}
LAYERS = {  # class: (shape of x, arguments, another value of each)
    L.AppendLabels: (VECTORS, {"classes": 3}, {"classes": 4}),
    L.Activation: (VECTORS, {"activation": "relu"}, {"activation": "tanh"}),
    L.AveragePooling2D: (
        IMAGES,
        {"pool_size": 2, "strides": 2, "padding": "same", "count_padding": False},
        {"pool_size": 3, "strides": 1, "padding": "valid", "count_padding": True},
    ),
    L.BatchNormalization: (IMAGES, {"momentum": 0.9, "epsilon": 1e-3}, {"momentum": 0.5, "epsilon": 1e-1}),
    L.ContractivePenalty: (
        VECTORS,
        {"weight": 0.1, "estimator": "finite_difference", "step": 0.1},
        {"weight": 0.2, "estimator": "exact", "step": 0.3},
    ),
    L.Conv2D: (IMAGES, WINDOW | LINEAR, OTHER_WINDOW | OTHER),
    L.Conv2DTranspose: (IMAGES, WINDOW | LINEAR, OTHER_WINDOW | OTHER),
    L.Cropping2D: (IMAGES, {"cropping": 1}, {"cropping": (0, 1, 1, 1)}),
    L.Dense: (VECTORS, {"units": 3} | LINEAR, {"units": 4} | OTHER),
    L.Dropout: (VECTORS, {"rate": 0.2}, {"rate": 0.5}),
    L.ELU: (VECTORS, {"alpha": 1.0}, {"alpha": 0.5}),
    L.GaussianNoise: (VECTORS, {"stddev": 0.3}, {"stddev": 0.4}),
    L.GaussianSampling: (VECTORS, {"beta": 1.0}, {"beta": 2.0}),
    L.KLSparsity: (VECTORS, {"weight": 0.1, "target": 0.1}, {"weight": 0.2, "target": 0.3}),
    L.L1Penalty: (VECTORS, {"weight": 0.1}, {"weight": 0.2}),
    L.L2Penalty: (VECTORS, {"weight": 0.1}, {"weight": 0.2}),
    L.LeakyReLU: (VECTORS, {"negative_slope": 0.01}, {"negative_slope": 0.2}),
    L.MaskingNoise: (VECTORS, {"corruption": 0.2}, {"corruption": 0.6}),
    L.MaxPooling2D: (
        IMAGES,
        {"pool_size": 2, "strides": 2, "padding": "same"},
        {"pool_size": 3, "strides": 1, "padding": "valid"},
    ),
    L.OcclusionNoise: (IMAGES, {"size": 3, "value": 0.0}, {"size": (2, 3), "value": 9.0}),
    L.Reshape: (IMAGES, {"target_shape": (7, 6, 2)}, {"target_shape": (-1,)}),
    L.SaltAndPepperNoise: (
        VECTORS,
        {"corruption": 0.5, "low": 0.0, "high": 1.0},
        {"corruption": 0.9, "low": -9.0, "high": 9.0},
    ),
    L.Tied: (
        VECTORS,
        {"layer": "sequential[0]", "activation": "relu", "use_bias": True, "bias_initializer": "ones"},
        {"layer": "sequential[1]", "activation": "tanh", "use_bias": False, "bias_initializer": "zeros"},
    ),
    L.UpSampling2D: (
        IMAGES,
        {"size": 2, "interpolation": "bilinear", "align_corners": False},
        {"size": (2, 3), "interpolation": "nearest", "align_corners": True},
    ),
    L.ZeroPadding2D: (IMAGES, {"padding": 1}, {"padding": (0, 1, 1, 1)}),
}
LOSSES = {
    losses.MeanSquaredError: ({"reduction": "mean"}, {"reduction": "per_image"}),
    losses.MeanAbsoluteError: ({"reduction": "mean"}, {"reduction": "per_image"}),
    losses.BinaryCrossEntropy: (
        {"from_logits": False, "reduction": "mean"},
        {"from_logits": True, "reduction": "per_image"},
    ),
}
WHOLE, CLIPPED = {"clip_norm": None, "clip_value": None}, {"clip_norm": 0.5, "clip_value": 0.1}
OPTIMIZERS = {
    optimizers.SGD: (
        {"learning_rate": 0.1, "momentum": 0.9, "nesterov": False, "weight_decay": 0.0},
        {"learning_rate": 0.2, "momentum": 0.5, "nesterov": True, "weight_decay": 0.1},
    ),
    optimizers.RMSprop: (
        {"learning_rate": 0.1, "rho": 0.9, "epsilon": 1e-7},
        {"learning_rate": 0.2, "rho": 0.5, "epsilon": 1e-2},
    ),
    optimizers.Adam: (ADAM, OTHER_ADAM),
    optimizers.AdamW: (ADAM | {"weight_decay": 0.01}, OTHER_ADAM | {"weight_decay": 0.1}),
    optimizers.Nadam: (ADAM, OTHER_ADAM),
}
OPTIMIZERS = {cls: (base | WHOLE, other | CLIPPED) for cls, (base, other) in OPTIMIZERS.items()}
SCHEDULES = {
    schedules.StepDecay: ({"initial": 0.1, "steps": 2, "rate": 0.5}, {"initial": 0.2, "steps": 3, "rate": 0.9}),
    schedules.OneCycle: (
        {"peak": 0.1, "steps": 20, "warm_up": 0.3, "start": 25.0, "end": 1e4},
        {"peak": 0.2, "steps": 30, "warm_up": 0.5, "start": 10.0, "end": 1e2},
    ),
    schedules.WarmUp: ({"after": 0.1, "steps": 5}, {"after": schedules.CosineDecay(0.1, 9), "steps": 8}),
    schedules.ExponentialDecay: ({"initial": 0.1, "steps": 5, "rate": 0.5}, {"initial": 0.2, "steps": 4, "rate": 0.9}),
    schedules.CosineDecay: ({"initial": 0.1, "steps": 5, "final": 0.0}, {"initial": 0.2, "steps": 4, "final": 0.01}),
}


def pairs(table):
    """(class, argument) for every argument that a constructor takes, whether the table knows it or not."""
    return [pytest.param(cls, name, id=f"{cls.__name__}-{name}") for cls in table for name in cls.argument_names()]


def same(a, b):
    return len(a) == len(b) and all(np.array_equal(x, y) for x, y in zip(a, b))


def layer_traces(layer, shape):
    """Everything that can be seen of a layer from outside."""
    before = BEFORE.get(type(layer), lambda C: [])(shape[1])
    model = mc.Sequential([*before, layer], shape[1:], seed=1, backend="reference")
    x = np.random.default_rng(0).uniform(-1, 1, shape) if not isinstance(layer, L.KLSparsity) else np.full(shape, 0.4)
    y = model.forward(x, training=True)
    seen = [y.copy(), model.penalty, model.backward(np.cos(np.arange(y.size)).reshape(y.shape)).copy()]
    return [*seen, *model.get_gradients(), *model.get_weights(), model.predict(x)]


def loss_traces(loss):
    y, t = np.array([[0.2, 0.7], [0.4, 0.9]]), np.array([[0.0, 1.0], [0.5, 1.0]])
    value, dy = loss(y, t)
    return [value, dy.copy(), loss.per_image(y, t)]


def optimizer_traces(optimizer):
    optimizer = copy.deepcopy(optimizer)
    model = mc.Sequential([L.Dense(2)], 3, dtype="float64", backend="reference")
    for k in range(3):
        model.parameters.gradients[...] = np.cos(np.arange(8) + k)
        optimizer.step(model.parameters)
    return model.get_weights()


def changed(table, cls, name, traces):
    *_, base, other = table[cls]
    assert set(base) == set(other) == set(cls.argument_names()), f"{cls.__name__} takes {cls.argument_names()}"
    return not same(traces(cls(**base)), traces(cls(**(base | {name: other[name]}))))


@pytest.mark.parametrize("cls, name", pairs(LAYERS))
def test_layers(cls, name):
    shape = LAYERS[cls][0]
    assert changed(LAYERS, cls, name, lambda layer: layer_traces(layer, shape))


@pytest.mark.parametrize("cls, name", pairs(LOSSES))
def test_losses(cls, name):
    assert changed(LOSSES, cls, name, loss_traces)


@pytest.mark.parametrize("cls, name", pairs(OPTIMIZERS))
def test_optimizers(cls, name):
    assert changed(OPTIMIZERS, cls, name, optimizer_traces)


@pytest.mark.parametrize("cls, name", pairs(SCHEDULES))
def test_schedules(cls, name):
    assert changed(SCHEDULES, cls, name, lambda schedule: [schedule(3), schedule(50)])


def test_a_schedule_moves_an_optimizer():
    fixed, falling = optimizers.SGD(0.1), optimizers.SGD(schedules.CosineDecay(0.1, 2))
    assert not same(optimizer_traces(fixed), optimizer_traces(falling))


def test_no_class_is_forgotten():
    layers = {getattr(L, name) for name in L.__all__} - {L.Layer, L.Chain}
    assert {cls for cls in layers if cls.argument_names()} == set(LAYERS)
    assert set(optimizers.NAMES.values()) == set(OPTIMIZERS)
    assert set(losses.Loss.__subclasses__()) >= set(LOSSES)
    assert {cls for cls in vars(losses).values() if isinstance(cls, type) and issubclass(cls, losses.Loss)} == {
        losses.Loss,
        *LOSSES,
    }
    assert {
        cls for cls in vars(schedules).values() if isinstance(cls, type) and issubclass(cls, schedules.Schedule)
    } == {
        schedules.Schedule,
        *SCHEDULES,
    }
