"""Training steps and forward passes of whole networks, and where the time of a step goes."""

from benchmarks.libraries import Unavailable
from benchmarks.networks import Training

TITLE = "whole networks: loss and gradients agree with float64 before a step is timed"
CONTESTANTS = "minicae", "PyTorch", "PyTorch channels_last", "PyTorch compile", "JAX"
SMALL = "minicae", "PyTorch", "PyTorch compile", "JAX"
CASES = (
    ("step", "convolutional", 64, CONTESTANTS),
    ("forward", "convolutional", 64, CONTESTANTS),
    ("step", "5-4-3-2-3-4-5", 32, SMALL),
    ("step", "784-100-30-100-784", 128, SMALL),
)


def rows(session):
    """One case a network; the profile of the convolutional one's step goes to the figures."""
    digits = session.digits()
    for operation, network, batch, names in CASES:
        if session.quick:
            network, batch = network.replace("conv", "slim conv"), 4
        yield from session.compare(Training(operation, network, batch, digits), names)
    session.extras |= profile(session, digits)


def profile(session, digits):
    """What the figures of the step are drawn from; nothing where minicae was not asked."""
    if not session.chosen(["minicae"]):
        return {}
    problem = Training("step", *(("slim convolutional", 4) if session.quick else ("convolutional", 64)), digits)
    minicae, machine = session.contestant("minicae"), session.contestant("the machine")
    try:
        profile = minicae.request("ask", "profile", problem, 2 if session.quick else 20)
        copy = machine.request("ask", "copy", (1 << 20) if session.quick else (1 << 28))
        peak = machine.request("ask", "fma")
    except Unavailable:
        return {}
    return {
        "profile": [row._asdict() for row in profile.rows],
        "step_ms": profile.step_ms,
        "title": f"{problem.title}, {profile.threads} threads",
        "peak": peak,
        "copy": copy,
    }
