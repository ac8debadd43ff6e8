"""Labels on their way into an autoencoder: what makes it conditional.

A conditional model gets its labels with its input: `conditioned(x, labels)` writes the class of each sample behind its last
column, or into one more channel. `SplitLabels` takes it off again at the entrance, and `AppendLabels` adds it, one-hot,
wherever it is wanted: before the first layer, so that the encoder knows it, and behind the code, so that the decoder does.
The target of training is x without labels: `model.fit(conditioned(x, labels), x)`.
Source: Sohn, Lee and Yan, "Learning Structured Output Representation using Deep Conditional Generative Models" (2015).
"""

import math

import numpy as np

from minicae import conversion, kernels, ops, shapes
from minicae.errors import DataError, SettingError, ShapeError
from minicae.layers.base import Layer


def conditioned(x, labels) -> np.ndarray:
    """x (N, ..., C) with the class of each sample behind its channels, (N, ..., C + 1), a fresh array.

    Parameters
    ----------
    x : vectors (N, C) or images (N, H, W, C)
    labels : whole numbers from 0, (N,); -1 stands for no label

    Raises ShapeError where there is not one label a sample, DataError where one is no whole number.
    """
    x, labels = ops.admit(x), conversion.array(labels, "labels")
    if x.ndim < 2 or labels.shape != x.shape[:1]:
        raise ShapeError(f"labels must be one number a sample of x, got {labels.shape}", x=x)
    if labels.dtype.kind not in "iufb" or (labels != np.rint(labels)).any() or labels.min(initial=0) < -1:
        raise DataError("labels must be whole numbers from 0, or -1 for no label")
    y = np.empty((*x.shape[:-1], x.shape[-1] + 1), x.dtype)
    y[..., :-1] = x
    y[..., -1] = labels.reshape(-1, *[1] * (x.ndim - 2))
    return y


def _columns(x):
    """(N, ..., C) as images (N, pixels, C, 1), whose columns can be cropped."""
    N, *pixels, C = x.shape
    return x.reshape(N, math.prod(pixels), C, 1)


class SplitLabels(Layer):
    """(N, ..., C + 1) to (N, ..., C): takes off the last channel, and keeps it for `AppendLabels`."""

    def build(self, input_shape):
        if len(input_shape) not in (1, 3) or input_shape[-1] < 2:
            raise ShapeError(f"SplitLabels takes vectors or images with a last channel of labels, got {input_shape}")
        return (*input_shape[:-1], input_shape[-1] - 1)

    def forward(self, x, training=False):
        x = self.admit(x)
        y = self.buffer("y", (len(x), *self.output_shape))
        self.saved.labels = labels = self.buffer("labels", (len(x),))
        C, pixels = self.output_shape[-1], math.prod(self.output_shape[:-1])
        self.kernels.crop2d(_columns(x), _columns(y), (0, 0, 0, 1))
        self.kernels.crop2d(_columns(x), labels.reshape(len(x), 1, 1, 1), (0, pixels - 1, C, 0))
        return y

    def backward(self, dy):
        """dx for dy; 0 for the labels."""
        dy = self.admit_gradient(dy)
        dx = self.buffer("dx", (len(dy), *self.input_shape))
        self.kernels.pad2d(_columns(dy), _columns(dx), (0, 0, 0, 1))
        return dx


class AppendLabels(Layer):
    """(N, ..., C) to (N, ..., C + classes): the label of each sample, one-hot, as more columns or as constant maps.

    A label that is none of 0..classes - 1 gives zeros. The labels are those of the last pass through the SplitLabels in
    front. So it belongs in the encoder of an `Autoencoder`: in front, where the encoder is to know them, and last, where the
    decoder is. In the decoder it is refused: `decode` runs no SplitLabels, and would take the labels of an earlier pass.

    Parameters
    ----------
    classes : number of classes

    Raises SettingError where no SplitLabels stands in front in the same model, and in a decoder; ShapeError where it is run
    on other samples than that one was.
    """

    def __init__(self, classes):
        self.classes = shapes.integer(classes, "classes")
        self._source = None

    def follow(self, before):
        self._source = next((layer for layer in before if isinstance(layer, SplitLabels)), None)

    def build(self, input_shape):
        if self._source is None:
            raise SettingError("AppendLabels needs SplitLabels in front of it, in the same model")
        return (*input_shape[:-1], input_shape[-1] + self.classes)

    def forward(self, x, training=False):
        x = self.admit(x)
        labels = getattr(self._source.saved, "labels", np.empty(0, self.dtype))
        if len(labels) != len(x):
            raise ShapeError(f"{len(x)} samples and {len(labels)} labels: labels come through SplitLabels", x=x)
        if kernels.is_away(labels) != self.away:  # one of the two computes at home
            labels = self.lift("labels", self.home(labels))
        y = self.buffer("y", (len(x), *self.output_shape))
        self.kernels.append_one_hot(x, labels, y)
        return y

    def backward(self, dy):
        dy = self.admit_gradient(dy)
        dx = self.buffer("dx", (len(dy), *self.input_shape))
        self.kernels.crop2d(_columns(dy), _columns(dx), (0, 0, 0, self.classes))
        return dx
