"""The networks that are trained, with the same weights and the same digits for every contestant.

minicae's zoo makes them; others read the layers and the weights from it. The backend is the NumPy one wherever only that
is wanted, so that a PyTorch process does not load Numba.
"""

import warnings
from dataclasses import dataclass
from functools import partial

import numpy as np

from benchmarks.problems import UNIT, Problem, error_of
from minicae.datasets import make_glyphs
from minicae.layers import Conv2D, Dense, MaxPooling2D, UpSampling2D
from minicae.models import zoo

NETWORKS = {
    "convolutional": zoo.convolutional,
    "slim convolutional": partial(zoo.convolutional, filters=(8, 16, 32)),
    "5-4-3-2-3-4-5": zoo.stacked,
    "784-100-30-100-784": partial(zoo.stacked, (784, 100, 30), "relu", loss="bce", learning_rate=0.001),
}
BATCHES = 8  # different batches that a training contestant goes round in


def make(network, backend="reference", dtype="float32"):
    """A compiled model of minicae; its weights are those of float32 in every dtype."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the network is overcomplete, and known to be
        model = NETWORKS[network](backend=backend, dtype=dtype)
        if dtype != "float32":
            model.set_weights([w.astype(dtype) for w in NETWORKS[network](backend="reference").get_weights()])
    return model


def write_digits(path, count):
    """Write `count` different drawn digits (count, 28, 28, 1), float32 in 0..1, as .npy."""
    np.save(path, make_glyphs(count)[0])


def batches(images, network, batch):
    """(BATCHES, batch, *input_shape) float32: digits from the file `images`, or pixels of theirs for a small input."""
    x, shape = np.load(images), make(network).input_shape
    x = x[np.arange(BATCHES * batch) % len(x)]
    if x.shape[1:] != shape:
        x = x.reshape(len(x), -1)
        first = (x.shape[1] - shape[0]) // 2  # the middle of the image, where something is to be seen
        x = x[:, first : first + shape[0]]
    return np.ascontiguousarray(x).reshape(BATCHES, batch, *shape)


def layers(model):
    """(kind, activation) of every layer but Flatten and Reshape."""
    kinds = {Conv2D: "convolution", Dense: "dense", MaxPooling2D: "pooling", UpSampling2D: "upsampling"}
    return [(kinds[type(leaf)], getattr(leaf, "activation", None)) for leaf in model.leaves() if type(leaf) in kinds]


@dataclass(frozen=True)
class Training(Problem):
    """A training step (forward, loss, backward, Adam) or a forward pass of a network on one batch of digits."""

    operation: str  # "step", "forward"
    network: str
    batch: int
    images: str
    bound = "fma"
    nbytes = 0
    limit = 1e-4 / UNIT  # of the length of each array

    @property
    def title(self):
        return f"{self.operation} {self.network}, batch {self.batch}"

    @property
    def flops(self):
        """Of the products: once forward, twice backward, but for the gradient of the network's input."""
        costs = [leaf.flops for leaf in make(self.network).leaves() if leaf.flops]
        return self.batch * (sum(costs) if self.operation == "forward" else 3 * sum(costs) - costs[0])

    def wanted(self):
        model = make(self.network, dtype="float64")
        x = batches(self.images, self.network, self.batch)[0].astype(np.float64)
        if self.operation == "forward":
            want = [model.predict(x)]
        else:
            loss, _ = model.trainer.step(x, x)
            want = [np.float64(loss), *model.get_gradients()]
        return want, [np.linalg.norm(one) for one in want]

    def error(self, got, want, scale):
        """By lengths: a ReLU whose input is 0 but for rounding may go either way, and moves single numbers by more."""
        return error_of(got, want, scale, np.linalg.norm)


@dataclass(frozen=True)
class Epoch(Problem):
    """One epoch of the slim convolutional network over the first `count` digits of a memory-mapped file."""

    count: int
    images: str
    operation = "epoch"
    batch = 64
    network = "slim convolutional"

    @property
    def title(self):
        return f"epoch over {self.count:,} images"


def mean_cost(images):
    """The cross-entropy of answering every digit with their mean, nats a pixel: what a trained model must be below."""
    x = np.load(images).astype(np.float64)
    mean = np.clip(x.mean(0), 1e-6, 1 - 1e-6)
    return float(-(x * np.log(mean) + (1 - x) * np.log(1 - mean)).mean())
