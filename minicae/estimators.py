"""Autoencoders as scikit-learn estimators, for pipelines, grid searches and cross-validation.

`AutoencoderTransformer` turns samples into codes and back, as a PCA does; `AutoencoderOutlierDetector` finds samples
whose reconstruction is bad. Data are taken as they are: columns of different scales want a `StandardScaler` in front,
images in 0..1 want nothing.

    make_pipeline(StandardScaler(), AutoencoderTransformer(n_components=2)).fit_transform(X)
    AutoencoderTransformer(n_components=16, image_shape=(28, 28, 1), loss="bce").fit(images)

This is the only file that needs scikit-learn, and `import minicae` does not import it.
"""

import copy

import numpy as np

from minicae import layers as L
from minicae import losses, optimizers, shapes
from minicae.errors import DivergedError, SettingError, ShapeError
from minicae.models.autoencoder import Autoencoder

try:
    from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, OutlierMixin, TransformerMixin
    from sklearn.utils import check_array, check_random_state
    from sklearn.utils.validation import check_is_fitted, validate_data
except ImportError as error:
    raise ImportError(
        f'minicae.estimators needs scikit-learn 1.6 or newer ({error}): pip install "minicae[sklearn]"'
    ) from None

__all__ = ["AutoencoderOutlierDetector", "AutoencoderTransformer"]


