"""The door: kernels as functions that check their arguments, allocate what they return, and can be used on their own.

    y = ops.conv2d_forward(x, w, b, stride=1, padding="same", activation="relu")

Kernels check nothing, so everything is checked here: rank, channels, dtype, memory order, overlap. `admit` is the part
that layers use too. An array that does not fit gets a ShapeError or a DataError that shows all the shapes concerned.
"""

import numpy as np

from minicae import conversion, shapes
from minicae.errors import TRANSPOSED, DataError, SettingError, ShapeError
from minicae.kernels import hosted as _backend

ACTIVATIONS = {"linear": 0.0, "relu": 0.0, "leaky_relu": 0.01, "elu": 1.0, "sigmoid": 0.0, "tanh": 0.0, "softplus": 0.0}
DTYPES = {"float32": np.dtype("float32"), "float64": np.dtype("float64")}


def dtype_of(value) -> np.dtype:
    """float32 or float64 as a dtype; SettingError for anything else."""
    try:
        dtype = None if value is None else np.dtype(value)
    except TypeError:
        dtype = None
    if dtype is None or dtype not in DTYPES.values():  # NumPy takes None for float64
        raise SettingError(f"dtype must be 'float32' or 'float64', got {value!r}")
    return dtype


def admit(x, dtype=None, name: str = "x") -> np.ndarray:
    """`x` as kernels want it: C-contiguous, aligned, writable, native, float32 or float64; copied only where it is not.

    Integers, booleans and half floats are converted by value. uint8 is refused, because images of 0..255 need scaling,
    and so are complex, object, text, masked and sparse arrays: DataError.
    """
    x = conversion.array(x, name)
    if x.dtype == np.uint8:
        raise DataError(f"{name} is uint8, 0 to 255: give {name}.astype('float32') / 255")
    if x.dtype.kind not in "fiub":
        raise DataError(f"{name} has dtype {x.dtype}: float32 or float64 is wanted")
    if dtype is None:
        dtype = x.dtype.newbyteorder("=") if x.dtype.kind == "f" and x.dtype.itemsize in (4, 8) else DTYPES["float32"]
    return np.require(x, dtype, "CAW")


def activation_of(activation: str, alpha: float | None) -> tuple[str, float]:
    """(name, parameter) of an activation, its default parameter where none is given."""
    if activation is None:
        activation = "linear"
    if not isinstance(activation, str) or activation not in ACTIVATIONS:
        raise SettingError(f"there is no activation {activation!r}: choose one of {', '.join(ACTIVATIONS)}")
    if alpha is None:
        return activation, ACTIVATIONS[activation]
    return activation, shapes.number(alpha, f"alpha of {activation}", 0)


def _rank(op, rank, **arrays):
    for name, array in arrays.items():
        if array.ndim != rank:
            raise ShapeError(f"{op}: {name} has {array.ndim} axes, {rank} are wanted", **arrays)


def _equal(op, got, wanted, what, **arrays):
    if got != wanted:
        raise ShapeError(f"{op}: {what}", **arrays)


def _output(op, out, shape, dtype, *read, name="out"):
    """The array to write into: a new one, or `out` if it is fit for it."""
    if out is None:
        return np.empty(shape, dtype)
    if not isinstance(out, np.ndarray) or out.shape != tuple(shape):
        raise ShapeError(f"{op}: {name} must be an array of shape {tuple(shape)}", **{name: out})
    if out.dtype != dtype or not out.flags.carray:
        raise DataError(f"{op}: {name} must be {dtype}, C-contiguous and writable, got {out.dtype}")
    if any(np.may_share_memory(out, array) for array in read if array is not None):
        raise DataError(f"{op}: {name} overlaps an array that is read: give memory of its own")
    return out


def _bias(op, b, size, dtype):
    if b is None:
        return None
    b = admit(b, dtype, "b")
    if b.shape != (size,):
        raise ShapeError(f"{op}: b must have {size} numbers", b=b)
    return b


def check_algorithm(algorithm, kernel, strides, dilation):
    """ "auto", "im2col" or "winograd"; SettingError for anything else, and for winograd where the sizes are not its own."""
    if algorithm not in ("auto", "im2col", "winograd"):
        raise SettingError(f"algorithm must be 'auto', 'im2col' or 'winograd', got {algorithm!r}")
    if algorithm == "winograd" and not (kernel == (3, 3) and strides == dilation == (1, 1)):
        raise SettingError(
            f"algorithm='winograd' is for 3x3 kernels at stride 1 and dilation 1, got kernel {kernel}, strides {strides},"
            f" dilation {dilation}: take 'auto' or 'im2col'"
        )
    return algorithm


