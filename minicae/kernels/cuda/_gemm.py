"""Convolutions as products of matrices that are never written down, a tile of the result to a block of threads.

Rows are pixels of the image that is written, columns its channels, and the products run over k = (p, q, c), the weights
of one output. The patches are gathered from the image on the way into shared memory (implicit im2col). One rule says
where a row's pixel i and a row p of the kernel meet in the image that is read:

    i * up + p * step - off, if it is a multiple of `down`, divided by it       (columns likewise)

A convolution has up = stride, step = dilation, off = padding, down = 1; its adjoint has up = 1, step = -dilation,
off = -padding, down = stride. So the same kernels go forward and backward, and a dense layer is a convolution of images
of one pixel.

`_wide` are the fast ones: float32, channels by fours, 128-bit loads, two tiles in shared memory, so that one is filled
while the other is multiplied; each thread holds 8 x 8 or 8 x 4 numbers of the result. `_plain` takes any sizes and
float64. `_direct` gives each number of the result a thread of its own: for very few channels, where tiles would be empty.
"""

from typing import NamedTuple

from minicae.kernels.cuda._launch import aligned, cuda, device, divide, float32, kernel, launch, ld4, nothing, run, st4

ROWS, DEPTH, THREADS = 128, 8, 128  # of a wide tile: pixels, products, threads
SIDE, PLAIN_THREADS = 32, 64  # of a plain tile: pixels and channels, 4 x 4 numbers a thread
PLAIN_TILE = SIDE * DEPTH
WIDE_A = 2 * ROWS * DEPTH
FEW = 3  # channels that are not worth a tile
CUT, SCALE = 1, 2  # what an activation with one kink does left of it: to 0, or times a number


class Map(NamedTuple):
    """What the rule above needs, for rows and columns."""

    up: tuple
    step: tuple
    off: tuple
    down: tuple


def forward_map(strides, padding, dilation):
    """The map of a convolution."""
    return Map(strides, dilation, padding[::2], (1, 1))


def adjoint_map(strides, padding, dilation):
    """The map of its adjoint."""
    return Map((1, 1), (-dilation[0], -dilation[1]), (-padding[0], -padding[2]), strides)


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


