"""Winograd's convolution: 3x3 at stride 1 with fewer multiplications.

Instead of sliding a kernel over the image, the image is cut into tiles, each overlapping the next by two pixels:

    image                     one tile, 6 x 6 = 36 numbers a channel            4 x 4 pixels of y
    +--+--+--+                  V = B^T tile B
    |  |  |  |   - tiles ->     M[k] = V[k] U[k]   for each of the 36 k   ->    y = A^T M A
    +--+--+--+                  U = G w G^T, once a call

In between, all is 36 separate matrix products (tiles x C) (C x F), which is what the micro-kernel does best:
36 multiplications a channel for 16 pixels, where the direct way takes 144. F(2x2, 3x3) has tiles of 4 x 4 for 2 x 2
pixels: 16 where the direct way takes 36, less rounding, less waste on small images.

    forward, backward_input   `winograd_convolve`     a block of tiles stays in the second-level cache from x to y
    backward_weight           `winograd_correlate`    dw = G^T (sum over tiles of V^T D) G, where D = A dy A^T

Rounding grows with the constants of B, G and A: the error is up to `ERROR` * 2^-24 * (|w| * |x|) where the direct way has
4, and with few channels, as a tile's numbers are mixed, its largest |x| counts for all of them. So float64, which checks
gradients, is never computed this way.

Source: Winograd, "Arithmetic Complexity of Computations" (1980); Lavin and Gray (2016).
"""

import numba
from numba import prange

from minicae.kernels.cpu._epilogue import ending_of, finish
from minicae.kernels.cpu._jit import entry_of_tiles, helper
from minicae.kernels.cpu._micro import ROWS, by_columns, by_rows, columns
from minicae.kernels.cpu._passes import (
    transform_filter,
    transform_filter_back,
    transform_gradient,
    transform_image,
    transform_product,
    write_pixels,
)
from minicae.kernels.cpu._scalar import RELU
from minicae.kernels.cpu._scratch import empty, round_up, scratch, threads, zeros
from minicae.kernels.cpu._vector import add, clear, copy

TILES = {"winograd(2x2)": 2, "winograd(4x4)": 4}  # outputs on a side of a tile, by the algorithm's name
ERROR = {2: 11, 4: 191}  # in units of 2^-24 * (|w| * |x|), by the size of a tile
FEW_CHANNELS = 16  # with fewer, transforming costs more than it saves
IN_CACHE = 48  # tiles of a block whose V and M stay in the second-level cache
PAD = 16  # elements between rows of V and of M: keeps them off one another's place in the cache
GROUP = 16  # channels of w that a task transforms


@helper
def _pack_filters(w, C, F, turned, first, tile, panels, width, own, area):
    """U[k, panel, c, lane] of GROUP input channels from `first` on, in area; own: where this thread's share begins."""
    n = tile + 2
    across = panels * width
    half = own + 9 * F
    for c in range(first, min(C, first + GROUP)):
        if turned:  # w (3, 3, F, C) turned half round, its channels exchanged
            for tap in range(9):
                for f in range(F):
                    area[own + tap * F + f] = w[((8 - tap) * F + f) * C + c]
        else:
            for tap in range(9):
                copy(w, (tap * C + c) * F, area, own + tap * F, F)
        transform_filter(tile, area, own, 3 * F, F, area, half, 3 * across, across, 3, F)
        for a in range(n):
            for j in range(panels):
                u = (((a * n) * panels + j) * C + c) * width
                count = min(width, F - j * width)
                transform_filter(
                    tile, area, half + a * 3 * across + j * width, across, 0, area, u, panels * C * width, 0, 1, count
                )


@helper
def _image_tiles(x, n, top, x_shape, left, c0, channels, across, tile, strip, area, v, v_row, v_step):
    """V of one row of tiles of image n: V[k, t, c] at area[v + k * v_step + t * v_row + c], for channels c0 and on."""
    H, W, C = x_shape
    size = tile + 2
    span = across * tile + 2
    first, last = max(0, -top), min(size, H - top)
    base = (n * H + top) * W * C
    if first >= last:
        first, last, base = 0, 0, n * H * W * C
    held = min(W, span - left)
    to = strip + left * channels
    if channels == C:
        transform_image(tile, x, base, W * C, 0, area, to, span * C, 0, first, last, 1, held * C)
    else:
        transform_image(tile, x, base + c0, W * C, C, area, to, span * channels, channels, first, last, held, channels)
    for t in range(across):
        at, to = strip + t * tile * channels, v + t * v_row
        transform_image(
            tile, area, at, channels, span * channels, area, to, v_step, size * v_step, 0, size, size, channels
        )


