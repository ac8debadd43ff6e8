"""One operation at one size: its arrays, its right answer in float64, what it costs and what bounds it.

A problem travels to every contestant by name and numbers; its arrays are made there, the same everywhere. The right
answer comes with a scale, and the error of a result is a constant c:

    |got - want| <= c * 2^-24 * scale         scale = |w| * |x| for products, the largest |want| for everything else

A direct float32 product has a c of a few; one wrong number among thousands has one of thousands.
"""

from dataclasses import dataclass

import numpy as np

from minicae.kernels import reference

LIMIT = 2048  # of c: above what Winograd's transforms lose with one channel, far below what a wrong index does
UNIT = 2.0**-24  # half a step of float32 at 1
SAME = (1, 1), (1, 1, 1, 1), (1, 1)  # strides, padding, dilation of a 3x3 kernel that keeps the size


def error_of(got, want, scale, size=lambda error: np.abs(error).max(initial=0.0)) -> float:
    """The constant c over a list of arrays; NaN where a result holds one, or has another shape."""
    worst = 0.0
    if len(got) != len(want):
        return np.nan
    for one, other, unit in zip(got, want, scale):
        if np.shape(one) != np.shape(other):
            return np.nan
        error = size((np.asarray(one, np.float64) - other) / np.maximum(unit, np.finfo(np.float32).tiny))
        worst = np.maximum(worst, error)  # keeps a NaN
    return float(worst / UNIT)


def random(*shape, seed=0):
    """Normal numbers, float32."""
    return np.random.default_rng([seed, *shape]).standard_normal(shape, np.float32)


def double(arrays):
    return {name: array.astype(np.float64) for name, array in arrays.items()}


@dataclass(frozen=True)
class Problem:
    """What all problems have; each also has `title`, `operation` (the function of a library) and `nbytes`."""

    bound = "copy"  # "fma": GFLOP/s in registers; "copy": GB/s of a copy that moves as many bytes
    limit = LIMIT
    flops = 0

    def arrays(self) -> dict:
        """The operands by name, float32."""
        raise NotImplementedError

    def wanted(self) -> tuple[list, list]:
        """(results, scales) in float64."""
        raise NotImplementedError

    def error(self, got, want, scale) -> float:
        """The constant c of a result, and NaN for what is none."""
        return error_of(got, want, scale)


@dataclass(frozen=True)
class Product(Problem):
    """y (M, N) = a (M, K) b (K, N)."""

    M: int
    K: int
    N: int
    operation = "gemm"
    bound = "fma"

    @property
    def title(self):
        return f"{self.M}x{self.K} times {self.K}x{self.N}"

    @property
    def flops(self):
        return 2 * self.M * self.K * self.N

    @property
    def nbytes(self):
        return 4 * (self.M * self.K + self.K * self.N + self.M * self.N)

    def arrays(self):
        return {"a": random(self.M, self.K), "b": random(self.K, self.N, seed=1)}

    def wanted(self):
        a, b = double(self.arrays()).values()
        return [a @ b], [np.abs(a) @ np.abs(b)]


@dataclass(frozen=True)
class Convolution(Problem):
    """A 3x3 convolution of x (N, H, H, C) to y (N, H, H, F) with bias, or one of its two gradients."""

    direction: str  # "forward", "backward_input", "backward_weight"
    N: int
    H: int
    C: int
    F: int
    bound = "fma"

    @property
    def operation(self):
        return f"conv2d_{self.direction}"

    @property
    def title(self):
        return f"{self.direction} {self.N}x{self.H}x{self.H}x{self.C} to {self.F}"

    @property
    def flops(self):
        return 2 * self.N * self.H**2 * 9 * self.C * self.F

    @property
    def nbytes(self):
        return 4 * (self.N * self.H**2 * (self.C + self.F) + 9 * self.C * self.F)

    @property
    def x_shape(self):
        return self.N, self.H, self.H, self.C

    @property
    def y_shape(self):
        return self.N, self.H, self.H, self.F

    @property
    def w_shape(self):
        return 3, 3, self.C, self.F

    def arrays(self):
        x, w = random(*self.x_shape), random(*self.w_shape, seed=1) / np.float32(np.sqrt(9 * self.C))
        if self.direction == "forward":
            return {"x": x, "w": w, "b": random(self.F, seed=2)}
        dy = random(*self.y_shape, seed=3)
        return {"dy": dy, "w": w} if self.direction == "backward_input" else {"x": x, "dy": dy}

    def wanted(self):
        arrays = double(self.arrays())
        return self._compute(arrays), self._compute({name: np.abs(array) for name, array in arrays.items()})

    def _compute(self, arrays):
        first, second, *bias = arrays.values()
        if self.direction == "forward":
            results = [np.empty(self.y_shape)]
            reference.conv2d_forward(first, second, *bias, *results, *SAME, "linear", 0.0)
        elif self.direction == "backward_input":
            results = [np.empty(self.x_shape)]
            reference.conv2d_backward_input(first, second, *results, *SAME)
        else:
            results = [np.empty(self.w_shape), np.empty(self.F)]
            reference.conv2d_backward_weight(first, second, *results, *SAME)
        return results


@dataclass(frozen=True)
class Dense(Problem):
    """y (N, F) = relu(x (N, C) w + b), or the gradients of x, w and b for dy before the activation."""

    direction: str  # "forward", "backward"
    N: int
    C: int
    F: int
    bound = "fma"

    @property
    def operation(self):
        return f"dense_{self.direction}"

    @property
    def title(self):
        return f"{self.direction} {self.N}x{self.C} to {self.F}"

    @property
    def flops(self):
        return (2 if self.direction == "forward" else 4) * self.N * self.C * self.F

    @property
    def nbytes(self):
        return 4 * (self.N * (self.C + self.F) + self.C * self.F)

    def arrays(self):
        arrays = {"x": random(self.N, self.C), "w": random(self.C, self.F, seed=1) / np.float32(np.sqrt(self.C))}
        return arrays | (
            {"b": random(self.F, seed=2)} if self.direction == "forward" else {"dy": random(self.N, self.F)}
        )

    def wanted(self):
        x, w, last = double(self.arrays()).values()
        size = np.abs
        if self.direction == "forward":
            return [np.maximum(x @ w + last, 0)], [size(x) @ size(w) + size(last)]
        want = [last @ w.T, x.T @ last, last.sum(0)]
        return want, [size(last) @ size(w).T, size(x).T @ size(last), size(last).sum(0)]
