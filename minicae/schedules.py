"""Learning rates that change from step to step: give one to an optimizer in the place of a number."""

import math

from minicae.config import Configurable
from minicae.errors import SettingError


class Schedule(Configurable):
    """Base class: `schedule(step)` is the learning rate of update `step`, counted from 0."""

    def __call__(self, step: int) -> float:
        raise NotImplementedError


def _positive(**values):
    for name, value in values.items():
        if isinstance(value, bool) or not math.isfinite(value) or value <= 0:
            raise SettingError(f"{name} must be a number above 0, got {value!r}")


class ExponentialDecay(Schedule):
    """initial * rate ** (step / steps)."""

    def __init__(self, initial, steps, rate):
        _positive(initial=initial, steps=steps, rate=rate)
        self.initial, self.steps, self.rate = initial, steps, rate

    def __call__(self, step):
        return self.initial * self.rate ** (step / self.steps)


class CosineDecay(Schedule):
    """From `initial` to `final` along half a cosine in `steps` updates, then `final`. Loshchilov and Hutter (2016)."""

    def __init__(self, initial, steps, final=0.0):
        _positive(initial=initial, steps=steps)
        self.initial, self.steps, self.final = initial, steps, final

    def __call__(self, step):
        done = min(1.0, step / self.steps)
        return self.final + (self.initial - self.final) * (1 + math.cos(math.pi * done)) / 2