@helper
def _gradient_tiles(dy, n, top, shape, f0, filters, across, tile, strip, area, d, d_step, panel, width):
    """D of one row of tiles of image n, in panels: D[k, j, t, lane] at area[d + k * d_step + j * panel + t * width + lane]."""
    OH, OW, F = shape
    size = tile + 2
    span = across * tile
    base = (n * OH + top) * OW * F + f0
    to = strip
    transform_gradient(
        tile, dy, base, OW * F, F, area, to, span * filters, filters, 0, min(tile, OH - top), OW, filters
    )
    for t in range(across):
        for j in range((filters + width - 1) // width):
            at, to = strip + t * tile * filters + j * width, d + j * panel + t * width
            count = min(width, filters - j * width)
            transform_gradient(
                tile, area, at, filters, span * filters, area, to, d_step, size * d_step, 0, tile, size, count
            )


@entry_of_tiles
def winograd_convolve(
    x, w, b, gate, nothing, y, x_shape, out_shape, corner, F, turned, code, alpha, tile, block, width, area, share
):
    """y = act(x * w + b), or, with a gate (y's shape), y = (x * w) act'(gate).

    `block` rows of tiles are a task. b has F numbers, `nothing` none. Scratch: U, then a share for
    each thread: a strip of the image, V, M and half-transformed tiles.
    """
    H, W, C = x_shape
    OH, OW = out_shape
    n = tile + 2
    down, across = (OH + tile - 1) // tile, (OW + tile - 1) // tile
    panels = (F + width - 1) // width
    tiles = block * across
    v_row, m_row = C + PAD, panels * width + PAD
    v_step, m_step = tiles * v_row, tiles * m_row
    span = across * tile + 2
    U = n * n * panels * C * width
    for group in prange((C + GROUP - 1) // GROUP):
        own = U + numba.get_thread_id() * share
        _pack_filters(w, C, F, turned, group * GROUP, tile, panels, width, own, area)
    rows = y.size // (OH * OW * F) * down
    for task in prange((rows + block - 1) // block):
        strip = U + numba.get_thread_id() * share
        V = strip + n * span * C
        M = V + n * n * v_step
        half = M + n * n * m_step
        clear(area, strip, n * span * C)
        first = task * block
        held = min(block, rows - first)
        for r in range(held):
            image, i = (first + r) // down, (first + r) % down
            top = i * tile - corner[0]
            v = V + r * across * v_row
            _image_tiles(x, image, top, x_shape, corner[1], 0, C, across, tile, strip, area, v, v_row, v_step)
        for k in range(n * n):
            for j in range(panels):
                by_rows(
                    held * across, C, area, V + k * v_step, v_row, area, (k * panels + j) * C * width, area,
                    M + k * m_step + j * width, m_row, 0,
                )  # fmt: skip
        for r in range(held):
            image, i = (first + r) // down, (first + r) % down
            for t in range(across):
                at = M + (r * across + t) * m_row
                transform_product(tile, area, at, n * m_step, m_step, area, half, n * F, F, n, F)
                pixels = min(tile, OW - t * tile)
                for p in range(min(tile, OH - i * tile)):
                    to = ((image * OH + i * tile + p) * OW + t * tile) * F
                    write_pixels(
                        tile, area, half + p * n * F, F, y, to, F, pixels, F, b, 0, gate, to, code == RELU and not gate.size,
                        code == RELU and gate.size > 0,
                    )  # fmt: skip
                    if code != RELU:  # the one activation that the pass knows
                        finish(y, to, pixels, F, nothing, gate, code, alpha)


@entry_of_tiles
def winograd_correlate(x, dy, dw, db, x_shape, out_shape, corner, F, tile, block, c_part, f_part, width, area, share):
    """dw = the gradient of the weights; db = the sums of dy, unless db is empty.

    A task owns `c_part` channels and `f_part` filters of dw. It transforms these channels of `block` rows of tiles,
    multiplies, adds to its S, and goes on to the next rows. Scratch: V, D, S and two strips for each thread.
    """
    H, W, C = x_shape
    OH, OW = out_shape
    n = tile + 2
    down, across = (OH + tile - 1) // tile, (OW + tile - 1) // tile
    panels = (f_part + width - 1) // width
    tiles = block * across
    v_row, s_row = c_part + PAD, panels * width
    v_step, panel = tiles * v_row, tiles * width
    d_step = panels * panel
    s_step = c_part * s_row
    span_x, span_y = across * tile + 2, across * tile
    rows = dy.size // (OH * OW * F) * down
    sides = (F + f_part - 1) // f_part
    for task in prange((C + c_part - 1) // c_part * sides):
        c0, f0 = task // sides * c_part, task % sides * f_part
        channels, filters = min(c_part, C - c0), min(f_part, F - f0)
        V = numba.get_thread_id() * share
        D = V + n * n * v_step
        S = D + n * n * d_step
        strip_x = S + n * n * s_step
        strip_y = strip_x + n * span_x * c_part
        half = strip_y + n * span_y * f_part
        clear(area, S, n * n * s_step)
        clear(area, strip_x, n * (span_x * c_part + span_y * f_part))
        if c0 == 0 and db.size:
            clear(db, f0, filters)
        for first in range(0, rows, block):
            held = min(block, rows - first)
            for r in range(held):
                image, i = (first + r) // down, (first + r) % down
                top, v, d = i * tile - corner[0], V + r * across * v_row, D + r * across * width
                _image_tiles(
                    x, image, top, x_shape, corner[1], c0, channels, across, tile, strip_x, area, v, v_row, v_step
                )
                _gradient_tiles(
                    dy, image, i * tile, (OH, OW, F), f0, filters, across, tile, strip_y, area, d, d_step, panel, width
                )
            for k in range(n * n):
                for j in range(panels):
                    by_columns(
                        channels, held * across, area, V + k * v_step, v_row, area, D + k * d_step + j * panel, area,
                        S + k * s_step + j * width, s_row, 1,
                    )  # fmt: skip
            if c0 == 0 and db.size:  # at k = (1, 1), A sums all the pixels of a tile
                _sum_tiles(area, D + (n + 1) * d_step, held * across, panel, width, filters, db, f0)
        for c in range(channels):
            at, to = S + c * s_row, (c0 + c) * F + f0
            transform_filter_back(tile, area, at, n * s_step, s_step, area, half, n * filters, filters, n, filters)
            transform_filter_back(tile, area, half, filters, n * filters, dw, to, C * F, 3 * C * F, 3, filters)


@helper
def _sum_tiles(area, d, tiles, panel, width, filters, db, f0):
    """db[f0:] += the sums over the tiles of D[k]."""
    for j in range((filters + width - 1) // width):
        count = min(width, filters - j * width)
        for t in range(tiles):
            at = d + j * panel + t * width
            add(area[at : at + count], db[f0 + j * width : f0 + j * width + count])


def algorithm(x_shape, w_shape, padding, wanted):
    """The name of the algorithm with the fewest multiplications; of equals, that of the smaller tiles, which rounds less."""
    if wanted == "auto" and min(w_shape[2:]) < FEW_CHANNELS:
        return "im2col"
    OH, OW = x_shape[0] + padding[0] + padding[1] - 2, x_shape[1] + padding[2] + padding[3] - 2
    return min(TILES, key=lambda name: -(-OH // TILES[name]) * -(-OW // TILES[name]) * (TILES[name] + 2) ** 2)


def convolve(x, w, b, y, corner, turned, ending, tile):
    """`winograd_convolve` for x (N, H, W, C), y (N, OH, OW, F); b may be None, ending is (gate or None, activation, alpha)."""
    (N, H, W, C), (OH, OW, F) = x.shape, y.shape[1:]
    width, n = columns(x.dtype), tile + 2
    down, across, panels = -(-OH // tile), -(-OW // tile), -(-F // width)
    tasks = threads() * -(-N * down * across // (IN_CACHE * threads()))
    block = max(1, -(-N * down // max(1, tasks)))
    tiles, span = block * across, across * tile + 2
    share = n * span * C + n * n * tiles * (C + panels * width + 2 * PAD) + n * tile * F
    share = round_up(max(share, 9 * F + 3 * n * panels * width), PAD)
    area = scratch(x.dtype, n * n * panels * C * width + threads() * share)
    gate, code, alpha = ending_of(ending, x.dtype)
    winograd_convolve(
        y.size * C, x.reshape(-1), w.reshape(-1), zeros(x.dtype, F) if b is None else b, gate, empty(x.dtype),
        y.reshape(-1), (H, W, C), (OH, OW), corner, F, turned, code, alpha, tile, block, width, area, share,
    )  # fmt: skip


def correlate(x, dy, dw, db, corner, tile):
    """`winograd_correlate` for images x (N, H, W, C) and dy (N, OH, OW, F); db may be None."""
    (N, H, W, C), (OH, OW, F) = x.shape, dy.shape[1:]
    width, n = columns(x.dtype), tile + 2
    c_part, f_part = C, F
    while -(-C // c_part) * -(-F // f_part) < threads() and max(c_part, f_part) > width:
        if c_part > f_part:
            c_part = round_up(-(-c_part // 2), ROWS)
        else:
            f_part = round_up(-(-f_part // 2), width)
    across = -(-OW // tile)
    block = min(max(1, IN_CACHE // across), max(1, N * -(-OH // tile)))
    tiles, panels = block * across, -(-f_part // width)
    share = n * n * (tiles * (c_part + PAD + panels * width) + c_part * panels * width)
    share += n * ((across * tile + 2) * c_part + across * tile * f_part + 3 * panels * width)
    share = round_up(share, PAD)
    area = scratch(x.dtype, threads() * share)
    winograd_correlate(
        dy.size * C, x.reshape(-1), dy.reshape(-1), dw.reshape(-1), empty(x.dtype) if db is None else db, (H, W, C),
        (OH, OW), corner, F, tile, block, c_part, f_part, width, area, share,
    )  # fmt: skip
