"""The products of `_gemm` for any sizes and both types, and what all of its kernels share.

`plain` has tiles of 32 pixels by 32 channels, of which a thread holds 4 x 4 numbers. `direct` gives each number of the
result a thread of its own: for very few channels, where tiles would be empty.
"""

from minicae.kernels.cuda._device import cuda, divide
from minicae.kernels.cuda._launch import device, kernel

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
def finish(v, pivot, kind, alpha):
    """The end of a product: what the kind does to v where the pivot is not positive."""
    if pivot <= alpha - alpha:
        if kind == CUT:
            v = alpha - alpha
        elif kind == SCALE:
            v = v * alpha
    return v


@kernel("RRRRR" + 19 * "i" + "iiir")
def plain(
    x, w, b, gate, y,
    M, H, W, C, KH, KW, OH, OW, F, up_h, up_w, step_h, step_w, off_h, off_w, down_h, down_w, biased, gated,
    turn_c, turn_f, kind, alpha,
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
    m = cuda.blockIdx.x * SIDE + own
    f = cuda.blockIdx.y * SIDE + own
    whole, j = divide(m, OW)
    n, i = divide(whole, OH)
    base_h = i * up_h - off_h
    base_w = j * up_w - off_w
    K = KH * KW * C
    for r in range(4):
        for s in range(4):
            acc[r, s] = zero
    for k0 in range(0, K, DEPTH):
        for k in range(t >> 5, DEPTH, 2):
            one = zero
            other = zero
            if k0 + k < K:
                tap, c = divide(k0 + k, C)
                p, q = divide(tap, KW)
                h = meet(base_h, p, step_h, down_h, H)
                v = meet(base_w, q, step_w, down_w, W)
                if m < M and h >= 0 and v >= 0:
                    one = x[((n * H + h) * W + v) * C + c]
                if f < F:
                    other = w[tap * C * F + c * turn_c + f * turn_f]
            sa[k * SIDE + own] = one
            sb[k * SIDE + own] = other
        cuda.syncthreads()
        for k in range(DEPTH):
            for r in range(4):
                for s in range(4):
                    acc[r, s] += sa[k * SIDE + tr + r] * sb[k * SIDE + tc + s]
        cuda.syncthreads()
    for r in range(4):
        for s in range(4):
            m = cuda.blockIdx.x * SIDE + tr + r
            f = cuda.blockIdx.y * SIDE + tc + s
            if m < M and f < F:
                v = acc[r, s]
                if biased != 0:
                    v += b[f]
                pivot = v
                if gated != 0:
                    pivot = gate[m * F + f]
                y[m * F + f] = finish(v, pivot, kind, alpha)


@kernel("RRRRR" + 19 * "i" + "iiir")
def direct(
    x, w, b, gate, y,
    M, H, W, C, KH, KW, OH, OW, F, up_h, up_w, step_h, step_w, off_h, off_w, down_h, down_w, biased, gated,
    turn_c, turn_f, kind, alpha,
):  # fmt: skip
    """As `plain`, without tiles."""
    at = cuda.grid(1)
    if at < M * F:
        m, f = divide(at, F)
        whole, j = divide(m, OW)
        n, i = divide(whole, OH)
        total = alpha - alpha
        for p in range(KH):
            h = meet(i * up_h - off_h, p, step_h, down_h, H)
            if h >= 0:
                for q in range(KW):
                    v = meet(j * up_w - off_w, q, step_w, down_w, W)
                    if v >= 0:
                        from_x = ((n * H + h) * W + v) * C
                        from_w = (p * KW + q) * C * F + f * turn_f
                        for c in range(C):
                            total += x[from_x + c] * w[from_w + c * turn_c]
        if biased != 0:
            total += b[f]
        pivot = total
        if gated != 0:
            pivot = gate[at]
        y[at] = finish(total, pivot, kind, alpha)
