"""An autoencoder: an encoder that makes a code, and a decoder that makes the input again from it."""

import warnings

import numpy as np

from minicae import conversion, kernels, shapes
from minicae.errors import DataError, SettingError, ShapeError, outside, shown
from minicae.layers.condition import AppendLabels, SplitLabels
from minicae.layers.sampling import GaussianSampling
from minicae.models import likelihood
from minicae.models.sequential import Sequential
from minicae.training.callbacks import Callback

ACTIVE = 0.01  # variance over data of a posterior mean from which on its unit counts as active
SEEN = 64  # images by which collapse is told
FEWEST = 16  # images from which on it can be


class Autoencoder(Sequential):
    """`Sequential([encoder, decoder])` with the verbs of an autoencoder. Its parts are `encoder` and `decoder`.

    Parameters
    ----------
    encoder, decoder : lists of layers; the decoder must end with the shape that the encoder began with
    input_shape, seed, dtype, backend : as in `Sequential`

    A variant is one more layer in a list: noise first makes it denoising, a penalty last in the encoder makes it sparse
    or contractive, `GaussianSampling` last makes it variational. A code that is not smaller than the input, with none of
    these (or one whose weight, share or deviation is 0), can be copied through: a warning says so. Where a `SplitLabels`
    takes labels off the input, the decoder ends with the shape that is left, and `fit`, `evaluate` and `train_on_batch` are
    given that as y.
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
        if any(isinstance(leaf, AppendLabels) for leaf in self.decoder.leaves()):
            raise SettingError(
                "AppendLabels in the decoder would take the labels of an earlier pass: put it last in the encoder, so that"
                " the code that decode is given holds them"
            )
        output_shape = super().build(input_shape)
        split = self._find(SplitLabels)
        input_shape = split.output_shape if split else input_shape
        if output_shape != input_shape:
            shapes_of = [input_shape, *(leaf.output_shape for leaf in self.leaves())]
            raise ShapeError(
                f"the decoder ends with {output_shape}, the input is {input_shape}: end it with Cropping2D or"
                f" ZeroPadding2D, or begin with ZeroPadding2D so that every pool divides evenly"
                f"\n  shapes: {' -> '.join(map(str, shapes_of))}"
            )
        size, code = shapes.count(input_shape), shapes.count(self.encoder.output_shape)
        if code >= size and not any(leaf.regularizes for leaf in self.leaves()):
            warnings.warn(
                f"overcomplete: the code has {code} numbers and the input {size}, and nothing keeps the model from copying;"
                " narrow the code, or add noise or a penalty",
                stacklevel=outside(),
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
        if not isinstance(per, str) or per not in ("sample", "pixel"):
            raise SettingError(f"per must be 'sample' or 'pixel', got {shown(per)}")
        error = np.square(self.reconstruct(x, batch_size) - self.without_labels(np.asarray(x, self.dtype)))
        return error if per == "pixel" else error.mean(tuple(range(1, error.ndim)))

    def sample(self, n, seed=0, label=None) -> np.ndarray:
        """n reconstructions (n, *output_shape) of codes drawn from the standard normal: what a variational decoder expects.

        `label` is for conditional models: one class for all, or one a sample, (n,).
        """
        rng = np.random.default_rng(shapes.integer(seed, "seed", 0))
        n, append = shapes.integer(n, "n"), self._appended()
        if append is None:
            if label is not None:
                raise SettingError("label is for conditional models: this one has no AppendLabels behind its code")
            return self.decode(rng.standard_normal((n, *self.encoder.output_shape), self.dtype))
        labels = conversion.array(-1 if label is None else label, "label")
        if (
            labels.shape not in ((), (n,))
            or labels.dtype.kind not in "iufb"
            or not np.isin(labels, np.arange(append.classes)).all()
        ):
            raise SettingError(f"label must be a class from 0 to {append.classes - 1}, or {n} of them, got {label!r}")
        codes = np.empty((n, *append.output_shape), self.dtype)
        drawn = rng.standard_normal((n, *append.input_shape), self.dtype)
        kernels.hosted(self.backend).append_one_hot(drawn, np.full(n, labels, self.dtype), codes)
        return self.decode(codes)

    def code_statistics(self, x, threshold=1e-3, batch_size=256) -> dict:
        """How sparse the code of x is: {"mean_activation", "active_share", "dead_units"}.

        A unit is one number of the code; it is active on an image where its absolute value is above `threshold` (sigmoid
        units are never 0: take a larger one for them, such as 0.1).
        mean_activation is the mean over images and units of the value itself, active_share the share of (image, unit) pairs
        that are active, dead_units the number of units that are active on no image of x.
        """
        threshold = shapes.number(threshold, "threshold", 0)
        codes = self.encode(x, batch_size)
        if not len(codes):
            raise DataError("there are no samples to make statistics of")
        active = np.abs(codes) > threshold
        return {
            "mean_activation": float(codes.mean(dtype=np.float64)),
            "active_share": float(active.mean()),
            "dead_units": int((~active.any(0)).sum()),
        }

    def active_units(self, x, threshold=ACTIVE, batch_size=256) -> int:
        """Units of a variational code that say something of x: those whose posterior mean has a variance above `threshold`.

        A_d = variance over x of mu_d(x) > 0.01      Source: Burda et al., "Importance Weighted Autoencoders" (2016)
        """
        size, threshold = self.sampling_layer().output_shape[0], shapes.number(threshold, "threshold", 0)
        return int((self.encode(x, batch_size)[:, :size].var(0, dtype=np.float64) > threshold).sum())

    def log_likelihood(self, x, samples=64, seed=0, batch_size=64) -> np.ndarray:
        """Importance-weighted estimate of log p(x) of a variational model in nats, (N,): see `models.likelihood`."""
        return likelihood.log_likelihood(self, x, samples, seed, batch_size)

    def sampling_layer(self) -> GaussianSampling:
        """The layer that draws the code; SettingError where the encoder does not end with one (labels may follow)."""
        self._entries()
        leaves = [leaf for leaf in self.encoder.leaves() if not isinstance(leaf, AppendLabels)]
        if not leaves or not isinstance(leaves[-1], GaussianSampling):
            raise SettingError("this is for variational models: the encoder does not end with GaussianSampling")
        return leaves[-1]

    def _find(self, kind):
        return next((leaf for leaf in self.encoder.leaves() if isinstance(leaf, kind)), None)

    def _appended(self):
        """The AppendLabels that ends the encoder, or None."""
        self._entries()
        last = next(reversed(self.encoder.leaves()), None)
        return last if isinstance(last, AppendLabels) else None

    def without_labels(self, x) -> np.ndarray:
        """What the decoder is to make of x (N, *input_shape): x itself, or x without its labels if the model takes them."""
        return x if self._find(SplitLabels) is None else x[..., :-1]

    def code_without_labels(self, z) -> np.ndarray:
        """Codes z (N, *code_shape) without the one-hot labels that a conditional model has behind them; others as they are."""
        append = self._appended()
        return z if append is None else z[..., : -append.classes]

    def _watchers(self, x):
        return [*super()._watchers(x), *([_Collapse(x)] if self._find(GaussianSampling) else [])]

    def _as_data(self, y):
        return y if self.trainer is None else self.trainer.loss.to_data(y)


class _Collapse(Callback):
    """Says once in a fit, at the end of an epoch, that the code says next to nothing of the input.

    It sends a few of the samples x that are trained on, taken evenly, through the encoder: the same whatever the batches are,
    and nothing is to be paid or kept while an epoch runs.
    """

    def __init__(self, x):
        self._x = x

    def on_train_begin(self):
        x = np.asarray(self._x)
        self._few = x[:: max(1, len(x) // SEEN)][:SEEN]
        self._said = len(self._few) < FEWEST

    def on_epoch_end(self, epoch, logs):
        if self._said:
            return
        self.model.run(self.model.encoder, self._few, allow_nonfinite=True)
        for leaf in self.model.encoder.leaves():
            if self._said or not isinstance(leaf, GaussianSampling):
                continue
            units = leaf.output_shape[0]
            active = units - int((leaf.home(leaf.saved.x)[:, :units].var(0, dtype=np.float64) <= ACTIVE).sum())
            if 10 * active <= units:
                self._said = True
                warnings.warn(
                    f"posterior collapse: {active} of {units} units of the code are active after epoch {epoch} (variance of"
                    f" the mean above {ACTIVE} over {len(self._few)} of the images), so the decoder hardly hears of its"
                    " input; lower beta, or give fit callbacks=BetaWarmup()",
                    stacklevel=outside(),
                )
