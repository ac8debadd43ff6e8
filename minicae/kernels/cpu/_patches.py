"""Copying images and weights into the order in which the matrix product reads them.

A convolution is a matrix product whose left matrix is never stored whole. Its row m is the patch of x under output pixel
m, its column k = (p * KW + q) * C + c is one place of the kernel and one channel:

        x (H, W, C)                  row of output pixel (i, j):   K = KH * KW * C numbers
      +---------------+
      |   +-------+   |              p=0,q=0     p=0,q=1            p=KH-1,q=KW-1
      |   | p,q   |   |   -------->  [ C numbers | C numbers | ... | C numbers ]
      |   +-------+   |
      +---------------+              contiguous runs, because channels come last

`pack_patches` copies some rows and some columns of it, a tile small enough for the cache. The right matrix is packed in
panels as wide as the micro-kernel, zeros filling the last one:

      [panel j][k][lane]  =  w[k, j * width + lane]
"""

from minicae.kernels.cpu._jit import helper
from minicae.kernels.cpu._vector import add, clear, copy

PITCH = 240  # elements from one row of a tile to the next: a multiple of every row count, not of a power of two


@helper
def pack_patches(x, x_shape, kernel, out_shape, strides, corner, dilation, first, rows, k0, depth, tile, at):
    """Rows first.. and columns k0.. of the column matrix into tile[at:], rows one PITCH apart.

    x_shape = (H, W, C); kernel = (KH, KW); out_shape = (OH, OW); corner = (top, left) padding. Where a row of the kernel
    lies wholly inside the image, or wholly outside, the rest of that row is one run.
    """
    H, W, C = x_shape
    KW = kernel[1]
    OH, OW = out_shape
    n, pixel = divmod(first, OH * OW)
    i, j = divmod(pixel, OW)
    first_tap, first_c = divmod(k0, C)
    first_p, first_q = divmod(first_tap, KW)
    for r in range(rows):
        top, left = i * strides[0] - corner[0], j * strides[1] - corner[1]
        p, q, c, k = first_p, first_q, first_c, 0
        while k < depth:
            h, w = top + p * dilation[0], left + q * dilation[1]
            row_ends = dilation[1] == 1 and (not 0 <= h < H or (w >= 0 and left + KW <= W))
            run = min((KW - q) * C - c if row_ends else C - c, depth - k)
            to = at + r * PITCH + k
            if 0 <= h < H and 0 <= w < W:
                copy(x, ((n * H + h) * W + w) * C + c, tile, to, run)
            else:
                clear(tile, to, run)
            k, c, q = k + run, 0, KW if row_ends else q + 1
            if q == KW:
                p, q = p + 1, 0
        j += 1
        if j == OW:
            i, j = i + 1, 0
            if i == OH:
                n, i = n + 1, 0


@helper
def pack_panel(b, start, row, column, depth, count, width, panel, at):
    """panel[at:][k, lane] = b[start + k * row + lane * column] for lane < count, zero for the lanes up to width."""
    for k in range(depth):
        source, to = start + k * row, at + k * width
        if column == 1:
            copy(b, source, panel, to, count)
        else:
            for lane in range(count):
                panel[to + lane] = b[source + lane * column]
        clear(panel, to + count, width - count)


@helper
def add_patches(columns, start, pitch, x_shape, kernel, out_shape, strides, corner, dilation, first, rows, x, base):
    """The adjoint of `pack_patches` (col2im): adds rows of the column matrix to where they came from in one image.

    columns[start:] holds the rows of output pixels first.., `pitch` apart; x[base:] is the image they are added to.
    """
    H, W, C = x_shape
    KH, KW = kernel
    OW = out_shape[1]
    for r in range(rows):
        i, j = divmod(first + r, OW)
        top, left = i * strides[0] - corner[0], j * strides[1] - corner[1]
        for p in range(KH):
            h = top + p * dilation[0]
            if 0 <= h < H:
                for q in range(KW):
                    w = left + q * dilation[1]
                    if 0 <= w < W:
                        source, to = start + r * pitch + (p * KW + q) * C, base + (h * W + w) * C
                        add(columns[source : source + C], x[to : to + C])
