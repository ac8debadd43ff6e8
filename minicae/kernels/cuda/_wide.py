"""The fast products of `_gemm`: float32, channels by fours, every load 128 bits wide.

A block of 128 threads makes a tile of 128 pixels by 64 or 32 channels, 8 x 8 or 8 x 4 numbers in the registers of each
thread. Each step multiplies 8 columns of the patches by 8 rows of the weights. There are two of these pairs in shared
memory, so that one is filled while the other is multiplied.
"""

from minicae.kernels.cuda._device import cuda, divide, float32, ld4, st4
from minicae.kernels.cuda._launch import kernel
from minicae.kernels.cuda._plain import finish, meet, pixel_of, taps

ROWS, DEPTH, THREADS = 128, 8, 128  # of a tile: pixels, products a step, threads
A = 2 * ROWS * DEPTH


def _wide(width, turned):
    """The fast kernel for `width` numbers of the result a row of a thread; turned: w is (KH, KW, F, C)."""
    COLUMNS = 8 * width
    B = 2 * COLUMNS * DEPTH
    GROUPS = width // 4  # fours of channels a thread
    APART = COLUMNS // GROUPS
    LOADERS = COLUMNS * DEPTH // 4  # threads that bring four weights

    @kernel("RRRRR" + 21 * "i" + "ir", (THREADS, 3), f"wide_{COLUMNS}" + "_turned" * turned)
    def wide(
        x, w, b, gate, y,
        M, H, W, C, KH, KW, OH, OW, F, up_h, up_w, step_h, step_w, off_h, off_w, down_h, down_w, skip_h, skip_w,
        biased, gated, kind, alpha,
    ):  # fmt: skip
        """y[m, f] = finish(b[f] + sum over k of patches[m, k] * w[k, f]); a thread gathers one row of the patches."""
        sa = cuda.shared.array(A, float32, alignment=16)
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
        phase = cuda.blockIdx.z
        pixel = pixel_of(m0 + t, M, phase, OH, OW, down_h, down_w)
        whole, j = divide(pixel, OW)
        n, i = divide(whole, OH)
        base_h = i * up_h - off_h
        base_w = j * up_w - off_w
        image = n * H * W * C
        first_p, first_q, _, met = taps(phase, step_h, step_w, off_h, off_w, down_h, down_w, skip_h, skip_w, KH, KW)
        K = met * C
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
        p = first_p
        q = first_q
        c = 0
        buffer = 0
        tiles = (K + DEPTH - 1) // DEPTH
        for tile in range(tiles + 1):
            a0 = a1 = a2 = a3 = a4 = a5 = a6 = a7 = zero
            b0 = b1 = b2 = b3 = zero
            if tile < tiles:
                p_near = p
                q_near = q
                c_near = c
                h = meet(base_h, p, step_h, down_h, H)
                v = meet(base_w, q, step_w, down_w, W)
                if pixel >= 0 and h >= 0 and v >= 0:
                    a0, a1, a2, a3 = ld4(x, image + (h * W + v) * C + c)
                c += 4
                if c == C:
                    c = 0
                    q += skip_w
                    if q >= KW:
                        q = first_q
                        p += skip_h
                if near == 1:
                    p_near = p
                    q_near = q
                    c_near = c
                h = meet(base_h, p, step_h, down_h, H)
                v = meet(base_w, q, step_w, down_w, W)
                if pixel >= 0 and p < KH and h >= 0 and v >= 0:
                    a4, a5, a6, a7 = ld4(x, image + (h * W + v) * C + c)
                c += 4
                if c == C:
                    c = 0
                    q += skip_w
                    if q >= KW:
                        q = first_q
                        p += skip_h
                if turned:
                    if loads and p_near < KH:
                        b0, b1, b2, b3 = ld4(w, ((p_near * KW + q_near) * F + f0 + far) * C + c_near)
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
                    m = pixel_of(m0 + tr + (r & 3) + (r >> 2) * 64, M, phase, OH, OW, down_h, down_w)
                    if m >= 0:
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
