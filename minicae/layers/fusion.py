"""Neighbours that are computed in one go. `paired(layers)` is what a chain runs; the layers themselves know nothing of it.

So far there is one such pair, the end of a convolutional decoder: nearest upsampling by s, then a convolution with few
filters. Each small pixel is copied to s x s places, and from each place the K x K kernel carries it on, so it reaches a
window of (K + s - 1) x (K + s - 1) pixels of y, s further on than its neighbour's window. That is a transposed
convolution of the small image, whose kernel is w turned half round and summed over the s x s places:

    w        1 place                    s = 2, K = 3: the kernel of the pair, 4 x 4
    a b c    i h g            i     i+h   h+g   g
    d e f    f e d    --->    i+f   ...   ...   g+d          16 multiplications a channel for 2 x 2 pixels,
    g h i    c b a            f+c   ...   ...   d+a          where the convolution of the large image takes 36
                              c     c+b   b+a   a

The large image and its gradient, the largest arrays of the network, are never made.
"""

import numpy as np

from minicae.layers.conv import Conv2D
from minicae.layers.upsample import UpSampling2D

FEW_FILTERS = 4  # with more, the convolution's own algorithms are faster


class UpsampledConvolution:
    """`conv` of `up`, two layers of a chain, as one transposed convolution; forward and backward as in `Layer`."""

    bends = True
    algorithm = "upsampled"

    def __init__(self, up: UpSampling2D, conv: Conv2D):
        self.up, self.conv = up, conv
        self.slope, self.declared = conv.slope, conv.declared

    def forward(self, x, training=False):
        up, conv = self.up, self.conv
        x = up.saved.x = up.admit(x)
        conv.saved.count, conv.saved.x = x.shape[0], None  # the large image is not there
        y = conv.saved.y = conv.buffer("y", (x.shape[0], *conv.output_shape))
        conv.kernels.conv2d_transpose_forward(x, self._kernel(), conv.b, y, *self._settings, *conv.slope)
        return y

    def backward(self, dy, preactivation=False, through=None):
        """As `Linear.backward`; the gradient of the large image is skipped."""
        up, conv = self.up, self.conv
        self.backward_weights(dy, preactivation)
        dx = up.buffer("dx", (dy.shape[0], *up.input_shape))
        through = through and (up.saved.x, *through)
        settings = *self._settings, "im2col", through
        conv.kernels.conv2d_transpose_backward_input(dy, conv.saved.buffers["wide"], dx, *settings)
        return dx

    def backward_weights(self, dy, preactivation=False):
        """As `Linear.backward_weights`."""
        conv = self.conv
        if not preactivation and conv.slope[0] != "linear":
            conv.kernels.activation_backward(dy, conv.saved.y, dy, *conv.slope)
        dwide = conv.buffer("dwide", conv.saved.buffers["wide"].shape)
        conv.kernels.conv2d_transpose_backward_weight(self.up.saved.x, dy, dwide, conv.db, *self._settings)
        conv.dw[...] = 0
        for part in self._places(dwide):
            conv.dw[...] += part.transpose(0, 1, 3, 2)

    def settle(self, dx=None):
        """Nothing is owed."""

    @property
    def _settings(self):
        KH, KW = self.conv._kernel
        top, bottom, left, right = self.conv._padding
        return self.up._size, (KH - 1 - top, KH - 1 - bottom, KW - 1 - left, KW - 1 - right), (1, 1)

    def _kernel(self):
        """The kernel of the pair, (KH + sh - 1, KW + sw - 1, F, C), from the weights as they are now."""
        (KH, KW), (sh, sw) = self.conv._kernel, self.up._size
        C, F = self.conv.w.shape[2:]
        wide = self.conv.buffer("wide", (KH + sh - 1, KW + sw - 1, F, C))
        wide[...] = 0
        for part in self._places(wide):
            part += self.conv.w.transpose(0, 1, 3, 2)
        return wide

    def _places(self, wide):
        """For each place that a small pixel is copied to: the part of the kernel that belongs to it, turned half round."""
        (KH, KW), (sh, sw) = self.conv._kernel, self.up._size
        for a in range(sh):
            for b in range(sw):
                yield wide[a : a + KH, b : b + KW][::-1, ::-1]


def paired(layers: list) -> list:
    """The layers in order, with each pair that can be computed in one go replaced by one object that does so."""
    found = []
    for layer in layers:
        before = found[-1] if found else None
        if _fits(before, layer):
            found[-1] = UpsampledConvolution(before, layer)
        else:
            found.append(layer)
    return found


def _fits(up, conv):
    """Whether a nearest upsampling is followed by a convolution of few filters that takes every pixel in turn."""
    if type(up) is not UpSampling2D or type(conv) is not Conv2D or up.interpolation != "nearest":
        return False
    if conv.away:  # its kernel is put together by NumPy
        return False
    if conv.filters > FEW_FILTERS or conv._strides != (1, 1) or conv._dilation != (1, 1) or conv.algorithm != "auto":
        return False
    return max(np.subtract(conv._padding, np.repeat(conv._kernel, 2))) < 0
