"""Gradient checking: is what `backward` says what `forward` does?

A layer or a model is turned into one number, L = <forward(x), g> + penalty with a random g; a loss is one already. Every
coordinate (or a random selection of them) of x and of each parameter is then moved by a little, and the change of L is
compared with the gradient from `backward`. All of it runs in float64.

The derivative is a four-point central difference, whose error is of the order h^4, taken at two widths. Where both agree,
and the slopes to the left and to the right approach each other, L is smooth and the comparison counts. Where they do not,
a kink (ReLU at 0, a tie in a maximum) lies within reach: the steps are shortened, and a coordinate whose kink stays
within reach is left out and counted as such. Nothing of this looks at `backward`, so a wrong gradient cannot hide as a
kink. What rounding in `forward` can do to a difference is estimated and allowed for; at these widths it is far below the
tolerance.
"""

import copy
from dataclasses import dataclass, field

import numpy as np

from minicae import ops, shapes
from minicae.errors import DataError, SettingError, ShapeError
from minicae.layers.base import Layer
from minicae.layers.chain import Chain
from minicae.losses import Loss

TOLERANCE = 1e-7
# relative widths: the first has the least rounding, the last the fewest kinks within reach
STEPS = (1e-3, 1e-4, 1e-5, 1e-6)


@dataclass
class Row:
    """What was found for one array: its worst coordinate, and how far the error there exceeds what rounding explains."""

    name: str
    shape: tuple
    checked: int = 0
    kinks: int = 0
    error: float = 0.0
    excess: float = 0.0
    index: tuple = ()
    backward: float = 0.0
    numeric: float = 0.0


@dataclass
class Report:
    """The outcome: `report.ok`, `report.worst` (the `Row` with the largest error), `print(report)`.

    An error is |backward - numeric| / max(|backward|, |numeric|, 1e-3 of the array's largest gradient, 1e-6).
    """

    subject: str
    tolerance: float
    rows: list[Row] = field(default_factory=list)

    @property
    def worst(self) -> Row:
        """The row with the largest error; a NaN counts as the largest."""
        return max(self.rows, key=lambda row: (np.inf, np.inf) if np.isnan(row.error) else (row.excess, row.error))

    @property
    def ok(self) -> bool:
        """Every array was checked somewhere and agrees within the tolerance."""
        return bool(self.rows) and all(row.checked and row.excess <= self.tolerance for row in self.rows)

    def __str__(self):
        lines = [f"gradcheck of {self.subject}: {'ok' if self.ok else 'FAILED'} (tolerance {self.tolerance:g})"]
        for row in self.rows:
            kinks = f", {row.kinks} at kinks left out" if row.kinks else ""
            lines.append(f"  {row.name} {row.shape}: {row.checked} checked{kinks}, worst error {row.error:.1e}")
        worst = self.worst
        place = "[" + ", ".join(map(str, worst.index)) + "]"
        if worst.checked:
            lines.append(
                f"  worst at {worst.name}{place}: backward {worst.backward:.10g}, numeric {worst.numeric:.10g}"
            )
        for row in self.rows:
            if not row.checked:
                lines.append(f"  {row.name}: nothing could be checked, every coordinate tried lies at a kink")
        return "\n".join(lines)


def gradcheck(subject, x, y=None, *, tolerance=TOLERANCE, samples=100, seed=0, training=True, backend=None) -> Report:
    """Compare `backward` with finite differences of `forward`, for x and for every parameter.

    Parameters
    ----------
    subject : a layer, a model (Sequential, Autoencoder: with its loss, if compiled and y is given), or a loss. Layers and
        models are copied in float64; the subject itself is left as it is.
    x : input batch (N, ...); for a loss, the outputs it judges
    y : targets: needed for a loss; for a compiled model, makes the check one of the whole objective
    tolerance : largest relative error that passes
    samples : coordinates of each array to try; arrays with no more are tried in full
    seed : of the random choice of coordinates and of g
    training : whether `forward` runs in training mode; noise is drawn once and held still
    backend : backend of the copy; None keeps the subject's
    """
    rng = np.random.default_rng(
        [shapes.integer(seed, "seed", 0), 2**34]
    )  # a stream of its own: g must not repeat an x drawn from the same seed
    samples, tolerance = shapes.integer(samples, "samples"), shapes.number(tolerance, "tolerance", 0)
    x = ops.admit(x, np.dtype("float64")).copy()
    if not x.size or not np.isfinite(x).all():
        raise DataError(f"gradcheck needs a batch of finite numbers, got {x.shape} with {np.isfinite(x).sum()} finite")
    if isinstance(subject, Loss):
        return _check_loss(subject, x, y, tolerance, samples, rng, backend)
    if not isinstance(subject, Layer):
        raise SettingError(f"gradcheck takes a layer, a model or a loss, got {subject!r}")
    model = _in_float64(subject, x.shape[1:], backend)
    streams = [(leaf.rng.bit_generator, leaf.rng.bit_generator.state) for leaf in model.leaves() if leaf.random]

    def forward():
        for generator, state in streams:
            generator.state = state
        return model.forward(x, training=training)

    trainer = getattr(model, "trainer", None)
    if y is not None and trainer is not None:
        y = ops.admit(y, np.dtype("float64"), "y")
        trainer.loss.check_target(y)
        weights, upstream = np.append(np.full(len(x), 1 / len(x)), 1.0), trainer.loss.step(forward(), y)[1]

        def values():
            return np.append(trainer.loss.per_image(forward(), y), model.penalty)
    else:
        upstream = rng.standard_normal(forward().shape)
        weights = np.append(upstream, 1.0)

        def values():
            return np.append(forward(), model.penalty)

    forward()
    dx = model.backward(upstream)
    if not isinstance(dx, np.ndarray) or dx.shape != x.shape:
        raise ShapeError(f"backward must give dx of the shape of x, {x.shape}, got {getattr(dx, 'shape', dx)}")
    dx = dx.copy()
    gradients = [entry.gradient.copy() for entry in model.parameters]
    check = _Checker(values, weights, tolerance, samples, rng)
    report = Report(repr(subject), tolerance, [check("x", x, dx)])
    for entry, gradient in zip(model.parameters, gradients):
        report.rows.append(check(entry.name, entry.value, gradient))
    return report


