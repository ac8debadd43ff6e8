"""One case or more of every layer, activation, initial shape and loss, small enough to be checked coordinate by coordinate.

`minicae gradcheck` prints them as a table, and the tests hold every layer class to them: a class that is missing here fails
by itself.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from minicae import layers as L
from minicae import losses, ops
from minicae.layers.condition import conditioned


class Case(NamedTuple):
    """A layer, a chain of layers or a loss, and what to check it with; `y` is the target of a loss."""

    name: str
    subject: object
    x: np.ndarray
    y: np.ndarray | None = None


def cases(seed: int = 0) -> Iterator[Case]:
    """All cases, in float64, with random inputs from `seed`."""
    rng = np.random.default_rng(seed)
    images = rng.standard_normal((3, 6, 7, 4))
    vectors = rng.standard_normal((5, 6))
    for layer in _layers_of_images():
        yield Case(repr(layer), layer, images)
    for activation in ops.ACTIVATIONS:
        layer = L.Dense(4, activation)
        yield Case(repr(layer), layer, vectors)
    for layer in (L.Softmax(), L.L1Penalty(0.1), L.L2Penalty(0.1), L.GaussianSampling(0.7)):
        yield Case(repr(layer), layer, vectors)
    yield Case("KLSparsity(0.1)", L.KLSparsity(0.1), rng.uniform(0.05, 0.6, (5, 6)))
    for activation in ("sigmoid", "tanh", "elu", "softplus"):
        chain = L.Chain([L.Dense(4, activation), L.ContractivePenalty(0.3)])
        yield Case(f"ContractivePenalty(0.3) after {activation}", chain, vectors)
    encoder = [L.Conv2D(2, 3, activation="tanh"), L.Flatten(), L.Dense(3, "tanh")]
    penalty = L.ContractivePenalty(0.3, "finite_difference")
    yield Case(f"{penalty!r} after Conv2D and Dense", L.Chain([*encoder, penalty]), images)
    for layer, x in ((L.Dense(4, "tanh"), vectors), (L.Conv2D(3, (3, 2), (2, 1), activation="tanh"), images)):
        tied = L.Tied(layer, "sigmoid")
        yield Case(repr(tied), L.Chain([layer, tied]), x)
    for x in (vectors, images):
        chain = L.Chain([L.SplitLabels(), L.Tanh(), L.AppendLabels(3)])
        yield Case(
            f"SplitLabels(), AppendLabels(3) for {x.ndim - 1} axes", chain, conditioned(x, np.arange(len(x)) % 2)
        )
    target = rng.uniform(0, 1, (4, 5))
    for loss in (losses.MeanSquaredError, losses.MeanAbsoluteError):
        for reduction in ("mean", "per_image"):
            yield Case(repr(loss(reduction)), loss(reduction), rng.standard_normal((4, 5)), target)
    yield Case("BinaryCrossEntropy()", losses.BinaryCrossEntropy(), rng.uniform(0.1, 0.9, (4, 5)), target)
    logits = losses.BinaryCrossEntropy(from_logits=True)
    yield Case(repr(logits), logits, 2 * rng.standard_normal((4, 5)), target)


def _layers_of_images():
    yield L.Conv2D(5, 3)
    yield L.Conv2D(3, (3, 2), strides=(2, 1), padding=(1, 0, 2, 1), dilation=(1, 2), activation="tanh")
    yield L.Conv2D(3, 1, padding="valid", use_bias=False)
    yield L.Conv2DTranspose(3, 3, strides=2, activation="sigmoid")
    yield L.Conv2DTranspose(2, (2, 3), strides=(1, 2), padding="valid", dilation=(2, 1))
    yield L.MaxPooling2D((2, 3), strides=(2, 1), padding="same")
    yield L.AveragePooling2D((3, 2), strides=(1, 2), padding=(1, 1, 0, 1))
    yield L.AveragePooling2D(3, padding="same", count_padding=True)
    yield L.UpSampling2D((2, 3))
    yield L.UpSampling2D((2, 3), "bilinear")
    yield L.UpSampling2D(2, "bilinear", align_corners=True)
    yield L.Flatten()
    yield L.Reshape((7, 6, 4))
    yield L.ZeroPadding2D((1, 0, 2, 1))
    yield L.Cropping2D((1, 0, 2, 1))
    yield L.BatchNormalization()
    yield L.Activation("elu")
    yield from (L.ReLU(), L.LeakyReLU(0.2), L.ELU(0.7), L.Sigmoid(), L.Tanh(), L.Softplus())
    yield L.Dropout(0.4)
    yield L.GaussianNoise(0.3)
    yield L.MaskingNoise(0.3)
    yield L.SaltAndPepperNoise(0.4, -1.0, 2.0)
    yield L.OcclusionNoise((2, 3), 0.5)
