"""The products of `_gemm` for any sizes and both types, and what all of its kernels share.

`plain` has tiles of 32 pixels by 32 channels, of which a thread holds 4 x 4 numbers. `direct` gives each number of the
result a thread of its own: for very few channels, where tiles would be empty.
"""

from minicae.kernels.cuda._device import cuda, divide
from minicae.kernels.cuda._launch import BLOCK, device, kernel

SIDE, DEPTH, SIDE_THREADS = 32, 8, 64  # pixels and channels of a tile, products a step, threads
TILE = SIDE * DEPTH
CUT, SCALE = 1, 2  # what an activation with one kink does left of it: to 0, or times a number


@device
def meet(base, p, step, down, size):
    """The row that pixel and kernel meet in, -1 where it is none: base = i * up - off."""
    row = base + p * step
    if row >= 0 and down > 1:
        whole, rest = divide(row, down)
        row = whole
        if rest != 0:
            row = -1
    if row >= size:
        row = -1
    return row


@device
def first(base, step, down, size):
    """The first row of the kernel that pixels with this base meet, `size` where they meet none."""
    p = 0
    while down > 1 and p < size and (base + p * step) % down != 0:
        p += 1
    return p


@device
def taps(phase, step_h, step_w, off_h, off_w, down_h, down_w, skip_h, skip_w, KH, KW):
    """The first row and column of the kernel that pixels of a phase meet, how many columns, how many of both together."""
    a, b = divide(phase, down_w)
    p = first(a - off_h, step_h, down_h, KH)
    q = first(b - off_w, step_w, down_w, KW)
    rows, _ = divide(KH - p + skip_h - 1, skip_h)
    columns, _ = divide(KW - q + skip_w - 1, skip_w)
    return p, q, columns, rows * columns


@device
def pixel_of(m, M, phase, OH, OW, down_h, down_w):
    """Number m of the M pixels of a phase, -1 where it is none."""
    pixel = m
    if down_h * down_w > 1:
        a, b = divide(phase, down_w)
        rows, _ = divide(OH + down_h - 1, down_h)
        columns, _ = divide(OW + down_w - 1, down_w)
        whole, j = divide(m, columns)
        n, i = divide(whole, rows)
        i = i * down_h + a
        j = j * down_w + b
        pixel = (n * OH + i) * OW + j
        if i >= OH or j >= OW:
            pixel = -1
    if m >= M:
        pixel = -1
    return pixel


@device
def finish(v, pivot, kind, alpha):
    """The end of a product: what the kind does to v where the pivot is not positive."""
    if pivot <= alpha - alpha:
        if kind == CUT:
            v = alpha - alpha
        elif kind == SCALE:
            v = v * alpha
    return v


@kernel("RRRRR" + 21 * "i" + "iiir", (SIDE_THREADS, 12))
def plain(
    x, w, b, gate, y,
    M, H, W, C, KH, KW, OH, OW, F, up_h, up_w, step_h, step_w, off_h, off_w, down_h, down_w, skip_h, skip_w,
    biased, gated, turn_c, turn_f, kind, alpha,
):  # fmt: skip
    """y[m, f] = finish(b[f] + sum over k of patches[m, k] * w[k, f]); turn_c and turn_f: steps of w."""
    sa = cuda.shared.array(TILE, x.dtype)
    sb = cuda.shared.array(TILE, x.dtype)
    acc = cuda.local.array((4, 4), x.dtype)
    zero = alpha - alpha
    t = cuda.threadIdx.x
    tr = (t >> 3) << 2
    tc = (t & 7) << 2
    own = t & 31
    phase = cuda.blockIdx.z
    pixel = pixel_of(cuda.blockIdx.x * SIDE + own, M, phase, OH, OW, down_h, down_w)
    f = cuda.blockIdx.y * SIDE + own
    whole, j = divide(pixel, OW)
    n, i = divide(whole, OH)
    base_h = i * up_h - off_h
    base_w = j * up_w - off_w
    first_p, first_q, across, met = taps(phase, step_h, step_w, off_h, off_w, down_h, down_w, skip_h, skip_w, KH, KW)
    K = met * C
    for r in range(4):
        for s in range(4):
            acc[r, s] = zero
    for k0 in range(0, K, DEPTH):
        for k in range(t >> 5, DEPTH, 2):
            one = zero
            other = zero
            if k0 + k < K:
                tap, c = divide(k0 + k, C)
                p, q = divide(tap, across)
                p = first_p + p * skip_h
                q = first_q + q * skip_w
                h = meet(base_h, p, step_h, down_h, H)
                v = meet(base_w, q, step_w, down_w, W)
                if pixel >= 0 and h >= 0 and v >= 0:
                    one = x[((n * H + h) * W + v) * C + c]
                if f < F:
                    other = w[(p * KW + q) * C * F + c * turn_c + f * turn_f]
            sa[k * SIDE + own] = one
            sb[k * SIDE + own] = other
        cuda.syncthreads()
        for k in range(DEPTH):
            for r in range(4):
                for s in range(4):
                    acc[r, s] += sa[k * SIDE + tr + r] * sb[k * SIDE + tc + s]
        cuda.syncthreads()
    for r in range(4):
        pixel = pixel_of(cuda.blockIdx.x * SIDE + tr + r, M, phase, OH, OW, down_h, down_w)
        for s in range(4):
            f = cuda.blockIdx.y * SIDE + tc + s
            if pixel >= 0 and f < F:
                v = acc[r, s]
                if biased != 0:
                    v += b[f]
                pivot = v
                if gated != 0:
                    pivot = gate[pixel * F + f]
                y[pixel * F + f] = finish(v, pivot, kind, alpha)


@kernel("RRRRR" + 21 * "i" + "iiir", (BLOCK, 6))
def direct(
    x, w, b, gate, y,
    M, H, W, C, KH, KW, OH, OW, F, up_h, up_w, step_h, step_w, off_h, off_w, down_h, down_w, skip_h, skip_w,
    biased, gated, turn_c, turn_f, kind, alpha,
):  # fmt: skip
    """As `plain`, without tiles."""
    at = cuda.grid(1)
    if at < y.size:
        m, f = divide(at, F)
        whole, j = divide(m, OW)
        n, i = divide(whole, OH)
        total = alpha - alpha
        first_q = first(j * up_w - off_w, step_w, down_w, KW)
        p = first(i * up_h - off_h, step_h, down_h, KH)
        while p < KH:
            h = meet(i * up_h - off_h, p, step_h, down_h, H)
            q = first_q
            while h >= 0 and q < KW:
                v = meet(j * up_w - off_w, q, step_w, down_w, W)
                if v >= 0:
                    from_x = ((n * H + h) * W + v) * C
                    from_w = (p * KW + q) * C * F + f * turn_f
                    for c in range(C):
                        total += x[from_x + c] * w[from_w + c * turn_c]
                q += skip_w
            p += skip_h
        if biased != 0:
            total += b[f]
        pivot = total
        if gated != 0:
            pivot = gate[at]
        y[at] = finish(total, pivot, kind, alpha)
