"""One GPU, inside ten minutes: every kernel against float64, then products, convolutions, passes and whole steps.

What is most worth knowing comes first, and what no longer fits is left out and says so: a kernel that never returns is
ended with its process. Nothing is timed before its result has been compared with float64, and products also by the length
of the error, which shows whether a library has multiplied in TF32. Times are those of the device's own events.
"""

import time
from dataclasses import dataclass

import numpy as np

from benchmarks import networks
from benchmarks.libraries import Unavailable
from benchmarks.networks import Training
from benchmarks.passes import Elementwise, Resizing
from benchmarks.problems import Convolution, Product
from benchmarks.rows import Row
from benchmarks.session import validated
from benchmarks.topics.conv import DIRECTIONS, LAYERS
from minicae import kernels
from minicae.errors import BackendError
from minicae.inspection import gpu

TITLE = "a GPU: every kernel against float64, then beside PyTorch's float32, TF32 off"
HEADER = (
    "ms: median and least by the device's events.  GFLOP/s count the direct algorithm, GB/s the arrays that must be read\n"
    "or written.  of peak: products, of PyTorch's (cuBLAS, cuDNN); the others, of a copy on the device that moves as many\n"
    "bytes.  ratio: time relative to minicae.  error: the constant c in |got - want| <= c * 2^-24 * scale, against float64.\n"
    "Other than steps, ten in a row are timed, minicae's as one graph.  A step takes its batch from the host's memory and\n"
    "ends with its loss there."
)
OURS, THEIRS, GRAPH, DEVICE = "minicae CUDA", "PyTorch CUDA", "PyTorch CUDA graph", "the GPU"
KERNELS = "every kernel, against float64"
SECONDS = 550  # after which nothing is begun or waited for
PATIENCE = 150  # seconds for one answer, compilation included: a kernel that hangs must not cost everything
LEAST = 15  # seconds that a case may take, and without which it is not begun
RELATIVE = {Product: 1e-5, Convolution: 1e-4}  # of the length of a result; TF32 is off by more, Winograd by less
REPEATS, BEFORE = 30, 5
IMAGES = 128  # different ones: a batch of 1024 holds each eight times, so its loss and its gradients are those of 128


def missing(quick):
    """Why nothing can be measured on this machine, in one line; empty where it can."""
    try:
        kernels.backend("cuda")
    except BackendError as error:
        return str(error)
    if gpu.simulated() and not quick:
        return "in the simulator only --quick ends, and its times mean nothing"
    return ""


@dataclass
class Case:
    """One problem, who is asked, and the answer."""

    problem: object
    names: tuple
    answer: tuple | None = None


class Referee:
    """Asks contestants within the time that there is. One that fails is ended: its device may be lost to its process."""

    def __init__(self, session):
        self.session, self.end = session, time.monotonic() + SECONDS
        self.repeats, self.before = (1, 0) if session.quick else (REPEATS, BEFORE)

    def left(self):
        """Seconds."""
        return self.end - time.monotonic()

    def ask(self, name, *request):
        """A contestant's answer to one request; Unavailable with a line."""
        contestant = self.session.contestant(name)
        contestant.patience = max(1.0, min(PATIENCE, self.left()))
        try:
            return contestant.request(*request)
        except Unavailable as failure:
            if not str(failure).startswith("wrong"):  # a process that has given a wrong number is well
                self.session.end(name)
            raise

    def compare(self, case):
        """Rows of one case: each contestant validated, then timed."""
        problem, names = case.problem, self.session.chosen(case.names)
        if self.left() < LEAST:
            yield from (Row(problem.title, name, note="left out: the time is over") for name in names[:1])
            return
        costs = {"flops": problem.flops, "nbytes": problem.nbytes, "bound": problem.bound}
        answer, rows = case.answer or problem.wanted(), {}
        for name in names:
            rows[name] = row = Row(problem.title, name, **costs)
            try:
                self.ask(name, "prepare", problem)
                got = self.ask(name, "result")
                error = validated(problem, got, answer)
                told = _in_float32(problem, got, answer[0])
                times = self.ask(name, "times", self.repeats, self.before)
                rows[name] = Row.of(problem.title, name, times, error=error, note=told, **costs)
            except Unavailable as failure:
                row.note = str(failure)
        peak = self._peak(problem, rows)
        ours = rows[OURS].median if OURS in rows else None
        for row in rows.values():
            row.peak, row.ratio = peak, row.median / ours if row.median and ours else None
            yield row

    def _peak(self, problem, rows):
        if problem.bound == "fma":
            return None if isinstance(problem, Training) or THEIRS not in rows else rows[THEIRS].gflops
        try:
            return self.ask(DEVICE, "ask", "copy", problem.nbytes)
        except Unavailable:
            return None


def _in_float32(problem, got, want):
    """A note on the length of a product's error; Unavailable where it is not that of float32."""
    limit = RELATIVE.get(type(problem))
    if limit is None:
        return ""
    worst = max(np.linalg.norm(np.subtract(one, other)) / np.linalg.norm(other) for one, other in zip(got, want))
    if not worst < limit:
        raise Unavailable(f"wrong: off by {worst:.1e} of its length, float32 stays below {limit:.0e}: is TF32 on?")
    return f"off by {worst:.1e} of its length"


def rows(session):
    """The kernels, then cases in the order of their worth."""
    referee = Referee(session)
    try:
        session.extras["device"] = referee.ask(DEVICE, "ask", "about")
    except Unavailable as failure:
        session.extras["device"] = {"unknown": str(failure)}
    yield from checked(referee)
    for case in cases(session):
        try:
            yield from referee.compare(case)
        except Exception as failure:  # the rest is worth having, whatever one case ran into
            note = f"{type(failure).__name__}: {failure}".splitlines()[0]
            yield Row(case.problem.title, case.names[0], note=note)


def checked(referee):
    """A row for each kernel: its error, or what is wrong with it."""
    try:
        names = referee.ask(DEVICE, "ask", "names")
    except Unavailable as failure:
        yield Row(KERNELS, DEVICE, note=str(failure))
        return
    for name in names:
        row = Row(KERNELS, name)
        try:
            row.error = referee.ask(DEVICE, "ask", "check", name, referee.session.quick)
            row.note = "right"
        except Unavailable as failure:
            row.note = str(failure)
        yield row


def cases(session):
    """Whole steps, products, convolutions, passes."""
    quick = session.quick
    path = str(session.folder / "few.npy")
    images, network = (2, "5-4-3-2-3-4-5") if quick else (IMAGES, "convolutional")
    networks.write_digits(path, images)
    step = Training("step", network, images, path)
    answer = step.wanted()
    yield Case(step, (OURS, THEIRS, GRAPH), answer)
    for side in (16, 20) if quick else (1024, 4096):
        yield Case(Product(side, side, side), (OURS, THEIRS))
    yield Case(Training("step", network, 8 * images, path), (OURS, THEIRS, GRAPH), answer)
    for operation in Elementwise.PASSES:
        yield Case(Elementwise(operation, *((1, 3, 4) if quick else (512, 28, 64))), (OURS, THEIRS))
    for kind in ("maxpool2d", "upsample_nearest", "upsample_bilinear"):
        for direction in ("forward", "backward"):
            size = (1, 2, 4) if quick else (512, 14, 64)
            yield Case(Resizing(f"{kind}_{direction}", *size), (OURS, THEIRS))
    for H, C, F in [(4, 4, 8)] if quick else LAYERS:
        for direction in DIRECTIONS:
            yield Case(Convolution(direction, 1 if quick else IMAGES, H, C, F), (OURS, THEIRS))