class _Window:
    """strides, padding and dilation of one call, resolved for an image of (height, width)."""

    def __init__(self, height, width, kernel, stride, padding, dilation=1):
        self.strides, self.dilation = shapes.pair(stride, "stride"), shapes.pair(dilation, "dilation")
        self.padding = shapes.resolve_padding(padding, height, width, kernel, self.strides, self.dilation)
        self.out = shapes.window_output(height, width, kernel, self.strides, self.padding, self.dilation)
        self.settings = self.strides, self.padding, self.dilation

    def algorithm(self, backend, x_shape, w_shape, dtype, wanted):
        """The kernels' name for the algorithm that is wanted."""
        check_algorithm(wanted, w_shape[:2], self.strides, self.dilation)
        return _backend(backend).conv2d_algorithm(x_shape, w_shape, *self.settings, dtype, wanted)


def _convolution(op, x, w):
    x = admit(x)
    w = admit(w, x.dtype, "w")
    _rank(op, 4, x=x, w=w)
    if not w.size:
        raise ShapeError(f"{op}: w is empty", x=x, w=w)
    return x, w


def conv2d_forward(
    x,
    w,
    b=None,
    *,
    stride=1,
    padding="same",
    dilation=1,
    activation="linear",
    alpha=None,
    algorithm="im2col",
    backend="cpu",
    out=None,
) -> np.ndarray:
    """y (N, OH, OW, F) = act(x * w + b): x (N, H, W, C), w (KH, KW, C, F), b (F,) or None.

    `padding` is "same", "valid" or pixels (top, bottom, left, right); `out` is written if given, else y is new.
    `algorithm` is "im2col", "winograd" (3x3 kernels at stride 1; float64 and padding above 2 are done by im2col) or "auto".
    """
    op = "conv2d_forward"
    x, w = _convolution(op, x, w)
    KH, KW, C, F = w.shape
    _equal(op, x.shape[3], C, f"x has C={x.shape[3]} channels, w expects C={C}", x=x, w=w)
    window = _Window(*x.shape[1:3], (KH, KW), stride, padding, dilation)
    b = _bias(op, b, F, x.dtype)
    y = _output(op, out, (len(x), *window.out, F), x.dtype, x, w, b)
    algorithm = window.algorithm(backend, x.shape[1:], w.shape, x.dtype, algorithm)
    _backend(backend).conv2d_forward(x, w, b, y, *window.settings, *activation_of(activation, alpha), algorithm)
    return y


def conv2d_backward_input(
    dpre, w, input_size, *, stride=1, padding="same", dilation=1, algorithm="im2col", backend="cpu", out=None
) -> np.ndarray:
    """dx (N, H, W, C), with input_size = (H, W): the adjoint of the convolution applied to dpre (N, OH, OW, F)."""
    op = "conv2d_backward_input"
    dpre, w = _convolution(op, dpre, w)
    KH, KW, C, F = w.shape
    H, W = shapes.pair(input_size, "input_size")
    window = _Window(H, W, (KH, KW), stride, padding, dilation)
    _equal(op, dpre.shape[1:], (*window.out, F), f"dpre must be (N, {window.out}, {F}) for this input", dpre=dpre, w=w)
    dx = _output(op, out, (len(dpre), H, W, C), dpre.dtype, dpre, w)
    algorithm = window.algorithm(backend, (H, W, C), w.shape, dpre.dtype, algorithm)
    _backend(backend).conv2d_backward_input(dpre, w, dx, *window.settings, algorithm)
    return dx


def conv2d_backward_weight(
    x, dpre, kernel_size, *, stride=1, padding="same", dilation=1, algorithm="im2col", backend="cpu"
) -> tuple[np.ndarray, np.ndarray]:
    """(dw (KH, KW, C, F), db (F,)) of a convolution of x (N, H, W, C) with gradient dpre (N, OH, OW, F)."""
    op = "conv2d_backward_weight"
    x = admit(x)
    dpre = admit(dpre, x.dtype, "dpre")
    _rank(op, 4, x=x, dpre=dpre)
    kernel = shapes.pair(kernel_size, "kernel_size")
    window = _Window(*x.shape[1:3], kernel, stride, padding, dilation)
    _equal(op, dpre.shape[:3], (len(x), *window.out), f"dpre must be (N, {window.out}, F)", x=x, dpre=dpre)
    dw = np.empty((*kernel, x.shape[3], dpre.shape[3]), x.dtype)
    db = np.empty(dpre.shape[3], x.dtype)
    algorithm = window.algorithm(backend, x.shape[1:], dw.shape, x.dtype, algorithm)
    _backend(backend).conv2d_backward_weight(x, dpre, dw, db, *window.settings, algorithm)
    return dw, db