def _wide(width, turned):
    """The fast kernel for `width` numbers of the result a row of a thread; turned: w is (KH, KW, F, C)."""
    COLUMNS = 8 * width
    B = 2 * COLUMNS * DEPTH
    GROUPS = width // 4  # fours of channels a thread
    APART = COLUMNS // GROUPS
    LOADERS = COLUMNS * DEPTH // 4  # threads that bring four weights

    @kernel("RRRRR" + 19 * "i" + "ir", (THREADS, 3), f"wide_{COLUMNS}" + "_turned" * turned)
    def wide(
        x, w, b, gate, y,
        M, H, W, C, KH, KW, OH, OW, F, up_h, up_w, step_h, step_w, off_h, off_w, down_h, down_w, biased, gated,
        kind, alpha,
    ):  # fmt: skip
        """y[m, f] = finish(b[f] + sum over k of patches[m, k] * w[k, f]); a thread gathers one row of the patches."""
        sa = cuda.shared.array(WIDE_A, float32, alignment=16)
        sb = cuda.shared.array(B, float32, alignment=16)
        acc = cuda.local.array((8, width), float32)
        ra = cuda.local.array(8, float32)
        rb = cuda.local.array(width, float32)
        zero = alpha - alpha
        t = cuda.threadIdx.x
        tr = (t >> 3) << 2  # rows tr to tr + 3, and these + 64
        tc = (t & 7) << 2
        m0 = cuda.blockIdx.x * ROWS
        f0 = cuda.blockIdx.y * COLUMNS
        whole, j = divide(m0 + t, OW)
        n, i = divide(whole, OH)
        base_h = i * up_h - off_h
        base_w = j * up_w - off_w
        image = n * H * W * C
        there = m0 + t < M
        K = KH * KW * C
        if turned:
            near = t // COLUMNS  # which of the two fours of k
            far = t % COLUMNS
        else:
            near = t // (COLUMNS // 4)
            far = (t % (COLUMNS // 4)) << 2
        loads = t < LOADERS and f0 + far < F
        for r in range(8):
            for s in range(width):
                acc[r, s] = zero
        p = 0
        q = 0
        c = 0
        tap = 0
        buffer = 0
        tiles = (K + DEPTH - 1) // DEPTH
        for tile in range(tiles + 1):
            a0 = a1 = a2 = a3 = a4 = a5 = a6 = a7 = zero
            b0 = b1 = b2 = b3 = zero
            if tile < tiles:
                tap_near = tap
                c_near = c
                h = meet(base_h, p, step_h, down_h, H)
                v = meet(base_w, q, step_w, down_w, W)
                if there and h >= 0 and v >= 0:
                    a0, a1, a2, a3 = ld4(x, image + (h * W + v) * C + c)
                c += 4
                if c == C:
                    c = 0
                    tap += 1
                    q += 1
                    if q == KW:
                        q = 0
                        p += 1
                if near == 1:
                    tap_near = tap
                    c_near = c
                h = meet(base_h, p, step_h, down_h, H)
                v = meet(base_w, q, step_w, down_w, W)
                if there and p < KH and h >= 0 and v >= 0:
                    a4, a5, a6, a7 = ld4(x, image + (h * W + v) * C + c)
                c += 4
                if c == C:
                    c = 0
                    tap += 1
                    q += 1
                    if q == KW:
                        q = 0
                        p += 1
                if turned:
                    if loads and tap_near < KH * KW:
                        b0, b1, b2, b3 = ld4(w, (tap_near * F + f0 + far) * C + c_near)
                elif loads and tile * DEPTH + near < K:
                    b0, b1, b2, b3 = ld4(w, (tile * DEPTH + near) * F + f0 + far)
            if tile > 0:  # multiply what was brought one turn ago
                at_a = (buffer ^ 1) * (ROWS * DEPTH) + tr
                at_b = (buffer ^ 1) * (COLUMNS * DEPTH) + tc
                for k in range(DEPTH):
                    ra[0], ra[1], ra[2], ra[3] = ld4(sa, at_a + k * ROWS)
                    ra[4], ra[5], ra[6], ra[7] = ld4(sa, at_a + k * ROWS + 64)
                    for g in range(GROUPS):
                        o = at_b + k * COLUMNS + g * APART
                        rb[4 * g], rb[4 * g + 1], rb[4 * g + 2], rb[4 * g + 3] = ld4(sb, o)
                    for r in range(8):
                        for s in range(width):
                            acc[r, s] += ra[r] * rb[s]
            if tile < tiles:
                o = buffer * (ROWS * DEPTH) + t
                sa[o] = a0
                sa[o + ROWS] = a1
                sa[o + 2 * ROWS] = a2
                sa[o + 3 * ROWS] = a3
                sa[o + 4 * ROWS] = a4
                sa[o + 5 * ROWS] = a5
                sa[o + 6 * ROWS] = a6
                sa[o + 7 * ROWS] = a7
                if t < LOADERS:
                    o = buffer * (COLUMNS * DEPTH)
                    if turned:
                        o += 4 * near * COLUMNS + far
                        sb[o] = b0
                        sb[o + COLUMNS] = b1
                        sb[o + 2 * COLUMNS] = b2
                        sb[o + 3 * COLUMNS] = b3
                    else:
                        st4(sb, o + near * COLUMNS + far, b0, b1, b2, b3)
                cuda.syncthreads()
                buffer ^= 1
        for g in range(GROUPS):
            f = f0 + tc + g * APART
            if f < F:
                b0 = b1 = b2 = b3 = zero
                if biased != 0:
                    b0, b1, b2, b3 = ld4(b, f)
                for r in range(8):
                    m = m0 + tr + (r & 3) + (r >> 2) * 64
                    if m < M:
                        a0 = acc[r, 4 * g] + b0
                        a1 = acc[r, 4 * g + 1] + b1
                        a2 = acc[r, 4 * g + 2] + b2
                        a3 = acc[r, 4 * g + 3] + b3
                        if kind != 0:
                            a4, a5, a6, a7 = a0, a1, a2, a3
                            if gated != 0:
                                a4, a5, a6, a7 = ld4(gate, m * F + f)
                            a0 = finish(a0, a4, kind, alpha)
                            a1 = finish(a1, a5, kind, alpha)
                            a2 = finish(a2, a6, kind, alpha)
                            a3 = finish(a3, a7, kind, alpha)
                        st4(y, m * F + f, a0, a1, a2, a3)

    return wide


WIDE = {(width, turned): _wide(width, turned) for width in (4, 8) for turned in (False, True)}


@kernel("RRRRR" + 19 * "i" + "iiir")
def _plain(
    x, w, b, gate, y,
    M, H, W, C, KH, KW, OH, OW, F, up_h, up_w, step_h, step_w, off_h, off_w, down_h, down_w, biased, gated,
    turn_c, turn_f, kind, alpha,
):  # fmt: skip
    """As `wide`, number by number; (turn_c, turn_f) are the steps of w from channel to channel."""
    sa = cuda.shared.array(PLAIN_TILE, x.dtype)
    sb = cuda.shared.array(PLAIN_TILE, x.dtype)
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
def _direct(
    x, w, b, gate, y,
    M, H, W, C, KH, KW, OH, OW, F, up_h, up_w, step_h, step_w, off_h, off_w, down_h, down_w, biased, gated,
    turn_c, turn_f, kind, alpha,
):  # fmt: skip
    """As `_plain`, without tiles."""
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


def multiply(x, w, b, y, kernel_size, rule, turned, through, activation, alpha):
    """y = act(patches(x) w + b), or times the slope at a gate, for activations with one kink; other ones are left out.

    Returns whether the activation, or the gate, is still to be applied.
    """
    (N, H, W, C), (_, OH, OW, F) = x.shape, y.shape
    M, dtype = N * OH * OW, x.dtype
    gated = through is not None
    gate, name, alpha = through if gated else (None, activation, alpha)
    kind = {"relu": SCALE if gated else CUT, "leaky_relu": SCALE}.get(name, 0)
    bias, gate = nothing(dtype) if b is None else b, gate if gated and kind else nothing(dtype)
    arrays = x, w, bias, gate, y
    sizes = M, H, W, C, *kernel_size, OH, OW, F, *rule.up, *rule.step, *rule.off, *rule.down, b is not None, gated
    ending = kind, 0.0 if name == "relu" else alpha
    steps = (1, C) if turned else (F, 1)
    if y.size == 0:
        return False
    if min(C, F) <= FEW:
        launch(_direct, y.size, *arrays, *sizes, *steps, *ending)
    elif C % 4 == 0 and F % 4 == 0 and dtype.itemsize == 4 and aligned(*arrays):
        width = 4 if F <= 32 else 8
        run(WIDE[width, turned], (-(-M // ROWS), -(-F // (8 * width))), THREADS, *arrays, *sizes, *ending)
    else:
        run(_plain, (-(-M // SIDE), -(-F // SIDE)), PLAIN_THREADS, *arrays, *sizes, *steps, *ending)
    return kind == 0 and name != "linear"
