"""One number of a layer's output, opened: the numbers it was made of, and where its gradient goes.

    Products    dense and convolution: inputs times weights, their sum, the bias, the activation
    Routes      pooling and upsampling: the input pixels that it was read from, and the share of each

Everything is computed here anew from the formulas, in float64, and compared with what the layer's kernel gave. `print` shows
it in numbers, `.plot()` as a picture.
"""

from dataclasses import dataclass

import numpy as np

from minicae import kernels, ops, shapes
from minicae.errors import MinicaeError, SettingError
from minicae.inspection import _text
from minicae.layers.conv import Conv2D, Conv2DTranspose
from minicae.layers.dense import Dense
from minicae.layers.pool import AveragePooling2D, MaxPooling2D
from minicae.layers.tied import Tied
from minicae.layers.upsample import UpSampling2D

ROUNDING = 1024  # times the rounding of one operation: what a kernel may be off by, the roughest algorithm included


@dataclass(eq=False)
class Opening:
    """What all openings have.

    Parameters
    ----------
    layer : name and description of the layer
    index : (n, i, j, f), or (n, f) for vectors
    output : the number itself, as the layer gave it
    dy : its gradient
    rows, columns : of the input pixels that it was read from; -1 stands for padding; None for vectors
    """

    layer: str
    index: tuple
    output: float
    dy: float
    rows: np.ndarray | None
    columns: np.ndarray | None

    @property
    def where(self) -> str:
        """output[n=0, i=3, j=5, f=2]."""
        letters = "nijf" if len(self.index) == 4 else "nf"
        return f"output[{', '.join(f'{letter}={place}' for letter, place in zip(letters, self.index))}]"

    def plot(self, ax=None):
        """The numbers as a picture. Returns the axes."""
        from minicae import plots

        return plots.opening(self, ax)


@dataclass(eq=False, repr=False)
class Products(Opening):
    """output = act(sum of patch * weights + bias).

    Parameters
    ----------
    patch : (KH, KW, C) the inputs that the kernel lies on, 0 in the padding; (C,) for vectors
    weights : of this filter or unit, in the shape of patch
    bias : 0 where the layer has none
    activation, alpha : its name and its parameter
    dpre : gradient before the activation
    """

    patch: np.ndarray
    weights: np.ndarray
    bias: float
    activation: str
    alpha: float
    dpre: float

    @property
    def products(self) -> np.ndarray:
        """patch * weights."""
        return self.patch * self.weights

    @property
    def total(self) -> float:
        """The sum of the products."""
        return float(self.products.sum())

    @property
    def before(self) -> float:
        """The number before the activation: total + bias."""
        return self.total + self.bias

    @property
    def dpatch(self) -> np.ndarray:
        """What this output adds to the gradient of its inputs: dpre * weights."""
        return self.dpre * self.weights

    @property
    def dweights(self) -> np.ndarray:
        """What this output adds to the gradient of its weights: dpre * patch. The bias gets dpre itself."""
        return self.dpre * self.patch

    def __repr__(self):
        return f"Products({self.layer}: {self.where} = {self.output:.6g}, {_text.counted(self.patch.size, 'product')})"

    def __str__(self):
        return _text.products(self)


@dataclass(eq=False, repr=False)
class Routes(Opening):
    """output = sum of values * shares: a maximum takes all of one pixel, a mean an equal share of each.

    Parameters
    ----------
    values : (rows, columns) the input pixels, of channel f; NaN in the padding
    shares : in the same shape
    """

    values: np.ndarray
    shares: np.ndarray

    @property
    def dvalues(self) -> np.ndarray:
        """What goes back to each of the input pixels: dy * shares."""
        return self.dy * self.shares

    @property
    def source(self) -> tuple[int, int]:
        """(row, column) of the input pixel with the largest share, the first of equal ones."""
        place = np.unravel_index(self.shares.argmax(), self.shares.shape)
        return int(self.rows[place[0]]), int(self.columns[place[1]])

    def __repr__(self):
        return f"Routes({self.layer}: {self.where} = {self.output:.6g} from {_text.counted(self.values.size, 'pixel')})"

    def __str__(self):
        return _text.routes(self)


def open_output(layer, forward, backward, n, i, j, f) -> Opening:
    """Open one number of the output of `layer`; `forward` and `backward` are its two steps, as in `Step.open`."""
    y = forward.output
    places = {"n": n, "i": i, "j": j, "f": f}
    sizes = dict(zip("nijf", y.shape)) if y.ndim == 4 else {"n": y.shape[0], "i": 1, "j": 1, "f": y.shape[-1]}
    how = _HOW.get(_kind(layer))
    if how is None:
        raise SettingError(
            f"{type(layer).__name__} does not open: dense, convolution, pooling and upsampling layers do"
        )
    for letter, place in places.items():
        if shapes.integer(place, letter, 0) >= sizes[letter]:
            raise SettingError(
                f"{letter} must be from 0 to {sizes[letter] - 1}, the output of {forward.name} is {y.shape}, got {place}"
            )
    index = (n, i, j, f) if y.ndim == 4 else (n, f)
    given = forward.input[n].astype(np.float64)
    common = f"{forward.name} {layer!r}", index, float(y[index]), float(backward.input[index])
    return _verified(how(layer, given, forward.parameters, common), np.finfo(y.dtype).eps)


def _kind(layer):
    return next((kind for kind in _HOW if isinstance(layer, kind)), None)


