"""Layers that move numbers and change none: flatten, reshape, pad, crop."""

from minicae import shapes
from minicae.errors import SettingError, ShapeError
from minicae.layers.base import Layer


class _View(Layer):
    """The same memory under another shape."""

    def forward(self, x, training=False):
        x = self.admit(x)
        return x.reshape(len(x), *self.output_shape)

    def backward(self, dy):
        dy = self.admit_gradient(dy)
        return dy.reshape(dy.shape[0], *self.input_shape)


class Flatten(_View):
    """(N, H, W, C) to (N, H * W * C)."""

    def build(self, input_shape):
        return (shapes.count(input_shape),)


class Reshape(_View):
    """(N, ...) to (N, *target_shape), in row-major order; one entry may be -1."""

    def __init__(self, target_shape):
        self.target_shape = tuple(target_shape) if isinstance(target_shape, (tuple, list)) else (target_shape,)
        for size in self.target_shape:
            shapes.integer(size, "target_shape", -1)
        if not self.target_shape:
            raise SettingError("target_shape is empty")

    def build(self, input_shape):
        size, target = shapes.count(input_shape), list(self.target_shape)
        if target.count(-1) == 1:
            rest = shapes.count(n for n in target if n != -1)
            target[target.index(-1)] = size // rest if rest else 0
        if shapes.count(target) != size or min(target, default=1) < 1:
            raise ShapeError(f"{size} numbers {input_shape} cannot be reshaped to {self.target_shape}")
        return tuple(target)


class _Frame(Layer):
    """A frame of pixels added to the image, or taken from it: two kernels, each the adjoint of the other."""

    def build(self, input_shape):
        if len(input_shape) != 3:
            raise ShapeError(f"{type(self).__name__} takes images (H, W, C), got {input_shape}")
        H, W, C = input_shape
        top, bottom, left, right = (self._sign * side for side in self._borders)
        return H + top + bottom, W + left + right, C

    def forward(self, x, training=False):
        x = self.admit(x)
        y = self.buffer("y", (x.shape[0], *self.output_shape))
        (self.kernels.pad2d if self._sign > 0 else self.kernels.crop2d)(x, y, self._borders)
        return y

    def backward(self, dy):
        dy = self.admit_gradient(dy)
        dx = self.buffer("dx", (dy.shape[0], *self.input_shape))
        (self.kernels.crop2d if self._sign > 0 else self.kernels.pad2d)(dy, dx, self._borders)
        return dx


class ZeroPadding2D(_Frame):
    """Zeros around the image: one number, (vertical, horizontal) or (top, bottom, left, right), in pixels."""

    _sign = 1

    def __init__(self, padding=1):
        self.padding, self._borders = padding, shapes.borders(padding, "padding")


class Cropping2D(_Frame):
    """The image without its borders: one number, (vertical, horizontal) or (top, bottom, left, right), in pixels."""

    _sign = -1

    def __init__(self, cropping=1):
        self.cropping, self._borders = cropping, shapes.borders(cropping, "cropping")