class _AutoencoderEstimator(BaseEstimator):
    """What the estimators share: the parameters, the network made of them, and its training."""

    def __init__(
        self,
        n_components=2,
        hidden_layer_sizes=(64, 32),
        activation="relu",
        loss="mse",
        optimizer="adam",
        learning_rate=0.001,
        epochs=50,
        batch_size=32,
        image_shape=None,
        noise=0.0,
        l1=0.0,
        random_state=None,
        verbose=0,
        backend="cpu",
    ):
        self.n_components = n_components
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.loss = loss
        self.optimizer = optimizer
        self.learning_rate = learning_rate
        self.epochs = epochs
        self.batch_size = batch_size
        self.image_shape = image_shape
        self.noise = noise
        self.l1 = l1
        self.random_state = random_state
        self.verbose = verbose
        self.backend = backend

    def _fit(self, X):
        """Train a new network on X; the old one is gone, also where that fails."""
        self.__dict__.pop("model_", None)
        shape = None if self.image_shape is None else shapes.sizes(self.image_shape, "image_shape")
        epochs = shapes.integer(self.epochs, "epochs")
        verbose = shapes.integer(int(self.verbose) if isinstance(self.verbose, bool) else self.verbose, "verbose", 0)
        x = validate_data(self, _as_rows(X, shape), dtype=np.float32)
        model = self._network(shape or x.shape[1:], x.shape[1])
        x = x.reshape(len(x), *model.input_shape)
        history = model.fit(x, epochs=epochs, batch_size=self.batch_size, verbose=verbose).history
        if not (np.isfinite(model.home(model.parameters.values)).all() and np.isfinite(model.evaluate(x))):
            raise DivergedError("after the last update the loss is not finite: lower the learning rate, check the data")
        self.model_, self.n_iter_, self.loss_curve_ = model, len(history["loss"]), history["loss"]

    def _network(self, shape, columns):
        """The compiled network for samples of this shape, one number or (H, W, C)."""
        if shapes.count(shape) != columns:
            raise ShapeError(f"image_shape={shape} stands for {shapes.count(shape)} columns, X has {columns}")
        output = "sigmoid" if _named(self.loss, losses.NAMES, "loss") == "bce" else "linear"
        encoder, decoder = (self._dense if self.image_shape is None else self._convolutional)(shape, output)
        encoder.append(L.Dense(shapes.integer(self.n_components, "n_components")))
        if shapes.number(self.noise, "noise", 0):
            encoder.insert(0, L.GaussianNoise(self.noise))
        if shapes.number(self.l1, "l1", 0):
            encoder.append(L.L1Penalty(self.l1))
        seed = check_random_state(self.random_state).randint(np.iinfo(np.int32).max)
        model = Autoencoder(encoder, decoder, shape, seed, backend=self.backend)
        model.compile(
            self.loss, optimizers.NAMES[_named(self.optimizer, optimizers.NAMES, "optimizer")](self.learning_rate)
        )
        return model

    def _dense(self, shape, output):
        """Layers in front of the code and behind it, for columns."""
        hidden = self.hidden_layer_sizes
        linear = isinstance(hidden, (tuple, list, np.ndarray)) and not np.size(hidden)
        hidden = () if linear else shapes.sizes(hidden, "hidden_layer_sizes")
        encoder = [L.Dense(units, self.activation) for units in hidden]
        return encoder, [*(L.Dense(units, self.activation) for units in hidden[::-1]), L.Dense(*shape, output)]

    def _convolutional(self, shape, output):
        """As `_dense`, for images: each convolution is followed by a pool, sides that cannot be halved are padded."""
        if len(shape) != 3:
            raise SettingError(f"image_shape must be (H, W, C), got {self.image_shape!r}")
        H, W, C = shape
        filters = shapes.sizes(self.hidden_layer_sizes, "hidden_layer_sizes")
        factor = 2 ** len(filters)
        frame = (0, -H % factor, 0, -W % factor)
        maps = (-(-H // factor), -(-W // factor), filters[-1])
        encoder = [L.ZeroPadding2D(frame)] if any(frame) else []
        for count in filters:
            encoder += [L.Conv2D(count, 3, activation=self.activation), L.MaxPooling2D(2)]
        encoder.append(L.Flatten())
        decoder = [L.Dense(shapes.count(maps), self.activation), L.Reshape(maps)]
        for count in filters[-2::-1]:
            decoder += [L.UpSampling2D(2), L.Conv2D(count, 3, activation=self.activation)]
        decoder += [L.UpSampling2D(2), L.Conv2D(C, 3, activation=output)]
        return encoder, decoder + ([L.Cropping2D(frame)] if any(frame) else [])

    def _admit(self, X):
        """X as the fitted network takes it, (N, *input_shape) float32."""
        check_is_fitted(self, "model_")
        shape = self.model_.input_shape
        x = validate_data(self, _as_rows(X, shape), dtype=np.float32, reset=False)
        return x.reshape(len(x), *shape)

    def _errors(self, X):
        """The mean squared error of each reconstruction, (N,) float32."""
        x = self._admit(X)
        return self.model_.reconstruction_error(x)

    def __setstate__(self, state):
        """A model whose arrays were loaded as read-only memory maps is copied into ordinary memory."""
        super().__setstate__(state)
        model = state.get("model_")
        if model is not None and not model.away and not model.parameters.values.flags.writeable:
            self.model_ = copy.deepcopy(model)


class AutoencoderTransformer(ClassNamePrefixFeaturesOutMixin, TransformerMixin, _AutoencoderEstimator):
    """Codes of samples, and samples of codes, by an autoencoder that `fit` trains.

    Parameters
    ----------
    n_components : numbers in the code of a sample; the code is linear
    hidden_layer_sizes : units of the layers between a sample and its code, mirrored between code and reconstruction;
        () has none; for images the filters of 3x3 convolutions, each followed by a 2x2 pool
    activation : of the hidden layers: "relu", "tanh", "sigmoid", "leaky_relu", "elu", "softplus", "linear"
    loss : "mse"; "mae"; "bce", or "bce_logits", for data in 0..1
    optimizer : "adam", "adamw", "nadam", "rmsprop", "sgd"
    learning_rate : of the optimizer
    epochs : passes over the samples
    batch_size : samples of one update
    image_shape : None takes samples as columns; (H, W, C), pixels and channels, takes them as images: rows of H * W * C
        columns or arrays (N, H, W, C), or (N, H, W) where C is 1
    noise : standard deviation of noise added to the inputs in training, in units of X
    l1 : weight of the mean, over samples, of the sum of |code|
    random_state : int, RandomState or None: of the initial weights, the order of the samples and the noise
    verbose : 0 silent; 1 a progress bar and a line an epoch; 2 the lines only
    backend : "cpu" (Numba) or "reference" (NumPy)

    Attributes
    ----------
    model_ : the trained `minicae.Autoencoder`
    loss_curve_ : list of floats, the loss of each epoch, penalty included
    n_iter_ : epochs trained
    n_features_in_ : columns of X
    feature_names_in_ : names of the columns, where X has names

    Nothing is scaled: losses, noise and scores are in units of X, and an output that is a sigmoid (`loss="bce"`) is in
    0..1. The network computes in float32, whatever the kind of X, and so are codes and reconstructions.
    """

    def fit(self, X, y=None):
        """Train a new network on X (N, n_features); y is ignored. Returns self.

        Raises DivergedError where the loss, a gradient or a weight is no longer finite; SettingError, ShapeError or
        DataError, all of them ValueErrors, for parameters and data that cannot be used.
        """
        self._fit(X)
        return self

    def transform(self, X):
        """Codes (N, n_components) float32 of X (N, n_features)."""
        x = self._admit(X)
        return self.model_.encode(x)

    def inverse_transform(self, X):
        """Reconstructions (N, n_features) float32 of codes X (N, n_components)."""
        check_is_fitted(self, "model_")
        x_hat = self.model_.decode(check_array(X, dtype=np.float32, input_name="X"))
        return x_hat.reshape(len(x_hat), self.n_features_in_)

    def score(self, X, y=None):
        """Minus the mean squared error of the reconstructions of X (N, n_features), a float: higher is better."""
        return -float(self._errors(X).mean(dtype=np.float64))

    @property
    def _n_features_out(self):
        return shapes.count(self.model_.encoder.output_shape)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float32"]
        return tags


class AutoencoderOutlierDetector(OutlierMixin, _AutoencoderEstimator):
    """Outliers are samples that an autoencoder, trained by `fit` on all of them, reconstructs badly.

    Parameters
    ----------
    contamination : share of the training samples that are called outliers, above 0 and at most 0.5
    n_components, hidden_layer_sizes, activation, loss, optimizer, learning_rate, epochs, batch_size, image_shape,
        noise, l1, random_state, verbose, backend : as in `AutoencoderTransformer`

    Attributes
    ----------
    offset_ : the score below which a sample is an outlier
    model_, loss_curve_, n_iter_, n_features_in_, feature_names_in_ : as in `AutoencoderTransformer`
    """

    def __init__(
        self,
        contamination=0.1,
        n_components=2,
        hidden_layer_sizes=(64, 32),
        activation="relu",
        loss="mse",
        optimizer="adam",
        learning_rate=0.001,
        epochs=50,
        batch_size=32,
        image_shape=None,
        noise=0.0,
        l1=0.0,
        random_state=None,
        verbose=0,
        backend="cpu",
    ):
        network = n_components, hidden_layer_sizes, activation, loss, optimizer, learning_rate
        super().__init__(*network, epochs, batch_size, image_shape, noise, l1, random_state, verbose, backend)
        self.contamination = contamination

    def fit(self, X, y=None):
        """Train a new network on X (N, n_features); y is ignored. Returns self. Raises as the transformer's `fit`."""
        contamination = shapes.number(self.contamination, "contamination", 0, 0.5, without=(0,))
        self._fit(X)
        self.offset_ = float(np.percentile(self.score_samples(X), 100 * contamination))
        return self

    def score_samples(self, X):
        """Minus the mean squared error of each reconstruction, (N,) float64: the lower, the more of an outlier."""
        return -self._errors(X).astype(np.float64)

    def decision_function(self, X):
        """`score_samples` minus `offset_`, (N,) float64: negative for outliers."""
        return self.score_samples(X) - self.offset_

    def predict(self, X):
        """-1 for outliers, 1 for all others, (N,) int."""
        return np.where(self.decision_function(X) >= 0, 1, -1)


def _as_rows(X, shape):
    """Images (N, *shape), or (N, H, W) where C is 1, as rows of columns; tables and what is none as they are.

    ShapeError for other arrays of more than two axes.
    """
    if isinstance(X, (list, tuple)):
        try:
            X = np.asarray(X) if np.ndim(X) > 2 else X
        except ValueError:  # ragged: scikit-learn says so
            return X
    given = np.shape(X) if isinstance(X, np.ndarray) else ()
    if len(given) < 3:
        return X
    wanted = () if shape is None or len(shape) != 3 else tuple(shape)
    if wanted and given[1:] in (wanted, wanted[:2] if wanted[2] == 1 else wanted):
        return X.reshape(len(X), shapes.count(wanted))
    known = f"image_shape is {wanted}" if wanted else "give image_shape=(H, W, C)"
    raise ShapeError(f"X has the shape {given}: {known}; or give columns, X.reshape(len(X), -1)")


def _named(name, named, what):
    """`name` if it is one of `named`; SettingError otherwise."""
    if not isinstance(name, str) or name not in named:
        raise SettingError(f"{what} must be one of {', '.join(map(repr, named))}, got {name!r}")
    return name
