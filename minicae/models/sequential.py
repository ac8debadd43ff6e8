"""A chain of layers with the verbs that people use: compile, fit, evaluate, predict, summary, save."""

import numpy as np

from minicae import losses, ops, optimizers, shapes
from minicae.errors import SettingError, ShapeError
from minicae.inspection.summary import summarize
from minicae.layers.chain import Chain
from minicae.metrics import get_all as get_metrics
from minicae.models import saving
from minicae.training.batches import Images
from minicae.training.budget import require_for_prediction, require_for_training
from minicae.training.callbacks import DeadUnits
from minicae.training.history import History, Scores
from minicae.training.trainer import Trainer


class Sequential(Chain):
    """Layers one after the other.

    Parameters
    ----------
    layers : list of layers
    input_shape : shape of one sample, such as (28, 28, 1) or (784,); None builds later, inside another model
    seed : of the initial weights, of the noise and of the order of the samples
    dtype : "float32", or "float64" to check gradients
    backend : "cpu" (Numba), "reference" (NumPy) or "cuda" (numba.cuda)
    """

    def __init__(self, layers, input_shape=None, seed=0, dtype="float32", backend="cpu"):
        super().__init__(layers)
        self.seed = shapes.integer(seed, "seed", 0)
        self.trainer = self.history = None
        self.epochs = 0
        self.stop_training = False
        if input_shape is not None:
            try:
                self.setup(input_shape, dtype=dtype, backend=backend, seed=self.seed)
            except BaseException:
                self.hold(False)  # the layers can be used again
                raise

    def materialize(self, seed):
        super().materialize(seed)
        self.rng = np.random.default_rng([seed, 2**33])

    def __repr__(self):
        return f"{type(self).__name__}([{', '.join(map(repr, self.layers))}])"

    def config(self):
        shape = None if self.parameters is None else list(self.input_shape)  # a part of a model is built by it
        settings = {"input_shape": shape, "seed": self.seed, "dtype": self.dtype.name, "backend": self.backend}
        return {"class": type(self).__name__, **self._parts(), **settings}

    def _parts(self):
        return {"layers": [layer.config() for layer in self.layers]}

    def get_weights(self) -> list[np.ndarray]:
        """Copies of all parameters, layer by layer, w then b."""
        return [self.kernels.download(entry.value) for entry in self._entries()]

    def get_gradients(self) -> list[np.ndarray]:
        """Copies of the gradients that the last `backward` wrote, in the order of `get_weights`."""
        return [self.kernels.download(entry.gradient) for entry in self._entries()]

    def set_weights(self, weights) -> None:
        """Put arrays, in the order and shapes of `get_weights`, in the place of all parameters."""
        entries = self._entries()
        if not isinstance(weights, (list, tuple)):
            raise SettingError(
                f"weights must be a list of arrays, as get_weights gives it, got {type(weights).__name__}"
            )
        weights = [ops.admit(array, self.dtype, "weights") for array in weights]
        if len(weights) != len(entries):
            raise ShapeError(f"the model has {len(entries)} arrays of weights, got {len(weights)}")
        for entry, array in zip(entries, weights):
            if array.shape != entry.value.shape:
                raise ShapeError(f"{entry.name} has the shape {entry.value.shape}, got {array.shape}")
        for entry, array in zip(entries, weights):
            self.kernels.upload(array, entry.value)
        if self.trainer is not None:
            self.trainer.forget()

    def _entries(self):
        if self.parameters is None:
            raise SettingError("the model has no weights yet: give input_shape, or ask the model it is part of")
        return list(self.parameters)

    @property
    def optimizer(self):
        """The optimizer given to `compile`."""
        return self._compiled().optimizer

    @property
    def loss(self):
        """The loss given to `compile`."""
        return self._compiled().loss

    def _compiled(self) -> Trainer:
        if self.trainer is None:
            raise SettingError("the model is not compiled: call compile(loss='mse', optimizer='adam') first")
        return self.trainer

    def compile(self, loss="mse", optimizer="adam", metrics=()) -> None:
        """Choose the loss ("mse" "mae" "bce" "bce_logits"), the optimizer ("adam" ...) and metrics, by name or as objects."""
        self._entries()
        if self.trainer is not None and self.trainer.fitting:
            raise SettingError("this model is being fitted: compile it before fit, or afterwards")
        optimizer = optimizers.get(optimizer)
        if getattr(optimizer, "model", self) is not self:
            raise SettingError(f"{optimizer!r} already serves another model, whose moments it keeps: make a new one")
        self.trainer = Trainer(self, losses.get(loss), optimizer, get_metrics(metrics))
        optimizer.model = self

    def fit(
        self,
        x,
        y=None,
        epochs=5,
        batch_size=64,
        validation_data=None,
        validation_split=0.0,
        shuffle=True,
        callbacks=(),
        verbose=1,
        allow_nonfinite=False,
        accumulate=1,
        resume=None,
    ) -> History:
        """Train on x (N, *input_shape), an array or a memory map, towards y, or towards x itself where y is None.

        Parameters
        ----------
        epochs : passes over the samples
        batch_size : samples of one update; the last batch of an epoch may be smaller
        validation_data : x or (x, y), evaluated after each epoch
        validation_split : share of the samples, from the end, kept for validation instead
        shuffle : whether each epoch takes the samples in a new order
        callbacks : objects of `minicae.callbacks`
        verbose : 0 silent; 1 a progress bar and a line an epoch; 2 the lines only
        allow_nonfinite : train on NaN and infinities, which are otherwise refused
        accumulate : batches whose gradients are averaged for one update, as if they were one batch
        resume : a file that `callbacks.ModelCheckpoint` saved during a `fit` with the same arguments (`epochs` may be
            more): training goes on from there, bit for bit as if it had never stopped, at the learning rate of the file

        Returns the `History`, which is in `self.history` too, also where training does not end well. Raises DataError,
        ShapeError, SettingError before training, CheckpointError for what is wrong with a file; DivergedError,
        with the weights of the last good step in place, when the loss or a gradient is no longer finite. Ctrl-C raises
        KeyboardInterrupt when the update under way has ended; a second one does so at once.
        """
        trainer, given = self._compiled(), callbacks if isinstance(callbacks, (list, tuple)) else [callbacks]
        settings = x, y, epochs, batch_size, validation_data, validation_split, shuffle
        resumption = None if resume is None else saving.Resumption(self, resume)
        return trainer.fit(*settings, [*self._watchers(x), *given], verbose, allow_nonfinite, accumulate, resumption)

    def _watchers(self, x) -> list:
        """Callbacks that every `fit` of this kind of model, to x, has."""
        return [DeadUnits()]

    def train_on_batch(self, x, y=None) -> float:
        """One update on one batch; returns the objective (reconstruction + penalty) before it."""
        trainer = self._compiled()
        images, target = trainer.admit(x, y, "x", "y")
        require_for_training(trainer, len(images))
        x = images.take(slice(None), np.empty((len(images), *images.shape), self.dtype))
        y = x if target is None else target.take(slice(None), np.empty((len(target), *target.shape), self.dtype))
        return sum(trainer.step(x, y))

    def evaluate(self, x, y=None, batch_size=256) -> Scores:
        """The loss over x: a number whose parts are scores["reconstruction"], scores["penalty"] and the metrics."""
        trainer = self._compiled()
        return trainer.evaluate(*trainer.admit(x, y, "x", "y"), shapes.integer(batch_size, "batch_size"))

    def predict(self, x, batch_size=256, allow_nonfinite=False) -> np.ndarray:
        """Outputs (N, *output_shape) for x (N, *input_shape), a fresh array; the bits do not depend on batch_size."""
        return self.run(self, x, batch_size, allow_nonfinite)

    def run(self, chain, x, batch_size=256, allow_nonfinite=False) -> np.ndarray:
        """`predict` for one part of the model."""
        batch_size = shapes.integer(batch_size, "batch_size")
        self._entries()
        images = Images(x, chain.input_shape, self.dtype)
        if not allow_nonfinite:
            images.check_finite()
        require_for_prediction(chain, len(images), batch_size)
        y = np.empty((len(images), *chain.output_shape), self.dtype)
        batch = np.empty((min(batch_size, len(images)), *images.shape), self.dtype)
        for first in range(0, len(images), batch_size):
            rows = slice(first, min(first + batch_size, len(images)))
            y[rows] = chain.home(chain.forward(images.take(rows, batch[: rows.stop - first])))
        return y

    def summary(self, print_fn=print) -> str:
        """A table of the layers: output shape, parameters, FLOPs, memory, receptive field, algorithm. Returns it as text."""
        self._entries()
        text = summarize(self)
        if print_fn is not None:
            print_fn(text)
        return text

    def chain_of_shapes(self) -> str:
        """(7, 7, 1) -> (3, 3, 1) -> ...: what each layer makes of the one before."""
        return " -> ".join(str(shape) for shape in (self.input_shape, *(leaf.output_shape for leaf in self.leaves())))

    def to(self, backend: str) -> "Sequential":
        """Move to another backend, "cpu", "reference" or "cuda": weights, statistics and the optimizer's memory. Returns self.

        Training goes on there as it would have here, to rounding. BackendError where there is no such backend here.
        """
        saving.move(self, backend)
        return self

    def save(self, path):
        """Write architecture, weights, optimizer, random streams and settings to one file. Returns its path."""
        self._entries()
        return saving.save(self, path)


def load(path, backend=None) -> Sequential:
    """The model saved at `path`, compiled as it was, on the backend that it had or on another one.

    CheckpointError for whatever is wrong with the file, BackendError where its backend cannot be had here.
    """
    return saving.load(path, Sequential, backend)
