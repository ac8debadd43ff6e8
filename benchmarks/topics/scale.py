"""How cost grows: with the number of images, which may be memory-mapped, and with the number of threads."""

import numpy as np

from benchmarks.libraries import Unavailable
from benchmarks.networks import Epoch, Training, mean_cost
from benchmarks.rows import Row
from benchmarks.session import burst_of, validated
from benchmarks.timing import take_turns

TITLE = "more images, more threads"
COUNTS = 1_000, 10_000, 100_000
REPEATED = 30_000  # images over which a cost is measured at least


def rows(session):
    """Cost and memory for each number of images, then the speed-up."""
    if session.chosen(["minicae"]):
        yield from by_images(session)
    yield from by_threads(session)


def by_images(session):
    """Milliseconds for 1,000 images and memory of its own, for each number of images."""
    counts = (64, 128) if session.quick else COUNTS
    digits = np.load(session.digits())
    path = session.folder / "many.npy"
    many = np.lib.format.open_memmap(path, "w+", np.float32, (counts[-1], *digits.shape[1:]))
    for first in range(0, len(many), len(digits)):
        many[first : first + len(digits)] = digits[: len(many) - first]
    many.flush()
    ceiling, base, held_rows = mean_cost(session.digits()), None, []
    for count in counts:
        problem, repeats = Epoch(count, str(path)), 1 if session.quick else max(1, REPEATED // count)
        cost = Row("an epoch over a memory-mapped file, ms for 1,000 images", f"{count:,} images")
        memory = Row("memory while training from a memory-mapped file", f"{count:,} images", unit="MiB")
        session.end_all()
        try:
            minicae = session.contestant("minicae")
            minicae.request("prepare", problem)
            minicae.request("result")  # compiles, allocates
            times, held, losses = zip(*(minicae.request("watched") for _ in range(repeats)))
            if not (session.quick or losses[-1][-1] < ceiling):
                raise Unavailable(f"wrong: a loss of {losses[-1][-1]:.4g}, the mean image has {ceiling:.4g}")
            cost = Row.of(cost.case, cost.contestant, [ms / count * 1000 for ms in times])
            memory = Row.of(memory.case, memory.contestant, [max(held)], unit="MiB")
            base = base or (cost.median, memory.median)
            cost.ratio, memory.ratio = cost.median / base[0], memory.median / base[1] if base[1] else None
        except Unavailable as error:
            cost.note = memory.note = str(error)
        held_rows.append(memory)
        yield cost
    session.end_all()
    yield from held_rows


def by_threads(session):
    """The training step on one thread and on all, everybody in the same rounds."""
    network, batch = ("slim convolutional", 4) if session.quick else ("convolutional", 64)
    problem = Training("step", network, batch, session.digits())
    want = problem.wanted()
    for name in session.chosen(["minicae", "PyTorch"]):
        bursts, notes = {}, {}
        for threads in sorted({session.threads, 1}, reverse=True):
            label = f"{name}, {threads} thread{'s' * (threads > 1)}"
            try:
                contestant = session.contestant(name, threads)
                contestant.request("prepare", problem)
                validated(problem, contestant.request("result"), want)
                bursts[label] = burst_of(contestant)
            except Unavailable as error:
                notes[label] = str(error)
        turns = take_turns(bursts, session.plan, next(iter(bursts), ""))
        for label in (*turns, *notes):
            values = turns[label].times if label in turns else []
            row = Row.of(f"{problem.title}, speed-up of {name}", label, values, flops=problem.flops)
            row.ratio = turns[label].ratio if label in turns else None
            row.note = notes.get(label, "") or turns[label].note
            yield row
