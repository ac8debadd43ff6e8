"""Three matrix products, in which every dense and every convolution kernel of this backend ends.

    convolve    y  = act(columns(x) W + b)         rows of y are shared out          forward; backward_input at stride 1
    spread      x  = act(adjoint(y W^T) + b)       images of x are shared out        backward_input at other strides
    correlate   dw = columns(x)^T dy, db = sums    rows of dw are shared out         backward_weight

`columns(x)` is the matrix of patches drawn in `_patches.py`. It is packed tile by tile: BLOCK rows by at most PITCH
columns, so that the tile, the panels of the right matrix and the block of the result stay in the second-level cache:

        tile of columns(x)        panel j              y
         <---- depth ---->        width             F columns
        +-----------------+       +---+        +----+---+-------+
        |                 |  x    |   |   +->  |    | + |       |  BLOCK rows
        +-----------------+       +---+        +----+---+-------+

With few channels or few filters a panel would be mostly zeros: see `_few.py`.

No thread writes where another one does and every number is summed in an order that depends on the shapes alone, so the
bits are the same for any number of threads, and those of one image for any batch that it comes in.
"""

import numba
from numba import prange

from minicae.kernels.cpu._epilogue import finish
from minicae.kernels.cpu._jit import entry_of_tiles, helper
from minicae.kernels.cpu._micro import by_columns, by_rows
from minicae.kernels.cpu._patches import PITCH, add_patches, pack_panel, pack_patches
from minicae.kernels.cpu._vector import add, clear, copy

BLOCK = 96  # rows of a tile: a multiple of every row count of the micro-kernel


@helper
def _copy_or_add(rows, count, source, start, source_row, y, y_at, y_row, plus):
    for r in range(rows):
        read, written = start + r * source_row, y_at + r * y_row
        if plus:
            add(source[read : read + count], y[written : written + count])
        else:
            copy(source, read, y, written, count)


