"""Max and average pooling."""

import numpy as np

from minicae import shapes
from minicae.errors import SettingError, ShapeError
from minicae.layers.base import Layer


class _Pooling(Layer):
    """A window moved over each channel: (N, H, W, C) to (N, OH, OW, C)."""

    bends = True

    def __init__(self, pool_size=2, strides=None, padding="valid"):
        self.pool_size, self._window = pool_size, shapes.pair(pool_size, "pool_size")
        self.strides = strides
        self._strides = self._window if strides is None else shapes.pair(strides, "strides")
        self.padding = padding
        if not isinstance(padding, str):
            shapes.borders(padding, "padding")

    def build(self, input_shape):
        if len(input_shape) != 3:
            raise ShapeError(f"{type(self).__name__} takes images (H, W, C), got {input_shape}")
        H, W, C = input_shape
        self._padding = shapes.resolve_padding(self.padding, H, W, self._window, self._strides)
        shapes.check_pool_padding(self._window, self._padding)
        out = shapes.window_output(H, W, self._window, self._strides, self._padding)
        self.flops = shapes.count((*out, C)) * shapes.count(self._window)
        self.extent, self.jump = self._window, self._strides
        return (*out, C)

    @property
    def _settings(self):
        return self._window, self._strides, self._padding


class MaxPooling2D(_Pooling):
    """The largest value of each window; of equal values, the first in row-major order takes the gradient.

    Parameters
    ----------
    pool_size : pixels, one number or (height, width)
    strides : likewise; None takes pool_size
    padding : "valid", "same" or pixels (top, bottom, left, right); padding counts as minus infinity
    """

    def forward(self, x, training=False):
        x = self.admit(x)
        shape = (x.shape[0], *self.output_shape)
        y = self.buffer("y", shape)
        few = self._window[0] * self._window[1] <= 256
        self.saved.y, self.saved.argmax = y, self.buffer("argmax", shape, np.uint8 if few else np.int32)
        self.kernels.maxpool2d_forward(x, y, self.saved.argmax, *self._settings)
        return y

    def backward(self, dy, through=None):
        """dx for dy; `through` as in `Linear.backward`. Its slope at a maximum follows from y, which is that maximum."""
        dy = self.admit_gradient(dy)
        dx = self.buffer("dx", (dy.shape[0], *self.input_shape))
        through = through and (self.saved.y, *through)
        self.kernels.maxpool2d_backward(dy, self.saved.argmax, dx, *self._settings, through)
        return dx


class AveragePooling2D(_Pooling):
    """The mean of each window. Parameters as in `MaxPooling2D`, and

    count_padding : False divides by the number of real pixels in the window (Keras), True by the window's size, the
        padding counting as zeros (PyTorch's default)
    """

    def __init__(self, pool_size=2, strides=None, padding="valid", count_padding=False):
        super().__init__(pool_size, strides, padding)
        if not isinstance(count_padding, bool):
            raise SettingError(f"count_padding must be True or False, got {count_padding!r}")
        self.count_padding = count_padding

    def forward(self, x, training=False):
        x = self.admit(x)
        self.saved.x = x
        y = self.buffer("y", (x.shape[0], *self.output_shape))
        self.kernels.avgpool2d_forward(x, y, *self._settings, self.count_padding)
        return y

    def backward(self, dy, through=None):
        """dx for dy; `through` as in `Linear.backward`."""
        dy = self.admit_gradient(dy)
        dx = self.buffer("dx", (dy.shape[0], *self.input_shape))
        through = through and (self.saved.x, *through)
        self.kernels.avgpool2d_backward(dy, dx, *self._settings, self.count_padding, through)
        return dx
