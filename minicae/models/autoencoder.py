"""An autoencoder: an encoder that makes a code, and a decoder that makes the input again from it."""

import sys
import warnings

import numpy as np

from minicae import shapes
from minicae.errors import SettingError, ShapeError
from minicae.layers.noise import Dropout, _Random
from minicae.layers.penalty import _Penalty
from minicae.layers.sampling import GaussianSampling
from minicae.models.sequential import Sequential


class Autoencoder(Sequential):
    """`Sequential([encoder, decoder])` with the verbs of an autoencoder. Its parts are `encoder` and `decoder`.

    Parameters
    ----------
    encoder, decoder : lists of layers; the decoder must end with the shape that the encoder began with
    input_shape, seed, dtype, backend : as in `Sequential`

    A variant is one more layer in a list: noise first makes it denoising, a penalty last in the encoder makes it sparse
    or contractive, `GaussianSampling` last makes it variational. A code that is not smaller than the input, with none of
    these, can be copied through: a warning says so.
    """

    def __init__(self, encoder, decoder, input_shape=None, seed=0, dtype="float32", backend="cpu"):
        parts = [part if isinstance(part, Sequential) else Sequential(part) for part in (encoder, decoder)]
        self.encoder, self.decoder = parts
        try:
            super().__init__(parts, input_shape, seed, dtype, backend)
        except BaseException:
            for given, part in zip((encoder, decoder), parts):
                part.hold(part is given)
            raise

    def names(self):
        inside = "" if self.name == type(self).__name__.lower() else f"{self.name}."
        return [f"{inside}encoder", f"{inside}decoder"]

    def _parts(self):
        return {part: [layer.config() for layer in getattr(self, part).layers] for part in ("encoder", "decoder")}

    def __repr__(self):
        return f"Autoencoder(encoder={self.encoder.layers!r}, decoder={self.decoder.layers!r})"

    def build(self, input_shape):
        output_shape = super().build(input_shape)
        if output_shape != input_shape:
            shapes_of = [input_shape, *(leaf.output_shape for leaf in self.leaves())]
            raise ShapeError(
                f"the decoder ends with {output_shape}, the input is {input_shape}: end it with Cropping2D or"
                f" ZeroPadding2D, or begin with ZeroPadding2D so that every pool divides evenly"
                f"\n  shapes: {' -> '.join(map(str, shapes_of))}"
            )
        size, code = shapes.count(input_shape), shapes.count(self.encoder.output_shape)
        regular = any(isinstance(leaf, (_Random, _Penalty, GaussianSampling, Dropout)) for leaf in self.leaves())
        if code >= size and not regular:
            warnings.warn(
                f"overcomplete: the code has {code} numbers and the input {size}, and nothing keeps the model from copying;"
                " narrow the code, or add noise or a penalty",
                stacklevel=_caller(),
            )
        return output_shape

    def encode(self, x, batch_size=256) -> np.ndarray:
        """Codes (N, *code_shape) of x (N, *input_shape), a fresh array."""
        return self.run(self.encoder, x, batch_size)

    def decode(self, z, batch_size=256) -> np.ndarray:
        """Reconstructions (N, *input_shape) from codes z (N, *code_shape), as data (logits pass through the sigmoid)."""
        return self._as_data(self.run(self.decoder, z, batch_size))

    def reconstruct(self, x, batch_size=256) -> np.ndarray:
        """decode(encode(x)): (N, *input_shape), as data (logits pass through the sigmoid)."""
        return self._as_data(self.predict(x, batch_size))

    def reconstruction_error(self, x, per="sample", batch_size=256) -> np.ndarray:
        """Squared error: its mean over each sample (N,), or of each pixel (N, *input_shape): per="pixel"."""
        if per not in ("sample", "pixel"):
            raise SettingError(f"per must be 'sample' or 'pixel', got {per!r}")
        error = np.square(self.reconstruct(x, batch_size) - np.asarray(x, self.dtype))
        return error if per == "pixel" else error.mean(tuple(range(1, error.ndim)))

    def sample(self, n, seed=0) -> np.ndarray:
        """n reconstructions (n, *input_shape) of codes drawn from the standard normal: what a variational decoder expects."""
        rng = np.random.default_rng(shapes.integer(seed, "seed", 0))
        codes = rng.standard_normal((shapes.integer(n, "n"), *self._coded()), self.dtype)
        return self.decode(codes)

    def _coded(self):
        self._entries()
        return self.encoder.output_shape

    def _as_data(self, y):
        return y if self.trainer is None else self.trainer.loss.to_data(y)


def _caller():
    """The `stacklevel`, for a warning raised where this is called, of the first line of code outside the package."""
    frame, level = sys._getframe(1), 1
    while frame.f_back and frame.f_globals.get("__name__", "").split(".")[0] == __name__.split(".")[0]:
        frame, level = frame.f_back, level + 1
    return level
