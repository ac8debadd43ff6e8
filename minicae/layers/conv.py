"""Convolution and transposed convolution: shapes and settings here, arithmetic in `kernels/*/conv.py`.

Read `kernels/reference/conv.py` for what they compute.
"""

from minicae import ops, shapes
from minicae.errors import SettingError, ShapeError
from minicae.layers.linear import Linear


class _Convolution(Linear):
    """The settings that both directions share."""

    def __init__(
        self,
        filters,
        kernel_size,
        strides=1,
        padding="same",
        dilation=1,
        activation="linear",
        use_bias=True,
        kernel_initializer=None,
        bias_initializer="zeros",
        algorithm="auto",
    ):
        super().__init__(activation, use_bias, kernel_initializer, bias_initializer)
        self.filters = shapes.integer(filters, "filters")
        self.kernel_size, self._kernel = kernel_size, shapes.pair(kernel_size, "kernel_size")
        self.strides, self._strides = strides, shapes.pair(strides, "strides")
        self.dilation, self._dilation = dilation, shapes.pair(dilation, "dilation")
        self.algorithm = ops.check_algorithm(algorithm, self._kernel, self._strides, self._dilation)
        self.padding = padding
        if padding not in ("same", "valid"):
            if isinstance(padding, str):
                raise SettingError(
                    f"padding must be 'same', 'valid' or pixels (top, bottom, left, right), got {padding!r}"
                )
            shapes.borders(padding, "padding")

    def _image(self, input_shape):
        if len(input_shape) != 3:
            raise ShapeError(f"{type(self).__name__} takes images (H, W, C), got {input_shape}: put Reshape before it")
        return input_shape

    @property
    def _reach(self):
        """Pixels that the dilated kernel covers, (height, width)."""
        return tuple((k - 1) * d + 1 for k, d in zip(self._kernel, self._dilation))

    def _choose(self, x_shape):
        """Settle how the backend computes this layer, as `summary()` shows it: once, when the layer is built."""
        settings = self._strides, self._padding, self._dilation
        self.chosen = self.kernels.conv2d_algorithm(x_shape, self._w_shape, *settings, self.dtype, self.algorithm)


class Conv2D(_Convolution):
    """y (N, OH, OW, filters) = act(x (N, H, W, C) * w + b), a cross-correlation as in all of deep learning.

        y[n, i, j, f] = b[f] + sum over p, q, c of x[n, i*sh + p*dh - top, j*sw + q*dw - left, c] * w[p, q, c, f]

    Parameters
    ----------
    filters : number of output channels
    kernel_size, strides, dilation : pixels, one number or (height, width)
    padding : "same" (ceil(size / stride) outputs, an odd pixel at the bottom and right), "valid", or pixels
        (top, bottom, left, right)
    activation, use_bias, kernel_initializer, bias_initializer : as in `Dense`
    algorithm : "im2col", one matrix product; "winograd", fewer multiplications for 3x3 kernels at stride 1, but more
        rounding: up to 191 * 2^-24 * (|w| * |x|) from 16 channels on, where im2col has 4, more with fewer; "auto",
        winograd where it is faster, never with fewer than 16 channels. float64, and padding above 2, is always im2col
    """

    def build(self, input_shape):
        H, W, C = self._image(input_shape)
        kernel, strides, dilation = self._kernel, self._strides, self._dilation
        self._padding = shapes.resolve_padding(self.padding, H, W, kernel, strides, dilation)
        out = shapes.window_output(H, W, kernel, strides, self._padding, dilation)
        taps = kernel[0] * kernel[1]
        self._w_shape = (*kernel, C, self.filters)
        self.declare(self._w_shape, self.filters, (taps * C, taps * self.filters))
        self.flops = shapes.convolution_flops((*out, self.filters), kernel, C)
        self.extent, self.jump = self._reach, strides
        self._choose(input_shape)
        return (*out, self.filters)

    def apply(self, x, y):
        settings = self._strides, self._padding, self._dilation, self._act, self._alpha, self.chosen
        self.kernels.conv2d_forward(x, self.w, self.b, y, *settings)

    def apply_adjoint(self, dpre, dx, through):
        settings = self._strides, self._padding, self._dilation, self.chosen
        self.kernels.conv2d_backward_input(dpre, self.w, dx, *settings, through)

    def weight_gradient(self, x, dpre):
        settings = self._strides, self._padding, self._dilation, self.chosen
        self.kernels.conv2d_backward_weight(x, dpre, self.dw, self.db, *settings)


class Conv2DTranspose(_Convolution):
    """The adjoint of a convolution as a layer: x (N, H, W, C) to y (N, OH, OW, filters), w (KH, KW, filters, C).

    "same" multiplies height and width by the stride; "valid" and explicit padding give
    (size - 1) * stride + (kernel - 1) * dilation + 1 - padding. Parameters as in `Conv2D`.
    """

    def build(self, input_shape):
        H, W, C = self._image(input_shape)
        kernel, strides, dilation = self._kernel, self._strides, self._dilation
        out, self._padding = shapes.transposed_output(H, W, kernel, strides, self.padding, dilation)
        taps = kernel[0] * kernel[1]
        self._w_shape = (*kernel, self.filters, C)
        self.declare(self._w_shape, self.filters, (taps * C, taps * self.filters))
        self.flops = shapes.convolution_flops((H, W, C), kernel, self.filters)
        self.extent = tuple(-(-reach // s) for reach, s in zip(self._reach, strides))
        self.jump = tuple(shapes.Fraction(1, s) for s in strides)
        self._choose((*out, self.filters))
        return (*out, self.filters)

    def apply(self, x, y):
        settings = self._strides, self._padding, self._dilation, self._act, self._alpha, self.chosen
        self.kernels.conv2d_transpose_forward(x, self.w, self.b, y, *settings)

    def apply_adjoint(self, dpre, dx, through):
        settings = self._strides, self._padding, self._dilation, self.chosen
        self.kernels.conv2d_transpose_backward_input(dpre, self.w, dx, *settings, through)

    def weight_gradient(self, x, dpre):
        settings = self._strides, self._padding, self._dilation, self.chosen
        self.kernels.conv2d_transpose_backward_weight(x, dpre, self.dw, self.db, *settings)