def _verified(opened, eps):
    """`opened`, if its numbers add up to the output; MinicaeError otherwise. What is not finite is not compared."""
    if isinstance(opened, Products):
        found, scale = _activated(opened), float(np.abs(opened.products).sum()) + abs(opened.bias)
    else:
        terms = np.where(opened.shares == 0, 0, opened.values * opened.shares)
        found, scale = float(terms.sum()), float(np.abs(terms).sum())
    off = abs(found - opened.output)
    if np.isfinite(found) and not off <= ROUNDING * eps * (scale + abs(found)):
        raise MinicaeError(f"{opened.layer}: {opened.where} is {opened.output:.9g}, its parts make {found:.9g}")
    return opened


def _activated(opened):
    before = np.array([[opened.before]])
    return float(ops.activation_forward(before, opened.activation, alpha=opened.alpha, backend="reference")[0, 0])


def _products(layer, common, patch, weights, parameters, rows=None, columns=None):
    """A `Products` of a layer with weights."""
    output, dy = np.array([[common[2]]]), np.array([[common[3]]])
    kernels.backend("reference").activation_backward(dy, output, dy, *layer.slope)
    bias = float(parameters["b"][common[1][-1]]) if "b" in parameters else 0.0
    arrays = (array.astype(np.float64) for array in (patch, weights))
    return Products(*common, rows, columns, *arrays, bias, *layer.slope, float(dy[0, 0]))


def _dense(layer, x, parameters, common):
    return _products(layer, common, x, parameters["w"][:, common[1][1]], parameters)


def _tied(layer, x, parameters, common):
    if x.ndim == 1:
        return _products(layer, common, x, parameters["w"][common[1][1]], parameters)
    return _transposed(layer, x, parameters, common, layer._partner)


def _conv2d(layer, x, parameters, common):
    _, i, j, f = common[1]
    (top, _, left, _), (sh, sw), (dh, dw) = layer._padding, layer._strides, layer._dilation
    KH, KW = layer._kernel
    rows = _inside(i * sh - top + dh * np.arange(KH), x.shape[0])
    columns = _inside(j * sw - left + dw * np.arange(KW), x.shape[1])
    return _products(layer, common, _read(x, rows, columns, 0.0), parameters["w"][..., f], parameters, rows, columns)


def _transposed(layer, x, parameters, common, settings=None):
    """Row p of the kernel brings x's row (i + top - p * dh) / sh to output row i, where that is a whole number."""
    settings = settings or layer
    _, i, j, f = common[1]
    (top, _, left, _), (sh, sw), (dh, dw) = settings._padding, settings._strides, settings._dilation
    KH, KW = settings._kernel
    rows, columns = (
        _inside(np.where(at % stride == 0, at // stride, -1), size)
        for at, stride, size in (
            (i + top - dh * np.arange(KH), sh, x.shape[0]),
            (j + left - dw * np.arange(KW), sw, x.shape[1]),
        )
    )
    patch = _read(x, rows, columns, 0.0)
    return _products(layer, common, patch, parameters["w"][:, :, f], parameters, rows, columns)


def _pooled(layer, x, parameters, common):
    _, i, j, f = common[1]
    (top, _, left, _), (sh, sw), (PH, PW) = layer._padding, layer._strides, layer._window
    rows = _inside(i * sh - top + np.arange(PH), x.shape[0])
    columns = _inside(j * sw - left + np.arange(PW), x.shape[1])
    values, real = _read(x[..., f], rows, columns, np.nan), np.outer(rows >= 0, columns >= 0)
    shares = np.zeros(values.shape)
    if isinstance(layer, MaxPooling2D):
        shares.flat[np.where(real, values, -np.inf).argmax()] = 1
    else:
        shares[real] = 1 / (values.size if layer.count_padding else real.sum())
    return Routes(*common, rows, columns, values, shares)


def _upsampled(layer, x, parameters, common):
    _, i, j, f = common[1]
    if layer.interpolation == "nearest":
        rows, columns = np.array([i // layer._size[0]]), np.array([j // layer._size[1]])
        return Routes(*common, rows, columns, _read(x[..., f], rows, columns, np.nan), np.ones((1, 1)))
    (rows, down), (columns, across) = (
        _between(place, size, size * factor, layer.align_corners)
        for place, size, factor in zip((i, j), x.shape, layer._size)
    )
    return Routes(*common, rows, columns, _read(x[..., f], rows, columns, np.nan), np.outer(down, across))


def _between(place, size, new_size, align_corners):
    """(the two old places around a new one, their weights), along one axis."""
    if align_corners:
        source = place * (size - 1) / max(new_size - 1, 1)
    else:
        source = min(max((place + 0.5) * size / new_size - 0.5, 0), size - 1)
    first = int(source)
    return np.array([first, min(first + 1, size - 1)]), np.array([1 - (source - first), source - first])


def _inside(places, size):
    """places, -1 where they lie outside 0..size - 1."""
    return np.where((places >= 0) & (places < size), places, -1)


def _read(x, rows, columns, outside):
    """x at these rows and columns; `outside` where either is -1."""
    found = x[np.ix_(rows, columns)].copy()
    found[rows < 0] = outside
    found[:, columns < 0] = outside
    return found


_HOW = {
    Dense: _dense,
    Conv2D: _conv2d,
    Conv2DTranspose: _transposed,
    Tied: _tied,
    MaxPooling2D: _pooled,
    AveragePooling2D: _pooled,
    UpSampling2D: _upsampled,
}
