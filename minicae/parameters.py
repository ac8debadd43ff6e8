"""All the numbers that training changes, in two flat vectors: `values` and `gradients`.

Layers hold views into them, so an optimizer is one loop over one vector, and saving is one array. A layer declares what
it needs while it is built; when all layers have declared, the vectors are made and each layer gets its views: a
parameter declared as "w" becomes `layer.w`, and its gradient `layer.dw`.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from minicae.initializers import initialize


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
        declared = [(layer, declaration) for layer in layers for declaration in layer.declared]
        sizes = [int(np.prod(declaration.shape)) for _, declaration in declared]
        self.values = np.zeros(sum(sizes), dtype)
        self.gradients = np.zeros(sum(sizes), dtype)
        self.entries = []
        end = 0
        for place, ((layer, declaration), size) in enumerate(zip(declared, sizes)):
            start, end = end, end + size
            value = self.values[start:end].reshape(declaration.shape)
            gradient = self.gradients[start:end].reshape(declaration.shape)
            initialize(declaration.initializer, value, np.random.default_rng([seed, place]), declaration.fans)
            setattr(layer, declaration.name, value)
            setattr(layer, "d" + declaration.name, gradient)
            self.entries.append(Entry(f"{layer.name}.{declaration.name}", value, gradient))

    def __len__(self):
        return len(self.entries)

    def __iter__(self):
        return iter(self.entries)
