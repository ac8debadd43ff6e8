"""Winograd's convolution, in NumPy: fewer multiplications for a 3 x 3 kernel at stride 1.

To slide a kernel of three weights along a line, two outputs need four inputs and 2 * 3 = 6 multiplications. Winograd does
with four, one for each input, because sums are cheap:

    x0 x1 x2 x3           m0 = (x0 - x2) w0                    m1 = (x1 + x2) (w0 + w1 + w2) / 2
    \\______/   y0         m2 = (x2 - x1) (w0 - w1 + w2) / 2    m3 = (x1 - x3) w2
       \\______/   y1
                          y0 = m0 + m1 + m2                    y1 = m1 - m2 - m3

Written with three small matrices, y = A^T [(G w) * (B^T x)], and in two dimensions y = A^T [(G w G^T) * (B^T x B)] A.
The image is cut into tiles of 4 x 4 that overlap by two pixels and give 2 x 2 outputs each: F(2x2, 3x3), 16
multiplications instead of 36. With tiles of 6 x 6, F(4x4, 3x3), it is 36 instead of 144. The products of all channels
of all tiles at one place (k, l) of the tile are a matrix product. The gradients are the adjoints, factor by factor.

What is saved in multiplications is paid in rounding: the matrices hold numbers up to 8 and down to 1/24.

Sources: Winograd 1980; Lavin & Gray 2016, whose matrices these are.
"""

import numpy as np

B = {
    2: np.array([[1, 0, -1, 0], [0, 1, 1, 0], [0, -1, 1, 0], [0, 1, 0, -1]]).T,
    4: np.array(
        [
            [4, 0, -5, 0, 1, 0],
            [0, -4, -4, 1, 1, 0],
            [0, 4, -4, -1, 1, 0],
            [0, -2, -1, 2, 1, 0],
            [0, 2, -1, -2, 1, 0],
            [0, 4, 0, -5, 0, 1],
        ]
    ).T,
}
G = {
    2: np.array([[1, 0, 0], [1 / 2, 1 / 2, 1 / 2], [1 / 2, -1 / 2, 1 / 2], [0, 0, 1]]),
    4: np.array(
        [
            [1 / 4, 0, 0],
            [-1 / 6, -1 / 6, -1 / 6],
            [-1 / 6, 1 / 6, -1 / 6],
            [1 / 24, 1 / 12, 1 / 6],
            [1 / 24, -1 / 12, 1 / 6],
            [0, 0, 1],
        ]
    ),
}
A = {
    2: np.array([[1, 1, 1, 0], [0, 1, -1, -1]]).T,
    4: np.array([[1, 1, 1, 1, 1, 0], [0, 1, -1, 2, -2, 0], [0, 1, 1, 4, 4, 0], [0, 1, -1, 8, -8, 1]]).T,
}
TILES = {"winograd(2x2)": 2, "winograd(4x4)": 4}  # outputs on a side of a tile, by the algorithm's name


def fitting(x_shape, padding):
    """The algorithm with the fewest multiplications; of equals, the one with the smaller tiles, which rounds less."""
    OH, OW = x_shape[0] + padding[0] + padding[1] - 2, x_shape[1] + padding[2] + padding[3] - 2
    return min(TILES, key=lambda name: -(-OH // TILES[name]) * -(-OW // TILES[name]) * (TILES[name] + 2) ** 2)


def _matrices(m, dtype):
    return B[m].astype(dtype), G[m].astype(dtype), A[m].astype(dtype)


def _cut(x, m, padding, OH, OW):
    """The overlapping tiles of the padded x: (N, tiles down, tiles across, m + 2, m + 2, C)."""
    (top, _, left, _), (N, H, W, C) = padding, x.shape
    down, across = -(-OH // m), -(-OW // m)
    padded = np.zeros((N, max(down * m + 2, top + H), max(across * m + 2, left + W), C), x.dtype)
    padded[:, top : top + H, left : left + W] = x
    windows = np.lib.stride_tricks.sliding_window_view(padded, (m + 2, m + 2), axis=(1, 2))
    return windows[:, ::m, ::m][:, :down, :across].transpose(0, 1, 2, 4, 5, 3)


def _blocks(dy, m):
    """dy as the blocks of m x m outputs that the tiles gave, zeros beyond its edges."""
    N, OH, OW, F = dy.shape
    down, across = -(-OH // m), -(-OW // m)
    padded = np.zeros((N, down * m, across * m, F), dy.dtype)
    padded[:, :OH, :OW] = dy
    return padded.reshape(N, down, m, across, m, F).transpose(0, 1, 3, 2, 4, 5)


def convolve(x, w, y, padding, m):
    """y (N, OH, OW, F) = x (N, H, W, C) * w (3, 3, C, F), in tiles of m x m outputs."""
    Bm, Gm, Am = _matrices(m, x.dtype)
    N, OH, OW, F = y.shape
    U = np.einsum("kp,lq,pqcf->klcf", Gm, Gm, w)
    V = np.einsum("ik,jl,ntsijc->ntsklc", Bm, Bm, _cut(x, m, padding, OH, OW))
    M = np.einsum("ntsklc,klcf->ntsklf", V, U, optimize=True)
    blocks = np.einsum("ki,lj,ntsklf->ntisjf", Am, Am, M)  # each tile's outputs, back in the rows they belong to
    down, across = blocks.shape[1], blocks.shape[3]
    y[...] = blocks.reshape(N, down * m, across * m, F)[:, :OH, :OW]


def correlate(x, dy, dw, padding, m):
    """dw (3, 3, C, F): the gradient of `convolve` with respect to w, for the gradient dy of y."""
    Bm, Gm, Am = _matrices(m, x.dtype)
    V = np.einsum("ik,jl,ntsijc->ntsklc", Bm, Bm, _cut(x, m, padding, *dy.shape[1:3]))
    D = np.einsum("ki,lj,ntsijf->ntsklf", Am, Am, _blocks(dy, m))
    S = np.einsum("ntsklc,ntsklf->klcf", V, D, optimize=True)
    dw[...] = np.einsum("kp,lq,klcf->pqcf", Gm, Gm, S)


def adjoint(dy, w, dx, padding, m):
    """dx (N, H, W, C): the gradient of `convolve` with respect to x: dy convolved with w turned half round."""
    turned = w[::-1, ::-1].transpose(0, 1, 3, 2)
    convolve(dy, turned, dx, tuple(2 - pixels for pixels in padding), m)
