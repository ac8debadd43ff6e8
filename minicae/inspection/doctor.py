"""Is this machine fit for minicae? Versions, processor, threads, cache, GPU, data, and every kernel held to `reference`.

`examine` gives one finding after the other. `calls` lists how each kernel is called: on small whole numbers, in arrays
large enough to be shared out over the threads. A kernel that is not in it fails, so that none is forgotten.
"""

import importlib.metadata
import os
import platform
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from minicae import kernels
from minicae.datasets.download import find_archive, search_folders
from minicae.datasets.fashion_mnist import FASHION_MNIST
from minicae.datasets.mnist import MNIST
from minicae.errors import BackendError
from minicae.inspection import gpu
from minicae.kernels import reference
from minicae.ops import ACTIVATIONS

PACKAGES = ("numpy", "numba", "llvmlite", "matplotlib", "tqdm")
TOLERANCE = 1e-4  # of the largest number in an array: rounding stays far below it, a mistake in whole numbers far above


class Finding(NamedTuple):
    """One line of the examination."""

    subject: str
    text: str
    ok: bool = True


def examine() -> Iterator[Finding]:
    """All findings, in the order in which they are made."""
    yield Finding("python", f"{platform.python_version()} on {platform.system()} {platform.machine()}")
    yield Finding("packages", ", ".join(f"{name} {_version(name)}" for name in PACKAGES))
    yield Finding("processor", f"{_processor()}: {os.cpu_count()} cores")
    usable = kernels.available()
    if "cpu" in usable:
        yield from _compiled()
    else:
        yield Finding("backend", _reason("cpu"), ok=False)
    yield from _cuda("cuda" in usable)
    yield from map(_data, (MNIST, FASHION_MNIST))
    for name in usable:
        if name == "cuda" and gpu.simulated():
            yield Finding("kernels", "cuda: not checked, since the simulator would take hours")
        else:
            yield from check_kernels(name)


def check_kernels(backend: str) -> Iterator[Finding]:
    """A finding for each kernel of a backend that is wrong or has no check here, and one that counts the right ones."""
    module, faults, lacking = kernels.hosted(backend), {}, set()
    checked = dict.fromkeys(reference.__all__, False)
    for name, *arguments in calls(np.random.default_rng(0)):
        checked[name] = True
        if not hasattr(module, name):
            lacking.add(name)
        elif name not in faults and (fault := _fault(name, module, arguments)):
            faults[name] = fault
    faults |= {name: "has no self-check" for name, done in checked.items() if not done}
    for name, fault in faults.items():
        yield Finding("kernels", f"{backend}: {name} {fault}", ok=False)
    right = len(checked) - len(faults) - len(lacking)
    missing = f"; not in this backend: {', '.join(sorted(lacking))}" if lacking else ""
    yield Finding("kernels", f"{backend}: {right} of {len(checked)} agree with the definition{missing}", not faults)


def _fault(name, module, arguments):
    """How a kernel differs from that of `reference`, or None. Every array is compared, written or not."""
    wanted, got = ([one.copy() if isinstance(one, np.ndarray) else one for one in arguments] for _ in range(2))
    try:
        results = getattr(reference, name)(*wanted), getattr(module, name)(*got)
    except Exception as error:  # whatever a broken installation may raise is a finding, not an end
        return f"raises {type(error).__name__}: {error}"
    pairs = [(one, other) for one, other in zip(wanted, got) if isinstance(one, np.ndarray)]
    if isinstance(results[0], float):
        pairs.append(tuple(map(np.asarray, results)))
    for want, have in pairs:
        error = np.abs(np.subtract(have, want, dtype=np.float64))
        if not error.max() <= TOLERANCE * max(1.0, np.abs(want).max()):  # a NaN is a fault too
            worst = np.unravel_index(np.argmax(error), error.shape)
            return f"gives {have[worst]:.6g} for {want[worst]:.6g}"
    return None


