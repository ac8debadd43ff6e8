"""How weights begin: random numbers whose spread keeps signals of one size through many layers.

    glorot   variance 2 / (fan_in + fan_out)     sigmoid, tanh, linear      Glorot and Bengio (2010)
    he       variance 2 / fan_in                 ReLU and its relatives     He et al. (2015)
    lecun    variance 1 / fan_in                 self-normalising nets      LeCun et al. (1998)

each as `_uniform` on (-limit, limit) with limit = sqrt(3 variance), or as `_normal`. fan_in and fan_out count the
connections into and out of one unit: for weights (KH, KW, C, F) they are KH KW C and KH KW F.
"""

import numpy as np

from minicae.errors import SettingError

_VARIANCES = {
    "glorot": lambda fan_in, fan_out: 2 / (fan_in + fan_out),
    "he": lambda fan_in, fan_out: 2 / fan_in,
    "lecun": lambda fan_in, fan_out: 1 / fan_in,
}
NAMES = ("zeros", "ones", *(f"{scheme}_{shape}" for scheme in _VARIANCES for shape in ("uniform", "normal")))
_FOR_ACTIVATION = {"relu": "he_uniform", "leaky_relu": "he_uniform", "elu": "he_uniform", "softplus": "he_uniform"}


def for_activation(activation: str) -> str:
    """The initializer that suits an activation: He for the ReLU family, Glorot for the others."""
    return _FOR_ACTIVATION.get(activation, "glorot_uniform")


def check(name: str, argument: str) -> str:
    """`name` if it is an initializer's; SettingError otherwise."""
    if not isinstance(name, str) or name not in NAMES:
        raise SettingError(f"{argument}={name!r} is no initializer: choose one of {', '.join(NAMES)}")
    return name


def initialize(name: str, values: np.ndarray, rng: np.random.Generator, fans: tuple[int, int]) -> None:
    """Fill `values` (written, any shape) by the initializer called `name`; fans = (fan_in, fan_out)."""
    if name in ("zeros", "ones"):
        values[...] = name == "ones"
        return
    scheme, shape = check(name, "initializer").split("_")
    deviation = np.sqrt(_VARIANCES[scheme](*fans))
    if shape == "normal":
        values[...] = rng.standard_normal(values.shape) * deviation
    else:
        values[...] = rng.uniform(-1, 1, values.shape) * (np.sqrt(3) * deviation)
