"""The gradient of a convolution's weights: patches(x)' dy, a sum over all pixels of all images.

There are few weights and many pixels, so the pixels are cut into runs. Each run gives a whole gradient, in scratch, and
these are added in their order: the result does not depend on which block was done first. As in `_gemm`, the fast kernel
takes float32 and channels by fours, the plain one anything, and the direct one is for what would leave its tiles empty: one
filter at the end of a decoder, nine weights a filter at the beginning of an encoder.
"""

from minicae.kernels.cuda._device import cuda, divide, float32, ld4, st4
from minicae.kernels.cuda._launch import aligned, kernel, run, scratch
from minicae.kernels.cuda._reduce import add_up

SIDE, DEPTH, THREADS = 64, 8, 128  # of a fast tile: weights and filters, pixels a step, threads
TILE = 2 * SIDE * DEPTH
PLAIN_SIDE, PLAIN_THREADS = 32, 64
PLAIN_TILE = PLAIN_SIDE * DEPTH
BLOCKS = 512  # that are wanted at once; direct ones are small, and wait for memory
DIRECT_THREADS, DIRECT_BLOCKS = 64, 2048
RUN = 64  # pixels of a run at least


@kernel("RRR" + 16 * "i", (THREADS, 4))
def _weigh(x, dy, part, M, H, W, C, KH, KW, OH, OW, F, sh, sw, top, left, dh, dw, length):
    """part[run, k, f] = the sum over the run's pixels of patches[m, k] * dy[m, f]; 8 x 4 numbers a thread."""
    sa = cuda.shared.array(TILE, float32, alignment=16)
    sb = cuda.shared.array(TILE, float32, alignment=16)
    acc = cuda.local.array((8, 4), float32)
    ra = cuda.local.array(8, float32)
    rb = cuda.local.array(4, float32)
    zero = x.dtype.type(0)
    t = cuda.threadIdx.x
    tr = (t >> 4) << 2  # weights tr to tr + 3, and these + 32
    tc = (t & 15) << 2
    k0 = cuda.blockIdx.x * SIDE
    f0 = cuda.blockIdx.y * SIDE
    own = t >> 4  # the pixel of a step that this thread brings
    four = (t & 15) << 2
    K = KH * KW * C
    tap, c = divide(k0 + four, C)
    p, q = divide(tap, KW)
    weighs = k0 + four < K
    filters = f0 + four < F
    m = cuda.blockIdx.z * length + own
    end = min(M, (cuda.blockIdx.z + 1) * length)
    whole, j = divide(m, OW)
    n, i = divide(whole, OH)
    for r in range(8):
        for s in range(4):
            acc[r, s] = zero
    steps = (length + DEPTH - 1) // DEPTH
    buffer = 0
    for step in range(steps + 1):
        a0 = a1 = a2 = a3 = zero
        b0 = b1 = b2 = b3 = zero
        if step < steps:
            if m < end:
                h = i * sh + p * dh - top
                v = j * sw + q * dw - left
                if weighs and h >= 0 and h < H and v >= 0 and v < W:
                    a0, a1, a2, a3 = ld4(x, ((n * H + h) * W + v) * C + c)
                if filters:
                    b0, b1, b2, b3 = ld4(dy, m * F + f0 + four)
            m += DEPTH
            j += DEPTH
            while j >= OW:
                j -= OW
                i += 1
                if i == OH:
                    i = 0
                    n += 1
        if step > 0:
            at_a = (buffer ^ 1) * (SIDE * DEPTH) + tr
            at_b = (buffer ^ 1) * (SIDE * DEPTH) + tc
            for k in range(DEPTH):
                ra[0], ra[1], ra[2], ra[3] = ld4(sa, at_a + k * SIDE)
                ra[4], ra[5], ra[6], ra[7] = ld4(sa, at_a + k * SIDE + 32)
                rb[0], rb[1], rb[2], rb[3] = ld4(sb, at_b + k * SIDE)
                for r in range(8):
                    for s in range(4):
                        acc[r, s] += ra[r] * rb[s]
        if step < steps:
            o = buffer * (SIDE * DEPTH) + own * SIDE + four
            st4(sa, o, a0, a1, a2, a3)
            st4(sb, o, b0, b1, b2, b3)
            cuda.syncthreads()
            buffer ^= 1
    for r in range(8):
        k = k0 + tr + (r & 3) + (r >> 2) * 32
        if k < K and f0 + tc < F:
            st4(part, (cuda.blockIdx.z * K + k) * F + f0 + tc, acc[r, 0], acc[r, 1], acc[r, 2], acc[r, 3])


