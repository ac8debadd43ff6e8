"""Errors: what they are, and the exact words of those that people meet most."""

import pickle

import numpy as np
import pytest

import minicae as mc
from minicae import errors, ops
from minicae import layers as L
from minicae.errors import MinicaeError, SettingError, ShapeError

BUILT_IN = {
    errors.ShapeError: ValueError,
    errors.SettingError: ValueError,
    errors.DataError: ValueError,
    errors.BackendError: RuntimeError,
    errors.CheckpointError: OSError,
    errors.DatasetError: OSError,
    errors.DivergedError: ArithmeticError,
}


def test_every_error_is_minicaes_and_a_built_in():
    named = {cls for cls in vars(errors).values() if isinstance(cls, type) and issubclass(cls, MinicaeError)}
    assert named == {MinicaeError, *BUILT_IN}
    for cls, built_in in BUILT_IN.items():
        assert issubclass(cls, built_in) and issubclass(cls, MinicaeError)
        assert str(cls("what happened")) == "what happened"


def test_shapes_are_shown_with_letters():
    error = ShapeError(
        "no",
        x=np.zeros((2, 3, 4, 5)),
        w=np.zeros((1, 2, 3, 4)),
        b=np.zeros(4),
        y=np.zeros((2, 3)),
        z=np.zeros((1, 2, 3)),
    )
    assert str(error) == (
        "no\n  x (N=2, H=3, W=4, C=5)    w (KH=1, KW=2, C=3, F=4)    b (F=4)    y (N=2, C=3)    z (1, 2, 3)"
    )
    assert str(ShapeError("no", out=None, x=3, y=[1, 2])) == "no"  # what is no array has no shape


def test_the_innermost_layer_is_named():
    error = ShapeError("no").within("inner").within("outer")
    assert str(error) == "no\n  in inner" and pickle.loads(pickle.dumps(error)).args == ("no",)


def test_the_error_of_the_plan():
    x, w = np.zeros((32, 14, 14, 64), np.float32), np.zeros((3, 3, 128, 128), np.float32)
    with pytest.raises(ShapeError) as caught:
        ops.conv2d_forward(x, w)
    assert str(caught.value) == (
        "conv2d_forward: x has C=64 channels, w expects C=128\n"
        "  x (N=32, H=14, W=14, C=64)    w (KH=3, KW=3, C=128, F=128)"
    )


def test_a_layer_says_what_it_was_built_for():
    ae = mc.Autoencoder([L.Dense(2)], [L.Reshape((2, 1, 1)), L.Conv2D(3, 3, activation="relu"), L.Reshape((6,))], 6)
    with pytest.raises(ShapeError) as caught:
        ae.decoder.layers[1].forward(np.zeros((2, 4, 1, 1), np.float32))
    assert str(caught.value) == (
        "x must have the shape (N, 2, 1, 1), got (2, 4, 1, 1)\n"
        "  x (N=2, H=4, W=1, C=1)\n"
        "  in decoder[1] Conv2D(3, 3, activation='relu'), built for (2, 1, 1)"
    )


@pytest.mark.parametrize(
    "layers, shape, message, where",
    [
        (
            [L.Conv2D(4, 3), L.Dense(2)],
            (6, 6, 1),
            "Dense takes vectors, got images or volumes (6, 6, 4): put Flatten() before it",
            "sequential[1] Dense(2), given (6, 6, 4)",
        ),
        (
            [L.Dense(2), L.Conv2D(4, 3)],
            (6,),
            "Conv2D takes images (H, W, C), got (2,): put Reshape before it",
            "sequential[1] Conv2D(4, 3), given (2,)",
        ),
        (
            [L.MaxPooling2D(2), L.Conv2D(4, 5, padding="valid")],
            (8, 8, 1),
            "the kernel covers 5 pixels and the padded input has only 4 (4 + 0 + 0): use a smaller kernel, less dilation or"
            " more padding",
            "sequential[1] Conv2D(4, 5, padding='valid'), given (4, 4, 1)",
        ),
        (
            [L.Flatten(), L.Reshape((5, 5))],
            (4, 6, 1),
            "24 numbers (24,) cannot be reshaped to (5, 5)",
            "sequential[1] Reshape((5, 5)), given (24,)",
        ),
        (
            [L.Flatten(), L.GaussianSampling()],
            (3, 1, 1),
            "GaussianSampling takes vectors of 2d numbers, mu then log_var, got (3,)",
            "sequential[1] GaussianSampling(), given (3,)",
        ),
        (
            [L.Cropping2D(1), L.Cropping2D(2)],
            (6, 6, 1),
            "the output would be empty: (0, 0, 1)",
            "sequential[1] Cropping2D(2), given (4, 4, 1)",
        ),
        (
            [L.ReLU(), L.ContractivePenalty()],
            (6,),
            "ContractivePenalty must come right after a Dense layer, got ReLU() before it:"
            " take estimator='finite_difference'",
            "sequential[1] ContractivePenalty(), given (6,)",
        ),
    ],
)
def test_layers_that_do_not_follow_each_other(layers, shape, message, where):
    with pytest.raises(ShapeError) as caught:
        mc.Sequential(layers, shape)
    first, chain, last = str(caught.value).split("\n  ")
    assert (first, last) == (message, f"in {where}")
    assert chain.startswith(f"shapes so far: {shape} -> ")


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: L.Conv2D(0, 3), "filters must be at least 1, got 0"),
        (lambda: L.Conv2D(1, 3, strides=0), "strides must be at least 1, got 0"),
        (lambda: L.Conv2D(1, 3, dilation=(1, 0)), "dilation must be at least 1, got 0"),
        (lambda: L.Conv2D(1, 3, padding=-1), "padding must be at least 0, got -1"),
        (lambda: L.Conv2D(1, 3, padding="full"), "padding must be 'same', 'valid' or pixels"),
        (lambda: L.Dense(2.5), "units must be a whole number, got 2.5"),
        (lambda: L.Dense(2, "swish"), "there is no activation 'swish': choose one of linear, relu"),
        (lambda: L.Dropout(1.0), r"rate must be a finite number from 0 to 1 (1 excluded), got 1.0"),
        (lambda: L.GaussianNoise("a"), "stddev must be a finite number of at least 0, got 'a'"),
        (lambda: L.UpSampling2D(2, "cubic"), "interpolation must be 'nearest' or 'bilinear', got 'cubic'"),
        (
            lambda: L.UpSampling2D(2, align_corners=True),
            "align_corners has a meaning for interpolation='bilinear' only",
        ),
        (lambda: mc.Sequential(L.Dense(2)), "layers must be a list of layers, got Dense(2)"),
        (lambda: mc.Sequential([L.Dense(2), "relu"]), "layers[1] must be a layer of minicae, got 'relu'"),
        (lambda: mc.Sequential([L.Dense(2)], (3, 0)), "input_shape must be at least 1, got 0"),
        (lambda: mc.Sequential([L.Dense(2)], ()), "input_shape is empty"),
        (lambda: mc.Sequential([L.Dense(2)], 3, seed=-1), "seed must be at least 0, got -1"),
        (
            lambda: mc.Sequential([L.Dense(2)], 3, dtype="float16"),
            "dtype must be 'float32' or 'float64', got 'float16'",
        ),
        (lambda: mc.metrics.get("rmse"), "there is no metric 'rmse': give one of mse, mae, psnr"),
    ],
)
def test_settings(make, message):
    with pytest.raises(SettingError) as caught:
        make()
    assert str(caught.value).startswith(message)
