"""Whatever a layer is given, it either works, with the shape it promised, or raises an error of minicae's own."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import minicae as mc
from minicae import layers as L
from minicae.errors import MinicaeError

BAD = st.sampled_from(
    [None, True, "", "relu", -1, 0, 0.5, 2.5, float("nan"), float("inf"), 1j, [], (), {}, b"x", object(), print]
)
SIZES = st.integers(-2, 7)
PAIRS = st.one_of(SIZES, st.lists(SIZES, max_size=5), st.tuples(SIZES, SIZES))
BORDERS = st.one_of(PAIRS, st.tuples(*[st.integers(0, 3)] * 4), st.sampled_from(["same", "valid", "full"]))
NUMBERS = st.floats(-1, 2)
FLAGS = st.booleans()
ACTIVATIONS = st.sampled_from(["linear", "relu", "elu", "sigmoid", "softmax", None])
SCHEMES = st.sampled_from([None, "zeros", "he_normal", "glorot", "orthogonal"])
ARGUMENTS = {
    **dict.fromkeys(("filters", "units"), SIZES),
    **dict.fromkeys(("kernel_size", "strides", "dilation", "pool_size", "size"), PAIRS),
    **dict.fromkeys(("padding", "cropping"), BORDERS),
    **dict.fromkeys(("use_bias", "count_padding", "align_corners"), FLAGS),
    **dict.fromkeys(("kernel_initializer", "bias_initializer"), SCHEMES),
    **dict.fromkeys(
        ("rate", "corruption", "stddev", "low", "high", "value", "weight", "target", "beta", "step"), NUMBERS
    ),
    **dict.fromkeys(("momentum", "epsilon", "alpha", "negative_slope"), NUMBERS),
    "activation": ACTIVATIONS,
    "classes": SIZES,
    "estimator": st.sampled_from(["exact", "finite_difference", "newton"]),
    "layer": st.sampled_from(["sequential[0]", "sequential[1]", "elsewhere"]),
    "algorithm": st.sampled_from(["auto", "im2col", "winograd", "fft"]),
    "interpolation": st.sampled_from(["nearest", "bilinear", "cubic"]),
    "target_shape": st.one_of(SIZES, st.lists(SIZES, max_size=4)),
}
CLASSES = [getattr(L, name) for name in L.__all__ if name not in ("Layer", "Chain")]
SHAPES = st.one_of(
    st.lists(st.integers(1, 7), min_size=1, max_size=3).map(tuple),
    st.tuples(*[st.integers(3, 7)] * 2, st.integers(1, 3)),
)


@st.composite
def attempts(draw):
    """(class, its arguments, input shape): most arguments have the right type, some have not."""
    cls = draw(st.sampled_from(CLASSES))
    arguments = {}
    for name in cls.argument_names():
        if draw(st.integers(0, 3)):
            arguments[name] = draw(st.one_of(ARGUMENTS[name], BAD) if draw(st.integers(0, 5)) == 0 else ARGUMENTS[name])
    return cls, arguments, draw(SHAPES)


def test_every_argument_has_a_strategy():
    assert {name for cls in CLASSES for name in cls.argument_names()} == set(ARGUMENTS)


@settings(max_examples=600)
@given(attempts(), st.sampled_from(["reference", "cpu"]))
def test_it_works_or_says_why_not(attempt, backend):
    cls, arguments, shape = attempt
    needed = {"filters": 2, "kernel_size": 2, "units": 2, "rate": 0.5, "activation": "elu", "target_shape": (-1,)}
    needed |= {"classes": 2, "layer": "sequential[0]"}
    arguments = {name: needed[name] for name in cls.argument_names() if name in needed} | arguments
    x = np.linspace(0.1, 0.9, 2 * int(np.prod(shape))).reshape(2, *shape)
    try:
        layer = cls(**arguments)
        before = {L.AppendLabels: L.SplitLabels()}.get(cls) or L.Dense(3, "tanh")
        before = [before] if cls in (L.AppendLabels, L.ContractivePenalty, L.Tied) else []
        model = mc.Sequential([*before, layer], shape, dtype="float64", backend=backend)
    except MinicaeError as error:
        assert str(error)
        return
    y = model.forward(x, training=True)
    assert y.shape == (2, *model.output_shape) and np.isfinite(y).all()
    assert model.backward(np.ones_like(y)).shape == x.shape
    assert eval(repr(layer), vars(L)).config() == layer.config()


@settings(max_examples=200)
@given(st.one_of(BAD, SHAPES.map(list), st.lists(st.integers(-3, 3), max_size=4)), BAD, BAD, BAD)
def test_models_too(shape, seed, dtype, backend):
    for options in ({}, {"seed": seed}, {"dtype": dtype}, {"backend": backend}):
        try:
            model = mc.Sequential([L.ReLU()], shape, **options)
        except MinicaeError as error:
            assert str(error)
        else:
            assert shape is None or model.forward(np.zeros((1, *model.input_shape))).size


@pytest.mark.parametrize(
    "layers", [None, 3, "relu", L.Dense, [None], [L.Dense], [[L.Dense(2)]], [L.ReLU()] * 2, {}, print]
)
def test_lists_that_are_no_layers(layers):
    for build in (lambda: mc.Sequential(layers, 3), lambda: mc.Autoencoder(layers, [L.Dense(3)], 3)):
        with pytest.raises(MinicaeError):
            build()


@settings(max_examples=150)
@given(st.sampled_from(["x", "y", "epochs", "batch_size", "validation_split", "validation_data", "callbacks"]), BAD)
def test_fit_too(name, value):
    model = mc.Sequential([L.Dense(2)], 2)
    model.compile()
    try:
        model.fit(**({"x": np.ones((4, 2)), "epochs": 1, "verbose": 0} | {name: value}))
    except MinicaeError as error:
        assert str(error)
