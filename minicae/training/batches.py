"""Data on its way into a model: checked once, then handed out batch by batch into memory that is reused.

Arrays may be memory maps of any size: what is read at a time is one batch, or one chunk while checking.
"""

import copy

import numpy as np

from minicae import ops
from minicae.errors import DataError, ShapeError

CHUNK_BYTES = 1 << 24  # how much is looked at in one go while checking


class Images:
    """An array (N, *shape) that a model will read: its shape and kind checked here, its values by `check_finite`.

    Parameters
    ----------
    x : array, memory map or nested list, (N, *shape); integers are converted by value as they are read, uint8 is refused
    shape : what one sample must look like
    dtype : what batches are handed out as
    name : how errors call it
    """

    def __init__(self, x, shape: tuple, dtype: np.dtype, name: str = "x"):
        ops.admit(
            x[:0] if isinstance(x, np.ndarray) and not isinstance(x, np.ma.MaskedArray) and x.ndim else x, dtype, name
        )
        self.values = np.asarray(x)
        self.name, self.dtype, self.shape = name, dtype, tuple(shape)
        if self.values.shape[1:] != self.shape or self.values.ndim != 1 + len(self.shape):
            wanted = ", ".join(map(str, ("N", *self.shape)))
            message = f"{name} has the shape {self.values.shape}, the model wants ({wanted})"
            if (*self.values.shape[1:], 1) == self.shape:
                message += f": give {name}[..., None]"
            elif self.values.shape == self.shape:
                message += f": give {name}[None], a batch of one"
            raise ShapeError(message)
        self._direct = self.values.dtype == dtype and self.values.flags.c_contiguous

    def __len__(self):
        return len(self.values)

    def part(self, rows: slice) -> "Images":
        """Some of the samples, as a view."""
        part = copy.copy(self)
        part.values = self.values[rows]
        return part

    def chunks(self):
        """The samples in order, as float64 or in their own kind, a bounded number at a time: (first index, array)."""
        step = max(1, CHUNK_BYTES // max(1, self.values[:1].nbytes))
        for first in range(0, len(self), step):
            yield first, self.values[first : first + step]

    def check_finite(self) -> "Images":
        """DataError that counts the NaNs and infinities and names the first. Returns self."""
        if self.values.dtype.kind != "f":
            return self
        bad, where, largest = 0, None, np.finfo(self.dtype).max
        for first, chunk in self.chunks():
            finite = np.abs(chunk) <= largest  # false for a NaN, and for what the model's dtype cannot hold
            if not finite.all():
                if where is None:
                    place = np.argwhere(~finite)[0]
                    where = (int(place[0]) + first, *map(int, place[1:]))
                bad += int(chunk.size - np.count_nonzero(finite))
        if bad:
            raise DataError(
                f"{self.name} holds {bad} values that are not finite, the first at {where}:"
                " clean it (np.nan_to_num); fit and predict also take allow_nonfinite=True"
            )
        return self

    def mean(self) -> np.ndarray:
        """The mean sample, float64, in the shape of one."""
        total = np.zeros(self.shape)
        for _, chunk in self.chunks():
            total += chunk.sum(0, dtype=np.float64)
        return total / max(1, len(self))

    def take(self, index, out: np.ndarray) -> np.ndarray:
        """Samples `index` (an int array or a slice) written to out (len(index), *shape)."""
        if isinstance(index, slice):
            out[...] = self.values[index]
        elif self._direct:
            np.take(self.values, index, axis=0, out=out, mode="clip")
        else:
            for row, place in enumerate(index):
                out[row] = self.values[place]
        return out


class Batches:
    """Batches of (x, target), in a fresh random order each time it is iterated, or in order.

    The arrays are lent: they are overwritten by the next batch. Where target is None, x is its own target. `empty` is what
    makes them.
    """

    def __init__(
        self, x: Images, target: Images | None, batch_size: int, rng: np.random.Generator | None, empty=np.empty
    ):
        self.x, self.target, self.batch_size, self.rng = x, target, batch_size, rng
        self._x = empty((min(batch_size, len(x)), *x.shape), x.dtype)
        self._target = None if target is None else empty((len(self._x), *target.shape), target.dtype)

    def __len__(self):
        return -(-len(self.x) // self.batch_size)

    def __iter__(self):
        for x, target, _, _ in self.groups():
            yield x, target

    def groups(self, size=1, start=0):
        """Batches from the `start`-th on, `size` of which make an update together: (x, target, share, ends).

        share is the batch's part of the samples of its update, ends whether it is the last one of it.
        """
        order = np.arange(len(self.x))
        if self.rng is not None:
            self.rng.shuffle(order)
        for place in range(start, len(self)):
            index = order[place * self.batch_size : (place + 1) * self.batch_size]
            together = index if size == 1 else order[place // size * size * self.batch_size :][: size * self.batch_size]
            x = self.x.take(index, self._x[: len(index)])
            target = x if self.target is None else self.target.take(index, self._target[: len(index)])
            yield x, target, len(index) / len(together), (place + 1) % size == 0 or place + 1 == len(self)
