"""Principal component analysis with the verbs of an autoencoder: the best that a linear one can do with codes of a size.

    encode    z = (x - mean) c'                c (size, D): the directions of largest variance, by singular values
    decode    x_hat = z c + mean

Source: Pearson (1901); Baldi and Hornik, "Neural networks and principal component analysis" (1989).
"""

import numpy as np

from minicae import shapes
from minicae.errors import SettingError, ShapeError, shown
from minicae.tasks import _arrays


class PCA:
    """`PCA(32).fit(x)` stands wherever an autoencoder with codes of 32 numbers does.

    Parameters
    ----------
    size : numbers in the code; at most the samples given to `fit`, and at most the numbers in each

    After `fit`: `mean` (D,), `components` (size, D), orthonormal, `variances` (size,) of the codes, all float64.
    """

    def __init__(self, size):
        self.size = shapes.integer(size, "size")
        self.components = None

    def __repr__(self):
        return f"PCA({self.size})"

    def fit(self, x) -> "PCA":
        """Find the directions for x (N, ...). Returns self; SettingError where N or D is smaller than `size`."""
        data = _arrays.rows(x)
        if self.size > min(data.shape):
            raise SettingError(f"PCA: {len(data)} samples of {data.shape[1]} numbers have no {self.size} components")
        self.input_shape, self.mean = np.shape(x)[1:], data.mean(0)
        _, s, directions = np.linalg.svd(data - self.mean, full_matrices=False)
        directions = directions[: self.size]
        far = np.abs(directions).argmax(1)  # a direction has no sign of its own: its largest number is made positive
        self.components = directions * np.where(directions[np.arange(self.size), far] < 0, -1, 1)[:, None]
        self.variances = np.square(s[: self.size]) / len(data)
        return self

    def encode(self, x) -> np.ndarray:
        """Codes (N, size) of x (N, ...)."""
        return (self._rows(x) - self.mean) @ self.components.T

    def decode(self, z) -> np.ndarray:
        """Reconstructions (N, ...) of codes z (N, size)."""
        self._fitted()
        z = _arrays.rows(z, "z")
        if z.shape[1] != self.size:
            raise ShapeError(f"z must be (N, {self.size}), got {z.shape}")
        return (z @ self.components + self.mean).reshape(len(z), *self.input_shape)

    def reconstruct(self, x) -> np.ndarray:
        """decode(encode(x))."""
        return self.decode(self.encode(x))

    def reconstruction_error(self, x, per="sample") -> np.ndarray:
        """As `Autoencoder.reconstruction_error`."""
        if not isinstance(per, str) or per not in ("sample", "pixel"):
            raise SettingError(f"per must be 'sample' or 'pixel', got {shown(per)}")
        error = np.square(self.reconstruct(x) - x)
        return error if per == "pixel" else error.reshape(len(error), -1).mean(1)

    def sample(self, n, seed=0) -> np.ndarray:
        """n samples (n, ...) of the Gaussian that has the data's mean and their variances along the components."""
        self._fitted()
        normal = np.random.default_rng(shapes.integer(seed, "seed", 0)).standard_normal
        return self.decode(normal((shapes.integer(n, "n"), self.size)) * np.sqrt(self.variances))

    def _fitted(self):
        if self.components is None:
            raise SettingError("PCA has no components yet: call fit(x) first")

    def _rows(self, x):
        self._fitted()
        data = _arrays.rows(x)
        if np.shape(x)[1:] != self.input_shape:
            raise ShapeError(f"x must be (N, {', '.join(map(str, self.input_shape))}), got {np.shape(x)}")
        return data