def calls(rng: np.random.Generator, images=4, side=36, many=50_000) -> Iterator[tuple]:
    """(name, *arguments) of calls that between them reach every kernel.

    Parameters
    ----------
    images, side : how many images, and their height and width, a multiple of 12
    many : numbers in a vector of weights
    """

    def whole(*shape):
        return rng.integers(-4, 5, shape).astype(np.float32)

    def share(*shape):
        """Numbers strictly between 0 and 1, exact in binary."""
        return (rng.integers(0, 16, shape).astype(np.float32) + 0.5) / 16

    def blank(*shape, dtype=np.float32):
        """To be written: what a kernel forgets stays NaN."""
        return np.full(shape, np.nan, dtype)

    N, S = images, side
    x, w, table = (N, S, S, 8), (3, 3, 8, 6), (64, 48)
    plain = (1, 1), (1, 1, 1, 1), (1, 1), (S, S)
    for algorithm, *how, (OH, OW) in (
        ("im2col", *plain),
        ("winograd(2x2)", *plain),
        ("winograd(4x4)", *plain),
        ("im2col", (2, 3), (0, 1, 2, 2), (2, 1), ((S - 1) // 2, (S + 4) // 3)),
    ):
        y = N, OH, OW, 6
        yield "conv2d_algorithm", x[1:], w, *how, np.dtype("float32"), "auto"
        yield "conv2d_forward", whole(*x), whole(*w), whole(6), blank(*y), *how, "relu", 0.0, algorithm
        yield "conv2d_backward_input", whole(*y), whole(*w), blank(*x), *how, algorithm, (whole(*x), "relu", 0.0)
        yield "conv2d_backward_weight", whole(*x), whole(*y), blank(*w), blank(6), *how, algorithm
        yield "conv2d_transpose_forward", whole(*y), whole(*w), whole(8), blank(*x), *how, "relu", 0.0, algorithm
        yield "conv2d_transpose_backward_input", whole(*x), whole(*w), blank(*y), *how, algorithm
        yield "conv2d_transpose_backward_weight", whole(*y), whole(*x), blank(*w), blank(8), *how, algorithm
    for *how, (OH, OW) in (
        ((2, 2), (2, 2), (0, 0, 0, 0), (S // 2, S // 2)),
        ((3, 2), (1, 2), (1, 1, 1, 0), (S, S // 2)),
    ):
        y = N, OH, OW, 8
        image, argmax = whole(*x), np.zeros(y, np.uint8)
        yield "maxpool2d_forward", image, blank(*y), argmax, *how
        reference.maxpool2d_forward(image, blank(*y), argmax, *how)
        yield "maxpool2d_backward", whole(*y), argmax, blank(*x), *how
        yield "maxpool2d_forward", image, blank(*y), argmax.astype(np.int32), *how  # as for windows of many pixels
        yield "maxpool2d_backward", whole(*y), argmax.astype(np.int32), blank(*x), *how
        for count_padding in (False, True):
            yield "avgpool2d_forward", whole(*x), blank(*y), *how, count_padding
            yield "avgpool2d_backward", whole(*y), blank(*x), *how, count_padding
    yield "upsample_nearest_forward", whole(N, S // 3, S // 2, 8), blank(*x), (3, 2)
    yield "upsample_nearest_backward", whole(*x), blank(N, S // 3, S // 2, 8), (3, 2)
    for align_corners in (False, True):
        yield "upsample_bilinear_forward", whole(N, S // 4, S // 2, 8), blank(*x), align_corners
        yield "upsample_bilinear_backward", whole(*x), blank(N, S // 4, S // 2, 8), align_corners

    for name in ACTIVATIONS:
        yield "dense_forward", whole(*table), whole(48, 40), whole(40), blank(64, 40), name, 0.5
        yield "activation_forward", whole(*x), blank(*x), name, 0.5
        yield "activation_backward", whole(*x), share(*x), blank(*x), name, 0.5
        yield "contractive_forward", share(*table), whole(40, 48), blank(64, dtype=np.float64), name, 0.5
        yield "contractive_backward", share(*table), whole(40, 48), blank(*table), blank(40, 48), 0.5, name, 0.5
    yield "dense_backward_input", whole(64, 40), whole(48, 40), blank(*table)
    yield "dense_backward_weight", whole(*table), whole(64, 40), blank(48, 40), blank(40)
    sums = blank(48, 40), blank(40), blank(*table)
    yield "dense_backward", whole(*table), whole(64, 40), whole(48, 40), *sums, (share(*table), "tanh", 0.0)
    yield "softmax_forward", whole(*table), blank(*table)
    yield "softmax_backward", whole(*table), share(*table), blank(*table)
    yield "batchnorm_statistics", whole(*x), blank(8), blank(8)
    yield "batchnorm_follow", whole(8), share(8), whole(8), share(8), 0.75
    yield "batchnorm_forward", whole(*x), whole(8), share(8), whole(8), whole(8), blank(*x), 0.125
    for training in (False, True):
        sums = blank(*x), blank(8), blank(8)
        yield "batchnorm_backward", whole(*x), whole(*x), whole(8), share(8), whole(8), *sums, 0.125, training

    for loss, output in (("mse", whole), ("mae", whole), ("bce", share), ("bce_logits", whole)):
        yield f"{loss}_forward", output(*x), share(*x), blank(N, dtype=np.float64)
        yield f"{loss}_backward", output(*x), share(*x), blank(*x), 0.5
    for norm in ("l1", "l2"):
        yield f"{norm}_forward", whole(*x), blank(N, dtype=np.float64)
        yield f"{norm}_backward", whole(*x), blank(*x), 0.5
    yield "kl_sparsity_forward", share(*table), blank(48), 0.25
    yield "kl_sparsity_backward", share(48), blank(*table), 0.25, 0.5
    yield "gaussian_sample_forward", whole(*table), whole(64, 24), blank(64, 24)
    yield "gaussian_sample_backward", whole(64, 24), whole(*table), whole(64, 24), blank(*table)
    yield "gaussian_kl_forward", whole(*table), blank(64, dtype=np.float64)
    yield "gaussian_kl_backward", whole(*table), blank(*table), 0.5

    corners = rng.integers(0, S - 6, (N, 2), dtype=np.int32)
    yield "dropout_forward", whole(*x), share(*x), blank(*x), 0.25, 2.0
    yield "dropout_backward", whole(*x), share(*x), blank(*x), 0.25, 2.0
    yield "gaussian_noise_forward", whole(*x), whole(*x), blank(*x), 0.5
    yield "salt_pepper_forward", whole(*x), share(*x), blank(*x), 0.5, -9.0, 9.0
    yield "salt_pepper_backward", whole(*x), share(*x), blank(*x), 0.5
    yield "occlusion_forward", whole(*x), corners, blank(*x), (6, 5), 9.0
    yield "occlusion_backward", whole(*x), corners, blank(*x), (6, 5)
    yield "pad2d", whole(*x), blank(N, S + 3, S + 7, 8), (1, 2, 3, 4)
    yield "crop2d", whole(N, S + 3, S + 7, 8), blank(*x), (1, 2, 3, 4)
    yield "append_one_hot", whole(*x), whole(N), blank(N, S, S, 11)
    yield "transpose", whole(37, 41), blank(41, 37)
    yield "add", whole(*x), whole(*x), blank(*x)
    yield "scale", whole(*x), 0.5
    yield "keep_if_finite", whole(many), whole(many), blank(many)

    yield "clip_by_value", whole(many), 2.5
    yield "clip_by_norm", whole(many), 10.0
    for nesterov in (False, True):
        yield "sgd_step", whole(many), whole(many), whole(many), 0.125, 0.5, nesterov, 0.25
    yield "sgd_step", whole(many), whole(many), None, 0.125, 0.0, False
    yield "rmsprop_step", whole(many), whole(many), share(many), 0.125, 0.75, 0.125
    yield "adam_step", whole(many), whole(many), whole(many), share(many), 0.125, 0.5, 0.75, 0.125, 0.25, 3
    yield "nadam_step", whole(many), whole(many), whole(many), share(many), 0.125, 0.5, 0.75, 0.125, 3, 0.5, 0.5, 0.25


def _version(package):
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "missing"


def _processor():
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor() or platform.machine())


def _compiled():
    """Findings on the threads, the vectors and the cache of compiled kernels."""
    facts = kernels.backend("cpu").facts()
    yield Finding("threads", f"{facts['threads']}, Numba's threading layer {facts['threading layer']}")
    yield Finding("vectors", f"{facts['vectors']} in the hand-written kernels")
    folder = facts["cache"]
    try:
        with tempfile.TemporaryFile(dir=folder or None):
            where = f"{folder}, can be written" if folder else "none: every run compiles the kernels anew"
    except OSError as error:
        where = f"{folder}, cannot be written ({error.strerror}): every run compiles the kernels anew"
    yield Finding("cache", where)


def _cuda(usable):
    """What there is for the CUDA backend; that there is no GPU is no fault, one that cannot be used is."""
    if gpu.simulated():
        yield Finding("cuda", "simulated by Numba, slowly, since NUMBA_ENABLE_CUDASIM is set")
        return
    found, packages = gpu.gpus(), gpu.packages()
    if usable and not found:  # a container that hides the driver's program and its folder
        found = [kernels.backend("cuda").facts()["device"]]
    yield Finding("gpu", "; ".join(found) or "none was found; backend 'cuda' needs one of NVIDIA's with its driver")
    told = [f"{name} {version}" for name, version in packages.items()] + list(filter(None, [gpu.toolkit()]))
    if not packages:
        told = [f"numba-cuda is not installed: {gpu.INSTALL}", *told]
    elif found and not usable:
        told = [_reason("cuda"), *told]
    yield Finding("cuda", ", ".join(told), ok=usable or not (found and packages))


def _reason(name):
    try:
        kernels.backend(name)
    except BackendError as error:
        return error.message
    return f"{name} cannot be used"


def _data(published):
    """Which halves of a published data set are on this machine; none is no fault."""
    folders = search_folders(published.folder)
    here = [
        f"{images.shape[0]:,} {half} images in {find_archive(images.name, folders).parent}"
        for half, (images, labels) in (("training", published.train), ("test", published.test))
        if all(find_archive(archive.name, folders) for archive in (images, labels))
    ]
    return Finding("data", f"{published.title}: {', '.join(here) or 'not here, downloaded when asked for'}")