@kernel("RRR" + 16 * "i")
def _weigh_plain(x, dy, part, M, H, W, C, KH, KW, OH, OW, F, sh, sw, top, left, dh, dw, length):
    """As `_weigh`, number by number."""
    sa = cuda.shared.array(PLAIN_TILE, x.dtype)
    sb = cuda.shared.array(PLAIN_TILE, x.dtype)
    acc = cuda.local.array((4, 4), x.dtype)
    zero = x.dtype.type(0)
    t = cuda.threadIdx.x
    tr = (t >> 3) << 2
    tc = (t & 7) << 2
    own = t & 31
    K = KH * KW * C
    k = cuda.blockIdx.x * PLAIN_SIDE + own
    f = cuda.blockIdx.y * PLAIN_SIDE + own
    tap, c = divide(k, C)
    p, q = divide(tap, KW)
    for r in range(4):
        for s in range(4):
            acc[r, s] = zero
    begin = cuda.blockIdx.z * length
    end = min(M, begin + length)
    for m0 in range(begin, end, DEPTH):
        for d in range(t >> 5, DEPTH, 2):
            one = zero
            other = zero
            m = m0 + d
            if m < end:
                whole, j = divide(m, OW)
                n, i = divide(whole, OH)
                h = i * sh + p * dh - top
                v = j * sw + q * dw - left
                if k < K and h >= 0 and h < H and v >= 0 and v < W:
                    one = x[((n * H + h) * W + v) * C + c]
                if f < F:
                    other = dy[m * F + f]
            sa[d * PLAIN_SIDE + own] = one
            sb[d * PLAIN_SIDE + own] = other
        cuda.syncthreads()
        for d in range(DEPTH):
            for r in range(4):
                for s in range(4):
                    acc[r, s] += sa[d * PLAIN_SIDE + tr + r] * sb[d * PLAIN_SIDE + tc + s]
        cuda.syncthreads()
    for r in range(4):
        for s in range(4):
            k = cuda.blockIdx.x * PLAIN_SIDE + tr + r
            f = cuda.blockIdx.y * PLAIN_SIDE + tc + s
            if k < K and f < F:
                part[(cuda.blockIdx.z * K + k) * F + f] = acc[r, s]


@kernel("RRR" + 16 * "i")
def _weigh_direct(x, dy, part, M, H, W, C, KH, KW, OH, OW, F, sh, sw, top, left, dh, dw, length):
    """As `_weigh`, a thread to a weight: it goes through the run row by row, neighbours read what lies side by side."""
    at = cuda.grid(1)
    size = KH * KW * C * F
    if at < size:
        k, f = divide(at, F)
        tap, c = divide(k, C)
        p, q = divide(tap, KW)
        m = cuda.blockIdx.z * length
        end = min(M, m + length)
        whole, j = divide(m, OW)
        n, i = divide(whole, OH)
        total = x.dtype.type(0)
        while m < end:
            after = min(end, m + OW - j)
            h = i * sh + p * dh - top
            if h >= 0 and h < H:
                v = j * sw + q * dw - left
                for pixel in range(m, after):
                    if v >= 0 and v < W:
                        total += x[((n * H + h) * W + v) * C + c] * dy[pixel * F + f]
                    v += sw
            m = after
            j = 0
            i += 1
            if i == OH:
                i = 0
                n += 1
        part[cuda.blockIdx.z * size + at] = total


def correlate(x, dy, dw, kernel_size, strides, padding, dilation):
    """dw (KH * KW * C, F) = patches(x)' dy."""
    (N, H, W, C), (_, OH, OW, F) = x.shape, dy.shape
    M, K = N * OH * OW, kernel_size[0] * kernel_size[1] * C
    if dw.size == 0:
        return
    fast = C % 4 == 0 and F % 4 == 0 and x.dtype.itemsize == 4 and aligned(x, dy, dw)
    blocks = BLOCKS
    if not fast and 3 * min(K, F) <= PLAIN_SIDE:
        made, threads, blocks = _weigh_direct, DIRECT_THREADS, DIRECT_BLOCKS
        across, down = -(-K * F // threads), 1
    else:
        made, side, threads = (_weigh, SIDE, THREADS) if fast else (_weigh_plain, PLAIN_SIDE, PLAIN_THREADS)
        across, down = -(-K // side), -(-F // side)
    length = max(RUN, -(-M // max(1, blocks // (across * down))))
    runs = max(1, -(-M // length))
    part = dw if runs == 1 else scratch("weights", x.dtype, runs * dw.size)
    sizes = M, H, W, C, *kernel_size, OH, OW, F, *strides, *padding[::2], *dilation, length
    run(made, (across, down, runs), threads, x, dy, part, *sizes)
    if runs > 1:
        add_up(part, dw, runs)
