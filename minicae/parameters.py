"""All the numbers that training changes, in two flat vectors: `values` and `gradients`.

Layers hold views into them, so an optimizer is one loop over one vector, and saving is one array. A layer declares what
it needs while it is built; when all layers have declared, the vectors are made and each layer gets its views: a
parameter declared as "w" becomes `layer.w`, and its gradient `layer.dw`.
"""

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from minicae.initializers import initialize
from minicae.memory import aligned


@dataclass
class Declaration:
    """One parameter as its layer wants it: its name, its shape, how it begins, and its connections in and out."""

    name: str
    shape: tuple
    initializer: str
    fans: tuple


class Entry(NamedTuple):
    """One parameter as it lies in the vectors."""

    name: str
    value: np.ndarray
    gradient: np.ndarray


class Parameters:
    """The two flat vectors of a model, and the views that its layers hold, in the order of the layers.

    Parameters
    ----------
    layers : leaf layers with `declared` (a list of Declaration) and `name`
    dtype : float32 or float64
    seed : each parameter draws from a stream of its own, made of this seed and its place in the list
    """

    def __init__(self, layers, dtype, seed: int):
        declared = [declaration for layer in layers for declaration in layer.declared]
        size = sum(math.prod(declaration.shape) for declaration in declared)
        self.values, self.gradients = aligned(size, dtype), aligned(size, dtype)
        self.gradients[...] = 0
        self.bind(layers)
        for place, (entry, declaration) in enumerate(zip(self.entries, declared)):
            initialize(declaration.initializer, entry.value, np.random.default_rng([seed, place]), declaration.fans)

    def bind(self, layers) -> None:
        """Cut the vectors into views and hand them to the layers; again after a copy, whose views are of the original."""
        self.entries, end = [], 0
        for layer in layers:
            for name, shape in ((declaration.name, declaration.shape) for declaration in layer.declared):
                start, end = end, end + math.prod(shape)
                value, gradient = (flat[start:end].reshape(shape) for flat in (self.values, self.gradients))
                setattr(layer, name, value)
                setattr(layer, "d" + name, gradient)
                self.entries.append(Entry(f"{layer.name}.{name}", value, gradient))

    def __len__(self):
        return len(self.entries)

    def __iter__(self):
        return iter(self.entries)