@entry_of_tiles
def convolve(
    x, w, b, gate, y, x_shape, kernel, out_shape, strides, corner, dilation, F, turned, code, alpha, width, block, area
):
    """y = act(columns(x) W + b), or, with a gate (of y's size), y = columns(x) W act'(gate).

    W is w (KH, KW, C, F) as a matrix; `turned`, it is w (KH, KW, F, C) turned half round with its channels exchanged,
    which makes the product the adjoint of a convolution. `area` is scratch: the panels, then a share for each thread.
    """
    C, taps = x_shape[2], kernel[0] * kernel[1]
    K = taps * C
    M = y.size // F
    panels = (F + width - 1) // width
    whole = taps == 1 and out_shape == x_shape[:2] and strides == (1, 1) and corner == (0, 0)  # x is its column matrix
    shares = panels * K * width
    share = block * (PITCH + width)
    for j in prange(panels):
        count = min(width, F - j * width)
        if turned:
            for tap in range(taps):
                start = ((taps - 1 - tap) * F + j * width) * C
                pack_panel(w, start, 1, C, C, count, width, area, (j * K + tap * C) * width)
        else:
            pack_panel(w, j * width, F, 1, K, count, width, area, j * K * width)
    for task in prange((M + block - 1) // block):
        tile = shares + numba.get_thread_id() * share
        edge = tile + block * PITCH
        first = task * block
        rows = min(block, M - first)
        for k0 in range(0, K, PITCH):
            depth = min(PITCH, K - k0)
            if whole:
                left, left_at, pitch = x, first * K + k0, K
            else:
                left, left_at, pitch = area, tile, PITCH
                pack_patches(
                    x, x_shape, kernel, out_shape, strides, corner, dilation, first, rows, k0, depth, area, tile
                )
            for j in range(panels):
                panel, count, at = (j * K + k0) * width, min(width, F - j * width), first * F + j * width
                if count == width:
                    by_rows(rows, depth, left, left_at, pitch, area, panel, y, at, F, k0 > 0)
                else:
                    by_rows(rows, depth, left, left_at, pitch, area, panel, area, edge, width, 0)
                    _copy_or_add(rows, count, area, edge, width, y, at, F, k0 > 0)
        finish(y, first * F, rows, F, b, gate, code, alpha)


@entry_of_tiles
def spread(y, w, b, gate, x, x_shape, kernel, out_shape, strides, corner, dilation, F, code, alpha, width, block, area):
    """x = act(adjoint(y W^T) + b), gated as in `convolve`: each row of y W^T is one patch, added to where it came from in x."""
    H, W, C = x_shape
    K = kernel[0] * kernel[1] * C
    pixels = out_shape[0] * out_shape[1]
    panels = (K + width - 1) // width
    shares = panels * F * width
    share = block * panels * width
    for j in prange(panels):
        count = min(width, K - j * width)
        pack_panel(w, j * width * F, 1, F, F, count, width, area, j * F * width)
    for n in prange(x.size // (H * W * C)):
        columns = shares + numba.get_thread_id() * share
        base = n * H * W * C
        clear(x, base, H * W * C)
        for first in range(0, pixels, block):
            rows = min(block, pixels - first)
            for k0 in range(0, F, PITCH):
                depth = min(PITCH, F - k0)
                row = (n * pixels + first) * F + k0
                for j in range(panels):
                    panel, at = (j * F + k0) * width, columns + j * width
                    by_rows(rows, depth, y, row, F, area, panel, area, at, panels * width, k0 > 0)
            add_patches(
                area,
                columns,
                panels * width,
                x_shape,
                kernel,
                out_shape,
                strides,
                corner,
                dilation,
                first,
                rows,
                x,
                base,
            )
        finish(x, base, H * W, C, b, gate, code, alpha)


@entry_of_tiles
def correlate(
    x, dy, dw, db, x_shape, kernel, out_shape, strides, corner, dilation, F, span, panels, width, block, area
):
    """dw = columns(x)^T dy and db = the sums of dy's columns, unless db is empty.

    A task owns `span` rows of dw (at most PITCH) and `panels` panels of its columns, and walks over all the rows of dy.
    """
    K = kernel[0] * kernel[1] * x_shape[2]
    M = dy.size // F
    across = (F + panels * width - 1) // (panels * width)
    share = block * (PITCH + panels * width) + span * width
    for task in prange((K + span - 1) // span * across):
        down, side = task // across, task % across
        k0, f0 = down * span, side * panels * width
        depth, own = min(span, K - k0), min(panels * width, F - f0)
        tile = numba.get_thread_id() * share
        packed = tile + block * PITCH
        edge = packed + block * panels * width
        if M == 0:
            for k in range(depth):
                clear(dw, (k0 + k) * F + f0, own)
        for first in range(0, M, block):
            rows = min(block, M - first)
            pack_patches(x, x_shape, kernel, out_shape, strides, corner, dilation, first, rows, k0, depth, area, tile)
            for j in range((own + width - 1) // width):
                count, panel, at = min(width, own - j * width), packed + j * block * width, k0 * F + f0 + j * width
                pack_panel(dy, first * F + f0 + j * width, F, 1, rows, count, width, area, panel)
                if count == width:
                    by_columns(depth, rows, area, tile, PITCH, area, panel, dw, at, F, first > 0)
                else:
                    by_columns(depth, rows, area, tile, PITCH, area, panel, area, edge, width, 0)
                    _copy_or_add(depth, count, area, edge, width, dw, at, F, first > 0)
        if db.size and down == 0:
            sum_rows(dy, M, F, f0, own, db, area, packed)


@helper
def sum_rows(dy, M, F, f0, count, db, area, at):
    """db[f0 : f0 + count] = sums of those columns of dy (M, F).

    BLOCK rows are summed first, at area[at:], and then their sums, so that rounding stays small.
    """
    clear(db, f0, count)
    block = area[at : at + count]
    for first in range(0, M, BLOCK):
        clear(area, at, count)
        for m in range(first, min(first + BLOCK, M)):
            add(dy[m * F + f0 : m * F + f0 + count], block)
        add(block, db[f0 : f0 + count])


@entry_of_tiles
def column_sums(dy, db, area):
    """db (F,) = sums over the rows of dy (M, F)."""
    F = db.size
    for f in prange(F):
        sum_rows(dy, dy.size // F, F, f, 1, db, area, f)
