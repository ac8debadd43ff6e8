"""Peak memory of a process that trains the convolutional network."""

from benchmarks.libraries import Unavailable
from benchmarks.networks import Training
from benchmarks.rows import Row

TITLE = "peak memory of a process that trains, Linux only: imports, data and all"
CONTESTANTS = "minicae", "PyTorch", "PyTorch channels_last", "JAX"


def rows(session):
    """One row a contestant, after some steps in a process that did nothing else."""
    network, batch = ("slim convolutional", 4) if session.quick else ("convolutional", 64)
    problem = Training("step", network, batch, session.digits())
    session.end_all()
    base = None
    for name in session.chosen(CONTESTANTS):
        row = Row(f"peak memory, {problem.title}", name, unit="MiB")
        try:
            contestant = session.contestant(name)
            contestant.request("prepare", problem)
            contestant.request("burst", session.plan.seconds * 4)
            row.median = row.least = contestant.request("peak_memory")
            row.count = 1
            base = base or row.median
            row.ratio = row.median / base
        except Unavailable as error:
            row.note = str(error)
        yield row
    session.end_all()
