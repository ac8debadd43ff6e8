"""Numbers to watch beside the loss. A metric takes (y, target) and gives one number an image; its mean is reported."""

import numpy as np

from minicae.errors import SettingError


def mean_squared_error(y, target) -> np.ndarray:
    """Mean of (y - target)^2 over each image, (N,) float64."""
    return _rows(np.square(np.subtract(y, target, dtype=np.float64)))


def mean_absolute_error(y, target) -> np.ndarray:
    """Mean of |y - target| over each image, (N,) float64."""
    return _rows(np.abs(np.subtract(y, target, dtype=np.float64)))


def psnr(y, target) -> np.ndarray:
    """Peak signal-to-noise ratio of each image in decibels, 10 log10(1 / MSE), for data in 0..1, (N,) float64."""
    return -10 * np.log10(np.maximum(mean_squared_error(y, target), 1e-20))


def _rows(errors):
    return errors.reshape(len(errors), -1).mean(1)


NAMES = {"mse": mean_squared_error, "mae": mean_absolute_error, "psnr": psnr}


def get(metric):
    """(name, function) of a metric given by name or as a function of (y, target) that gives one number an image."""
    if isinstance(metric, str) and metric in NAMES:
        return metric, NAMES[metric]
    if callable(metric):
        return getattr(metric, "__name__", type(metric).__name__), metric
    raise SettingError(f"there is no metric {metric!r}: give one of {', '.join(NAMES)} or a function of (y, target)")


def get_all(metrics):
    """[(name, function), ...] of one metric or of a list; SettingError where two have one name, or a name of the loss's."""
    found = [get(metric) for metric in (metrics if isinstance(metrics, (list, tuple)) else [metrics])]
    names = ["loss", "reconstruction", "penalty", *(name for name, _ in found)]
    for place, name in enumerate(names):
        if name in names[:place]:
            raise SettingError(f"two metrics are called {name!r}: give the functions names of their own")
    return found
