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

With few filters (the last layer of an autoencoder has one) a panel would be mostly zeros: there the vectors run along K,
`_dots` forward and `_outer` for the weights, over the same tiles.

No thread writes where another one does and every number is summed in an order that depends on the shapes alone, so the
bits are the same for any number of threads, and those of one image for any batch that it comes in.
"""

import numba
from numba import prange

from minicae.kernels.cpu._epilogue import finish
from minicae.kernels.cpu._jit import entry, helper
from minicae.kernels.cpu._micro import by_columns, by_rows
from minicae.kernels.cpu._patches import PITCH, add_patches, pack_filters, pack_panel, pack_patches, pack_rows
from minicae.kernels.cpu._vector import add, add_scaled, clear, copy, dot

FEW_FILTERS = 4  # up to so many, vectors run along K
BLOCK = 96  # rows of a tile: a multiple of every row count of the micro-kernel


@helper
def _product(rows, depth, tile, tile_at, panels, panel_at, width, y, y_at, y_row, count, plus, edge):
    """y[rows, count] (+)= tile panel; a last panel narrower than the micro-kernel goes through scratch at `edge`."""
    if count == width:
        by_rows(rows, depth, tile, tile_at, PITCH, panels, panel_at, y, y_at, y_row, plus)
        return
    by_rows(rows, depth, tile, tile_at, PITCH, panels, panel_at, tile, edge, width, 0)
    _copy_or_add(rows, count, tile, edge, width, y, y_at, y_row, plus)


@helper
def _copy_or_add(rows, count, source, start, source_row, y, y_at, y_row, plus):
    for r in range(rows):
        read, written = start + r * source_row, y_at + r * y_row
        if plus:
            add(source[read : read + count], y[written : written + count])
        else:
            copy(source, read, y, written, count)


@helper
def _dots(rows, depth, area, tile, w, w_row, y, y_at, F, plus):
    """y[rows, F] (+)= tile . w, where filter f lies as one row at area[w + f * w_row:]."""
    for r in range(rows):
        for f in range(F):
            patch, w_f = tile + r * PITCH, w + f * w_row
            total = dot(area[patch : patch + depth], area[w_f : w_f + depth])
            at = y_at + r * F + f
            y[at] = y[at] + total if plus else total


@helper
def _outer(rows, depth, area, tile, dy, dy_at, F, dw, dw_at, plus):
    """dw[f, k] (+)= sum over r of dy[r, f] * tile[r, k]."""
    if not plus:
        clear(dw, dw_at, F * depth)
    for r in range(rows):
        patch = area[tile + r * PITCH : tile + r * PITCH + depth]
        for f in range(F):
            add_scaled(patch, dy[dy_at + r * F + f], dw[dw_at + f * depth : dw_at + (f + 1) * depth])


@entry
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
    few = F <= FEW_FILTERS
    panels = (F + width - 1) // width
    shares = panels * K * width
    share = block * (PITCH + width)
    for j in prange(panels):
        count = min(width, F - j * width)
        if few:
            pack_filters(w, taps, C, F, turned, area)
        elif turned:
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
            pack_patches(x, x_shape, kernel, out_shape, strides, corner, dilation, first, rows, k0, depth, area, tile)
            if few:
                _dots(rows, depth, area, tile, k0, K, y, first * F, F, k0 > 0)
                continue
            for j in range(panels):
                count, at = min(width, F - j * width), first * F + j * width
                _product(rows, depth, area, tile, area, (j * K + k0) * width, width, y, at, F, count, k0 > 0, edge)
        finish(y, first * F, rows, F, b, gate, code, alpha)


@entry
def spread(y, w, b, gate, x, x_shape, kernel, out_shape, strides, corner, dilation, F, code, alpha, width, block, area):
    """x = act(adjoint(y W^T) + b), gated as in `convolve`: each row of y W^T is one patch, added to where it came from in x."""
    H, W, C = x_shape
    K = kernel[0] * kernel[1] * C
    pixels = out_shape[0] * out_shape[1]
    panels = (K + width - 1) // width
    shares = panels * F * width
    share = block * (PITCH + panels * width)
    for j in prange(panels):
        count = min(width, K - j * width)
        pack_panel(w, j * width * F, 1, F, F, count, width, area, j * F * width)
    for n in prange(x.size // (H * W * C)):
        tile = shares + numba.get_thread_id() * share
        columns = tile + block * PITCH
        base = n * H * W * C
        clear(x, base, H * W * C)
        for first in range(0, pixels, block):
            rows = min(block, pixels - first)
            for k0 in range(0, F, PITCH):
                depth = min(PITCH, F - k0)
                pack_rows(y, F, n * pixels + first, rows, k0, depth, area, tile)
                for j in range(panels):
                    at = columns + j * width
                    by_rows(
                        rows, depth, area, tile, PITCH, area, (j * F + k0) * width, area, at, panels * width, k0 > 0
                    )
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


@entry
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
            if F <= FEW_FILTERS:
                _outer(rows, depth, area, tile, dy, first * F, F, area, edge, first > 0)
                continue
            for j in range((own + width - 1) // width):
                count, panel, at = min(width, own - j * width), packed + j * block * width, k0 * F + f0 + j * width
                pack_panel(dy, first * F + f0 + j * width, F, 1, rows, count, width, area, panel)
                if count == width:
                    by_columns(depth, rows, area, tile, PITCH, area, panel, dw, at, F, first > 0)
                else:
                    by_columns(depth, rows, area, tile, PITCH, area, panel, area, edge, width, 0)
                    _copy_or_add(depth, count, area, edge, width, dw, at, F, first > 0)
        if F <= FEW_FILTERS:
            for f in range(F):
                for k in range(depth if M else 0):
                    dw[(k0 + k) * F + f] = area[edge + f * depth + k]
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


@entry
def column_sums(dy, db, area):
    """db (F,) = sums over the rows of dy (M, F)."""
    F = db.size
    for f in prange(F):
        sum_rows(dy, dy.size // F, F, f, 1, db, area, f)
