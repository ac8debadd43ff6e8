"""Learning rates that change from step to step: give one to an optimizer in the place of a number."""

import math

from minicae import shapes
from minicae.config import Configurable


class Schedule(Configurable):
    """Base class: `schedule(step)` is the learning rate of update `step`, counted from 0."""

    def __call__(self, step: int) -> float:
        raise NotImplementedError


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
        done = min(1.0, step / self.steps)
        return self.final + (self.initial - self.final) * (1 + math.cos(math.pi * done)) / 2