def conv2d_transpose_forward(
    x, w, b=None, *, stride=1, padding="same", dilation=1, activation="linear", alpha=None, backend="cpu", out=None
) -> np.ndarray:
    """y (N, OH, OW, F) = act(adjoint of the convolution with w (KH, KW, F, C), applied to x (N, H, W, C), + b)."""
    op = "conv2d_transpose_forward"
    x, w = _convolution(op, x, w)
    KH, KW, F, C = w.shape
    message = f"x has C={x.shape[3]} channels, w expects C={C}"
    _equal(op, x.shape[3], C, message, **{"x": x, TRANSPOSED: w})
    strides, dilation = shapes.pair(stride, "stride"), shapes.pair(dilation, "dilation")
    size, sides = shapes.transposed_output(*x.shape[1:3], (KH, KW), strides, padding, dilation)
    b = _bias(op, b, F, x.dtype)
    y = _output(op, out, (len(x), *size, F), x.dtype, x, w, b)
    kernel = _backend(backend).conv2d_transpose_forward
    kernel(x, w, b, y, strides, sides, dilation, *activation_of(activation, alpha))
    return y


def dense_forward(x, w, b=None, *, activation="linear", alpha=None, backend="cpu", out=None) -> np.ndarray:
    """y (N, F) = act(x w + b): x (N, C), w (C, F), b (F,) or None."""
    op = "dense_forward"
    x = admit(x)
    w = admit(w, x.dtype, "w")
    _rank(op, 2, x=x, w=w)
    if not w.size:
        raise ShapeError(f"{op}: w is empty", x=x, w=w)
    _equal(op, x.shape[1], len(w), f"x has C={x.shape[1]} columns, w expects C={len(w)}", x=x, w=w)
    b = _bias(op, b, w.shape[1], x.dtype)
    y = _output(op, out, (len(x), w.shape[1]), x.dtype, x, w, b)
    _backend(backend).dense_forward(x, w, b, y, *activation_of(activation, alpha))
    return y


def maxpool2d_forward(x, window=2, *, stride=None, padding="valid", backend="cpu"):
    """(y (N, OH, OW, C), argmax): argmax is the place p * PW + q of each maximum in its window, the first of equals."""
    x, window, place = _pooling("maxpool2d_forward", x, window, stride, padding)
    y = np.empty((len(x), *place.out, x.shape[3]), x.dtype)
    argmax = np.empty(y.shape, np.uint8 if window[0] * window[1] <= 256 else np.int32)
    _backend(backend).maxpool2d_forward(x, y, argmax, window, *place.settings[:2])
    return y, argmax


def avgpool2d_forward(x, window=2, *, stride=None, padding="valid", count_padding=False, backend="cpu") -> np.ndarray:
    """y (N, OH, OW, C): means of windows, over real pixels, or over all with zeros for the padding: count_padding."""
    x, window, place = _pooling("avgpool2d_forward", x, window, stride, padding)
    y = np.empty((len(x), *place.out, x.shape[3]), x.dtype)
    _backend(backend).avgpool2d_forward(x, y, window, *place.settings[:2], bool(count_padding))
    return y


def _pooling(op, x, window, stride, padding):
    x = admit(x)
    _rank(op, 4, x=x)
    window = shapes.pair(window, "window")
    place = _Window(*x.shape[1:3], window, window if stride is None else stride, padding)
    shapes.check_pool_padding(window, place.padding)
    return x, window, place


def upsample_forward(x, size=2, *, interpolation="nearest", align_corners=False, backend="cpu") -> np.ndarray:
    """y (N, H * size, W * size, C), by "nearest" or "bilinear" interpolation."""
    x = admit(x)
    _rank("upsample_forward", 4, x=x)
    size = shapes.pair(size, "size")
    y = np.empty((len(x), x.shape[1] * size[0], x.shape[2] * size[1], x.shape[3]), x.dtype)
    if check_interpolation(interpolation, align_corners) == "nearest":
        _backend(backend).upsample_nearest_forward(x, y, size)
    else:
        _backend(backend).upsample_bilinear_forward(x, y, bool(align_corners))
    return y


def check_interpolation(interpolation: str, align_corners: bool) -> str:
    """ "nearest" or "bilinear"; SettingError for other names, and for align_corners with "nearest"."""
    if interpolation not in ("nearest", "bilinear"):
        raise SettingError(f"interpolation must be 'nearest' or 'bilinear', got {interpolation!r}")
    if align_corners and interpolation == "nearest":
        raise SettingError("align_corners has a meaning for interpolation='bilinear' only")
    return interpolation


def activation_forward(x, activation, *, alpha=None, backend="cpu", out=None) -> np.ndarray:
    """y = act(x), any shape."""
    x = admit(x)
    y = _output("activation_forward", out, x.shape, x.dtype, x)
    _backend(backend).activation_forward(x, y, *activation_of(activation, alpha))
    return y
