"""A model as a list of steps that the page can run: for each layer the name of a kernel, settings, and where its weights are.

`TRANSLATIONS` has one line for each class of layers; the kernels themselves are in `engine.js`. All weights and running
statistics lie one after the other in a single float32 vector, into which a step points with (offset, shape).
"""

import numpy as np

from minicae import layers as L
from minicae import shapes
from minicae.errors import SettingError
from minicae.layers.base import Layer

SAME_NUMBERS = (
    *(L.Dropout, L.GaussianNoise, L.MaskingNoise, L.SaltAndPepperNoise, L.OcclusionNoise),
    *(L.L1Penalty, L.L2Penalty, L.KLSparsity, L.ContractivePenalty),
    *(L.Flatten, L.Reshape, L.SplitLabels),  # the page's samples come without their labels
)
SLOPES = L.Activation, L.ReLU, L.LeakyReLU, L.ELU, L.Sigmoid, L.Tanh, L.Softplus


class Program:
    """The steps of a model: `encoder` and `decoder`, lists that JSON can hold, and `numbers`, the vector of their weights.

    A label that the encoder appends to its code is left to the decoder, so that a code is what the layers make of a sample.
    `classes` is the number of classes that the decoder is told one of, 0 where it is told none.

    Raises SettingError for a layer that the page cannot run.
    """

    def __init__(self, model):
        encoder, decoder = model.encoder.leaves(), model.decoder.leaves()
        if encoder and isinstance(encoder[-1], L.AppendLabels):
            decoder = [encoder.pop(), *decoder]
        self.code_shape = decoder[0].input_shape if decoder else model.encoder.output_shape
        self._leaves = {leaf.name: leaf for leaf in model.leaves()}
        self._offsets, self._arrays = {}, []
        self.encoder = [self._step(leaf) for leaf in encoder]
        self.decoder = [self._step(leaf) for leaf in decoder]
        if getattr(getattr(model.trainer, "loss", None), "from_logits", False):
            shape = model.decoder.output_shape
            named = {"name": "as data", "text": "Sigmoid of the logits", "shape": shape, "arrays": {}}
            self.decoder.append(named | {"kernel": "identity", "activation": "sigmoid", "alpha": 0.0})
        self.classes = max((leaf.classes for leaf in decoder if isinstance(leaf, L.AppendLabels)), default=0)
        self.numbers = np.concatenate([np.zeros(0, np.float32), *self._arrays])

    def _step(self, leaf: Layer) -> dict:
        translate = TRANSLATIONS.get(type(leaf))
        if translate is None:
            raise SettingError(
                f"the page cannot run {leaf.name}, a {type(leaf).__name__}: it knows minicae's own layers"
            )
        activation, alpha = leaf.slope or ("linear", 0.0)
        step = {"name": leaf.name, "text": repr(leaf), "shape": leaf.output_shape, "arrays": {}}
        step |= {"activation": activation, "alpha": alpha} | translate(leaf, self)
        for name, owner, array in step.pop("weights", ()):
            if array is not None:
                step["arrays"][name] = self._place(f"{owner}.{name}", array), array.shape
        return step

    def _place(self, name, array):
        """The offset of an array in the vector, where it is put when it is first asked for."""
        if name not in self._offsets:
            self._offsets[name] = sum(map(len, self._arrays))
            self._arrays.append(np.asarray(array, np.float32).ravel())
        return self._offsets[name]

    def tied(self, leaf):
        """A tied layer: the step of the adjoint of the layer whose weights it uses."""
        partner = self._leaves[leaf.layer]
        weights = [("w", partner.name, partner.w), ("b", leaf.name, leaf.b)]
        if isinstance(partner, L.Dense):
            return {"kernel": "dense_forward", "turned": True, "weights": weights}
        size = partner.input_shape[:2]
        return {"kernel": "conv2d_transpose_forward", **_window(partner, size), "weights": weights}


def _linear(leaf, kernel, **settings):
    return {"kernel": kernel, **settings, "weights": [(name, leaf.name, getattr(leaf, name)) for name in "wb"]}


def _window(leaf, image):
    """strides, padding and dilation of a convolution whose larger side has the size `image`, (height, width)."""
    kernel, strides = shapes.pair(leaf.kernel_size, "kernel_size"), shapes.pair(leaf.strides, "strides")
    dilation = shapes.pair(leaf.dilation, "dilation")
    padding = shapes.resolve_padding(leaf.padding, *image, kernel, strides, dilation)
    return {"strides": strides, "padding": padding, "dilation": dilation}


def _pool(leaf, kernel, **settings):
    window = shapes.pair(leaf.pool_size, "pool_size")
    strides = window if leaf.strides is None else shapes.pair(leaf.strides, "strides")
    padding = shapes.resolve_padding(leaf.padding, *leaf.input_shape[:2], window, strides)
    return {"kernel": kernel, "window": window, "strides": strides, "padding": padding, **settings}


def _upsample(leaf):
    if leaf.interpolation == "nearest":
        return {"kernel": "upsample_nearest_forward", "size": shapes.pair(leaf.size, "size")}
    return {"kernel": "upsample_bilinear_forward", "align_corners": leaf.align_corners}


def _norm(leaf):
    arrays = {"gamma": leaf.gamma, "beta": leaf.beta, **leaf.states}
    weights = [(name, leaf.name, array) for name, array in arrays.items()]
    return {"kernel": "batchnorm_forward", "epsilon": leaf.epsilon, "weights": weights}


def _frame(borders, sign):
    return {"kernel": "pad2d", "borders": [sign * side for side in shapes.borders(borders, "borders")]}


TRANSLATIONS = {
    **{kind: lambda leaf, program: {"kernel": "identity"} for kind in (*SAME_NUMBERS, *SLOPES)},
    L.Dense: lambda leaf, program: _linear(leaf, "dense_forward"),
    L.Conv2D: lambda leaf, program: _linear(leaf, "conv2d_forward", **_window(leaf, leaf.input_shape[:2])),
    L.Conv2DTranspose: lambda leaf, program: _linear(
        leaf, "conv2d_transpose_forward", **_window(leaf, leaf.output_shape[:2])
    ),
    L.Tied: lambda leaf, program: program.tied(leaf),
    L.MaxPooling2D: lambda leaf, program: _pool(leaf, "maxpool2d_forward"),
    L.AveragePooling2D: lambda leaf, program: _pool(leaf, "avgpool2d_forward", count_padding=leaf.count_padding),
    L.UpSampling2D: lambda leaf, program: _upsample(leaf),
    L.BatchNormalization: lambda leaf, program: _norm(leaf),
    L.Softmax: lambda leaf, program: {"kernel": "softmax_forward"},
    L.ZeroPadding2D: lambda leaf, program: _frame(leaf.padding, 1),
    L.Cropping2D: lambda leaf, program: _frame(leaf.cropping, -1),
    L.GaussianSampling: lambda leaf, program: {"kernel": "gaussian_mean"},
    L.AppendLabels: lambda leaf, program: {"kernel": "append_label"},
}
