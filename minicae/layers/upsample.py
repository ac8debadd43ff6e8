"""Upsampling: the decoder's way back to the size of the image."""

from fractions import Fraction

from minicae import ops, shapes
from minicae.errors import SettingError, ShapeError
from minicae.layers.base import Layer


class UpSampling2D(Layer):
    """(N, H, W, C) to (N, H * sh, W * sw, C).

    Parameters
    ----------
    size : factors, one number or (height, width)
    interpolation : "nearest" repeats each pixel; "bilinear" mixes the four nearest
    align_corners : for "bilinear" only: False puts pixels at their centres, i + 1/2 (Keras, and PyTorch's default);
        True maps the corner pixels' centres onto each other
    """

    bends = True

    def __init__(self, size=2, interpolation="nearest", align_corners=False):
        self.size, self._size = size, shapes.pair(size, "size")
        self.interpolation = ops.check_interpolation(interpolation, align_corners)
        if not isinstance(align_corners, bool):
            raise SettingError(f"align_corners must be True or False, got {align_corners!r}")
        self.align_corners = align_corners

    def build(self, input_shape):
        if len(input_shape) != 3:
            raise ShapeError(f"UpSampling2D takes images (H, W, C), got {input_shape}")
        H, W, C = input_shape
        out = H * self._size[0], W * self._size[1], C
        nearest = self.interpolation == "nearest"
        self.flops = 0 if nearest else 8 * shapes.count(out)
        self.extent = (1, 1) if nearest else (2, 2)
        self.jump = tuple(Fraction(1, s) for s in self._size)
        return out

    def forward(self, x, training=False):
        x = self.saved.x = self.admit(x)
        y = self.buffer("y", (x.shape[0], *self.output_shape))
        if self.interpolation == "nearest":
            self.kernels.upsample_nearest_forward(x, y, self._size)
        else:
            self.kernels.upsample_bilinear_forward(x, y, self.align_corners)
        return y

    def backward(self, dy, through=None):
        """dx for dy; `through` as in `Linear.backward`."""
        dy = self.admit_gradient(dy)
        dx = self.buffer("dx", (dy.shape[0], *self.input_shape))
        through = through and (self.saved.x, *through)
        if self.interpolation == "nearest":
            self.kernels.upsample_nearest_backward(dy, dx, self._size, through)
        else:
            self.kernels.upsample_bilinear_backward(dy, dx, self.align_corners, through)
        return dx
