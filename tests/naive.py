"""The definitions, one number at a time: what every kernel is held to.

Each linear map is a generator that visits, loop by loop, all the pairs of numbers that meet. Forward adds up
where an output says so, backward where an input does; both follow from the same visit by the rule for
derivatives of sums of products. Everything here is float64, slow, and written without a look at the kernels.
Shapes and settings are those of the kernels.

`complex_step` is the derivative by definition: f(x + ih) has f'(x) h as its imaginary part, to the last
digit, if f is smooth.
"""

import numpy as np

# Formulas that also take complex numbers, for the complex step; a is alpha.
ACTIVATIONS = {
    "linear": lambda x, a: x,
    "relu": lambda x, a: np.where(x.real > 0, x, 0),
    "leaky_relu": lambda x, a: np.where(x.real > 0, x, a * x),
    "elu": lambda x, a: np.where(x.real > 0, x, a * (np.exp(x) - 1)),
    "sigmoid": lambda x, a: 1 / (1 + np.exp(-x)),
    "tanh": lambda x, a: (np.exp(x) - np.exp(-x)) / (np.exp(x) + np.exp(-x)),
    "softplus": lambda x, a: np.log(1 + np.exp(x)),
}


def _visit_dense(x, w):
    """Index in x, in w and in y, for every product of a dense layer of these shapes."""
    for n in range(x[0]):
        for c in range(w[0]):
            for f in range(w[1]):
                yield (n, c), (c, f), (n, f)


def _visit_conv2d(image, w, small, strides, padding, dilation):
    """Index in the image, in the kernel and in the small image, for every product of a convolution."""
    for n in range(small[0]):
        for i in range(small[1]):
            for j in range(small[2]):
                for p in range(w[0]):
                    for q in range(w[1]):
                        row = i * strides[0] + p * dilation[0] - padding[0]
                        column = j * strides[1] + q * dilation[1] - padding[2]
                        if 0 <= row < image[1] and 0 <= column < image[2]:
                            for c in range(w[2]):
                                for f in range(w[3]):
                                    yield (n, row, column, c), (p, q, c, f), (n, i, j, f)


def dense(x, w, y_shape):
    y = np.zeros(y_shape)
    for at_x, at_w, at_y in _visit_dense(x.shape, w.shape):
        y[at_y] += x[at_x] * w[at_w]
    return y


def dense_gradients(x, w, dy):
    """dx, dw, db."""
    dx, dw = np.zeros(x.shape), np.zeros(w.shape)
    for at_x, at_w, at_y in _visit_dense(x.shape, w.shape):
        dx[at_x] += dy[at_y] * w[at_w]
        dw[at_w] += dy[at_y] * x[at_x]
    return dx, dw, _channel_sums(dy)


def conv2d(x, w, y_shape, *settings):
    y = np.zeros(y_shape)
    for at_x, at_w, at_y in _visit_conv2d(x.shape, w.shape, y_shape, *settings):
        y[at_y] += x[at_x] * w[at_w]
    return y


def conv2d_gradients(x, w, dy, *settings):
    """dx, dw, db."""
    dx, dw = np.zeros(x.shape), np.zeros(w.shape)
    for at_x, at_w, at_y in _visit_conv2d(x.shape, w.shape, dy.shape, *settings):
        dx[at_x] += dy[at_y] * w[at_w]
        dw[at_w] += dy[at_y] * x[at_x]
    return dx, dw, _channel_sums(dy)


def conv2d_transpose(x, w, y_shape, *settings):
    y = np.zeros(y_shape)
    for at_y, at_w, at_x in _visit_conv2d(y_shape, w.shape, x.shape, *settings):
        y[at_y] += x[at_x] * w[at_w]
    return y


def conv2d_transpose_gradients(x, w, dy, *settings):
    """dx, dw, db."""
    dx, dw = np.zeros(x.shape), np.zeros(w.shape)
    for at_y, at_w, at_x in _visit_conv2d(dy.shape, w.shape, x.shape, *settings):
        dx[at_x] += dy[at_y] * w[at_w]
        dw[at_w] += dy[at_y] * x[at_x]
    return dx, dw, _channel_sums(dy)


def _channel_sums(dy):
    db = np.zeros(dy.shape[-1])
    for index in np.ndindex(dy.shape):
        db[index[-1]] += dy[index]
    return db


def _window(i, j, image, window, strides, padding):
    """The pixels of a window that lie in the image, in reading order: place in the window, row, column."""
    for p in range(window[0]):
        for q in range(window[1]):
            row, column = i * strides[0] + p - padding[0], j * strides[1] + q - padding[2]
            if 0 <= row < image[1] and 0 <= column < image[2]:
                yield p * window[1] + q, row, column


