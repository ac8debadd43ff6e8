"""All the numbers that training changes, in two flat vectors: `values` and `gradients`.

Layers hold views into them, so an optimizer is one loop over one vector, and saving is one array. A layer declares what
it needs while it is built; when all layers have declared, the vectors are made and each layer gets its views: a
parameter declared as "w" becomes `layer.w`, and its gradient `layer.dw`.

The vectors lie where the kernels want them. On a device every parameter begins on a multiple of 16 bytes, so that 128 bits
can be read at once, and the gaps between them stay 0; `packed` takes the gaps out and `unpacked` puts them in, so that files
hold the same vectors whatever the backend.
"""

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from minicae.initializers import initialize
from minicae.kernels import backend as backend_of
from minicae.kernels import hosted

GROUP = 16  # bytes that a device reads at once


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
    layers : leaf layers with `declared` (a list of Declaration), `name` and `at_home`
    dtype : float32 or float64
    seed : each parameter draws from a stream of its own, made of this seed and its place in the list
    backend : name of the backend
    away : whether the vectors lie on its device
    """

    def __init__(self, layers, dtype, seed: int, backend: str = "cpu", away: bool = False):
        self.backend, self.away = backend, away
        kernels, self._step = self.kernels, GROUP // np.dtype(dtype).itemsize if away else 1
        declared = [declaration for layer in layers for declaration in layer.declared]
        self.size = sum(math.prod(declaration.shape) for declaration in declared)
        places = sum(self._room(declaration.shape) for declaration in declared)
        self.values, self.gradients = kernels.empty(places, dtype), kernels.empty(places, dtype)
        for vector in (self.values, self.gradients) if away else (self.gradients,):
            kernels.upload(0, vector)
        self.bind(layers)
        for place, (entry, declaration) in enumerate(zip(self.entries, declared)):
            host = np.empty(declaration.shape, dtype) if away else entry.value
            initialize(declaration.initializer, host, np.random.default_rng([seed, place]), declaration.fans)
            if away:
                kernels.upload(host, entry.value)

    @property
    def kernels(self):
        """The kernels for these vectors."""
        return backend_of(self.backend) if self.away else hosted(self.backend)

    def bind(self, layers) -> None:
        """Cut the vectors into views and hand them to the layers; again after a copy, whose views are of the original.

        A layer that computes at home, though the vectors lie on a device, has arrays of its own in the host's memory.
        """
        self.entries, start = [], 0
        for layer in layers:
            apart = self.away and layer.at_home
            layer.there = {}
            for name, shape in ((declaration.name, declaration.shape) for declaration in layer.declared):
                end = start + math.prod(shape)
                value, gradient = (flat[start:end].reshape(shape) for flat in (self.values, self.gradients))
                start += self._room(shape)
                if apart:
                    layer.there[name] = value, gradient
                for called, array in ((name, value), ("d" + name, gradient)):
                    setattr(layer, called, np.zeros(shape, value.dtype) if apart else array)
                self.entries.append(Entry(f"{layer.name}.{name}", value, gradient))

    def packed(self, vector) -> np.ndarray:
        """A vector like `values` in the host's memory and without gaps: itself, where it is so already."""
        if not self.away:
            return vector
        host = self.kernels.download(vector)
        return np.concatenate([host[:0], *(host[first:last] for first, last in self._runs())])

    def unpacked(self, host):
        """The way back: a vector like `values`, in memory of its own, from one without gaps."""
        vector, spread, done = self.empty(), np.zeros(self.values.shape, self.values.dtype), 0
        for first, last in self._runs():
            spread[first:last] = host[done : done + last - first]
            done += last - first
        self.kernels.upload(spread, vector)
        return vector

    def empty(self):
        """A vector like `values`, with arbitrary content."""
        return self.kernels.empty(self.values.shape, self.values.dtype)

    def zeros(self):
        """A vector like `values`, of zeros."""
        vector = self.empty()
        self.kernels.upload(0, vector)
        return vector

    def _room(self, shape):
        """Places in the vectors for a parameter of this shape."""
        return -(-math.prod(shape) // self._step) * self._step

    def _runs(self):
        """(first place, past the last) of each parameter."""
        start = 0
        for entry in self.entries:
            size = math.prod(entry.value.shape)
            yield start, start + size
            start += self._room(entry.value.shape)

    def __len__(self):
        return len(self.entries)

    def __iter__(self):
        return iter(self.entries)
