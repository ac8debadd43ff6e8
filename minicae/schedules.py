"""Learning rates that change from step to step: give one to an optimizer in the place of a number."""

import math

from minicae import shapes
from minicae.config import Configurable


class Schedule(Configurable):
    """Base class: `schedule(step)` is the learning rate of update `step`, counted from 0."""

    def __call__(self, step: int) -> float:
        raise NotImplementedError


class StepDecay(Schedule):
    """initial * rate ** (step // steps): a stair, `rate` times as high every `steps` updates."""

    def __init__(self, initial, steps, rate=0.1):
        self.initial = shapes.number(initial, "initial", 0)
        self.steps = shapes.integer(steps, "steps")
        self.rate = shapes.number(rate, "rate", 0)

    def __call__(self, step):
        return self.initial * self.rate ** (step // self.steps)


class ExponentialDecay(Schedule):
    """initial * rate ** (step / steps)."""

    def __init__(self, initial, steps, rate):
        self.initial = shapes.number(initial, "initial", 0)
        self.steps = shapes.integer(steps, "steps")
        self.rate = shapes.number(rate, "rate", 0)

    def __call__(self, step):
        return self.initial * self.rate ** (step / self.steps)


class CosineDecay(Schedule):
    """From `initial` to `final` along half a cosine in `steps` updates, then `final`. Loshchilov and Hutter (2016)."""

    def __init__(self, initial, steps, final=0.0):
        self.initial = shapes.number(initial, "initial", 0)
        self.steps = shapes.integer(steps, "steps")
        self.final = shapes.number(final, "final", 0)

    def __call__(self, step):
        return _half_cosine(self.initial, self.final, min(1.0, step / self.steps))


class OneCycle(Schedule):
    """Half a cosine up from peak / start to `peak` in the first `warm_up` of `steps` updates, then half a cosine down.

    It ends at peak / start / end, and stays there. Smith and Topin, "Super-Convergence" (2018).

    Parameters
    ----------
    peak : the highest rate
    steps : updates in all
    warm_up : share of them on the way up, in 0..1, both excluded
    start, end : quotients, above 0
    """

    def __init__(self, peak, steps, warm_up=0.3, start=25.0, end=1e4):
        self.peak = shapes.number(peak, "peak", 0)
        self.steps = shapes.integer(steps, "steps", 2)
        self.warm_up = shapes.number(warm_up, "warm_up", 0, 1, without=(0, 1))
        self.start = shapes.number(start, "start", 0, without=(0,))
        self.end = shapes.number(end, "end", 0, without=(0,))

    def __call__(self, step):
        top, last, low = self.warm_up * self.steps - 1, self.steps - 1, self.peak / self.start
        if 0 < top >= step:
            return _half_cosine(low, self.peak, step / top)
        return _half_cosine(self.peak, low / self.end, min(1.0, (step - top) / (last - top)))


class WarmUp(Schedule):
    """`steps` updates that rise in a straight line to the rate with which `after`, a schedule or a number, begins."""

    def __init__(self, after, steps):
        self.after = after if isinstance(after, Schedule) else shapes.number(after, "after", 0)
        self.steps = shapes.integer(steps, "steps")

    def __call__(self, step):
        later = max(0, step - self.steps)
        rate = self.after(later) if isinstance(self.after, Schedule) else self.after
        return rate * min(1.0, (step + 1) / (self.steps + 1))


def _half_cosine(begin, end, done):
    return end + (begin - end) * (1 + math.cos(math.pi * done)) / 2