def _check_loss(loss, y, target, tolerance, samples, rng, backend):
    if target is None:
        raise SettingError("gradcheck of a loss needs targets: gradcheck(loss, outputs, targets)")
    loss = copy.deepcopy(loss)
    loss.backend = backend or loss.backend
    target = np.array(target, np.float64)
    dy = loss(y, target)[1].copy()
    check = _Checker(lambda: loss.per_image(y, target), np.full(len(y), 1 / len(y)), tolerance, samples, rng)
    return Report(repr(loss), tolerance, [check("y", y, dy)])


def _in_float64(subject, input_shape, backend):
    """A copy of a layer or model that computes in float64, with the same weights and states."""
    model = copy.deepcopy(subject)
    if subject.parameters is None:
        for layer in (model, *model.leaves()):
            layer.__dict__.pop("_held", None)
        model = model if isinstance(model, Chain) else Chain([model])
    held = [(entry.name, np.array(subject.home(entry.value))) for entry in subject.parameters or ()]
    states = [{name: np.array(leaf.home(array)) for name, array in leaf.states.items()} for leaf in subject.leaves()]
    model.at_home = True  # numbers are moved one by one, by NumPy
    name = subject.name if subject.parameters is not None else "layers"
    model.setup(input_shape, name=name, dtype="float64", backend=backend or subject.backend)
    for entry, (_, value) in zip(model.parameters, held):
        entry.value[...] = value
    if (
        not held
    ):  # biases begin at 0, where ReLU has its kink; factors at 1, where it does not show that one is forgotten
        for place, entry in enumerate(model.parameters):
            if np.ptp(entry.value) == 0:
                entry.value[...] += 0.1 * np.random.default_rng(place).standard_normal(entry.value.shape)
    for leaf, arrays in zip(model.leaves(), states):
        for name, array in arrays.items():
            leaf.states[name][...] = array
    trainer = getattr(model, "trainer", None)
    if trainer is not None:
        trainer.model, trainer.loss.backend = model, model.backend
    return model


class _Checker:
    """Compares gradients with differences of <values(), weights> while arrays are moved in place."""

    def __init__(self, values, weights, tolerance, samples, rng):
        self.values, self.weights = values, weights.reshape(-1)
        self.tolerance, self.samples, self.rng = tolerance, samples, rng

    def __call__(self, name, array, gradient) -> Row:
        """The row of one array, which is moved coordinate by coordinate and put back."""
        row = Row(name, array.shape)
        places = np.arange(array.size)
        if array.size > self.samples:
            places = np.sort(self.rng.choice(array.size, self.samples, replace=False))
        flat, gradient = array.reshape(-1), gradient.reshape(-1)
        floor = max(1e-6, 1e-3 * float(np.abs(gradient[np.isfinite(gradient)]).max(initial=0.0)))
        for place in places:
            found = self._derivative(flat, place, floor)
            if found is None:
                row.kinks += 1
                continue
            numeric, rounding = found
            backward = float(gradient[place])
            scale = max(abs(backward), abs(numeric), floor)
            error = abs(backward - numeric) / scale if np.isfinite(scale) else np.nan
            excess = max(error - rounding / scale, error * 0)
            worse = (np.isnan(error), excess, error) > (np.isnan(row.error), row.excess, row.error)
            if not row.checked or worse:
                row.error, row.excess, row.backward, row.numeric = map(float, (error, excess, backward, numeric))
                row.index = tuple(int(i) for i in np.unravel_index(place, array.shape))
            row.checked += 1
        return row

    def _derivative(self, flat, place, floor):
        """(derivative with respect to flat[place], its rounding error), or None where there is a kink."""
        before = flat[place]
        scale = max(1.0, abs(before))
        here = self.values()

        def at(offset):
            flat[place] = before + offset
            values = self.values()
            flat[place] = before
            return values

        def slope(h):
            near, far = (at(h), at(-h)), (at(2 * h), at(-2 * h))
            change = 8 * (near[0] - near[1]) - (far[0] - far[1])
            moved = np.abs(near[0]) * ((change != 0) | (near[0] != here))
            rounding = 16 * np.finfo(float).eps * float(np.dot(moved, np.abs(self.weights))) / h
            bend = abs(float(np.dot(near[0] + near[1] - 2 * here, self.weights))) / h
            return float(np.dot(change, self.weights)) / (12 * h), bend, rounding

        for width in STEPS:
            wide, wide_bend, rounding = slope(width * scale)
            narrow, bend, finer_rounding = slope(width * scale / 4)
            allowed = 0.1 * self.tolerance * max(abs(wide), abs(narrow), floor) + finer_rounding
            # where L is smooth, the slopes to the left and to the right differ by a quarter at a quarter of the width
            if abs(wide - narrow) <= allowed and bend <= max(allowed, wide_bend / 2):
                return wide, rounding
        return None