def maxpool2d(x, y_shape, *settings):
    """y and argmax."""
    y, argmax = np.zeros(y_shape), np.zeros(y_shape, np.int32)
    for n, i, j, c in np.ndindex(y_shape):
        best = None
        for place, row, column in _window(i, j, x.shape, *settings):
            if best is None or x[n, row, column, c] > best:
                best = x[n, row, column, c]
                y[n, i, j, c], argmax[n, i, j, c] = best, place
    return y, argmax


def maxpool2d_gradient(x, dy, *settings):
    dx = np.zeros(x.shape)
    _, argmax = maxpool2d(x, dy.shape, *settings)
    for n, i, j, c in np.ndindex(dy.shape):
        for place, row, column in _window(i, j, x.shape, *settings):
            if place == argmax[n, i, j, c]:
                dx[n, row, column, c] += dy[n, i, j, c]
    return dx


def _visit_avgpool2d(image, y_shape, window, strides, padding, count_padding):
    for n, i, j, c in np.ndindex(y_shape):
        seen = list(_window(i, j, image, window, strides, padding))
        divisor = window[0] * window[1] if count_padding else len(seen)
        for _, row, column in seen:
            yield (n, row, column, c), (n, i, j, c), divisor


def avgpool2d(x, y_shape, *settings):
    y = np.zeros(y_shape)
    for at_x, at_y, divisor in _visit_avgpool2d(x.shape, y_shape, *settings):
        y[at_y] += x[at_x] / divisor
    return y


def avgpool2d_gradient(x_shape, dy, *settings):
    dx = np.zeros(x_shape)
    for at_x, at_y, divisor in _visit_avgpool2d(x_shape, dy.shape, *settings):
        dx[at_x] += dy[at_y] / divisor
    return dx


def upsample_nearest(x, size):
    N, H, W, C = x.shape
    y = np.zeros((N, H * size[0], W * size[1], C))
    for n, i, j, c in np.ndindex(y.shape):
        y[n, i, j, c] = x[n, i // size[0], j // size[1], c]
    return y


def upsample_nearest_gradient(x_shape, dy, size):
    dx = np.zeros(x_shape)
    for n, i, j, c in np.ndindex(dy.shape):
        dx[n, i // size[0], j // size[1], c] += dy[n, i, j, c]
    return dx


def _tents(i, size, new_size, align_corners):
    """Old pixels that new pixel i hears from: each is a tent, 1 at its own centre, 0 at its neighbours'."""
    if align_corners:
        source = i * (size - 1) / (new_size - 1) if new_size > 1 else 0.0
    else:
        source = min(max((i + 0.5) * size / new_size - 0.5, 0.0), size - 1.0)
    for h in range(size):
        if abs(source - h) < 1:
            yield h, 1 - abs(source - h)


def _visit_bilinear(x_shape, y_shape, align_corners):
    for n, i, j, c in np.ndindex(y_shape):
        for row, u in _tents(i, x_shape[1], y_shape[1], align_corners):
            for column, v in _tents(j, x_shape[2], y_shape[2], align_corners):
                yield (n, row, column, c), (n, i, j, c), u * v


def upsample_bilinear(x, y_shape, align_corners):
    y = np.zeros(y_shape)
    for at_x, at_y, weight in _visit_bilinear(x.shape, y_shape, align_corners):
        y[at_y] += x[at_x] * weight
    return y


def upsample_bilinear_gradient(x_shape, dy, align_corners):
    dx = np.zeros(x_shape)
    for at_x, at_y, weight in _visit_bilinear(x_shape, dy.shape, align_corners):
        dx[at_x] += dy[at_y] * weight
    return dx


def complex_step(f, x, h=1e-30):
    """The gradient at x of a number f(x), which must be smooth and take complex arrays."""
    gradient = np.zeros(x.shape)
    for index in np.ndindex(x.shape):
        z = x.astype(complex)
        z[index] += 1j * h
        gradient[index] = f(z).imag / h
    return gradient


def central_difference(f, x, h=1e-6):
    """The gradient at x of a number f(x), for what has kinks (elsewhere) or takes real numbers only."""
    gradient = np.zeros(x.shape)
    for index in np.ndindex(x.shape):
        up, down = x.copy(), x.copy()
        up[index] += h
        down[index] -= h
        gradient[index] = (f(up) - f(down)) / (2 * h)
    return gradient
