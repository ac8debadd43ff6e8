"""A forward and a backward pass, layer by layer, with every number kept: for looking at, and for stepping into.

    t = mc.trace(model, x)                       print(t) is a table, t.plot() a picture
    t["encoder[0]"]                              the layer's forward step; t["encoder[0]"].twin is its way back
    t["encoder[0]"].open(n=0, i=3, j=5, f=2)     how one number of the output was made: see openings.py

The trace runs copies of the model's layers, one after the other, by their own `forward` and `backward`. A model runs some
neighbours in one go (layers/fusion.py) and multiplies by slopes where it suits; the results are the same but for rounding.
"""

import copy
import time
from dataclasses import dataclass, field

import numpy as np

from minicae import losses, ops
from minicae.errors import DataError, SettingError, ShapeError, short
from minicae.inspection import _text
from minicae.inspection.openings import open_output
from minicae.layers.base import Layer
from minicae.layers.tied import Tied
from minicae.losses import MeanSquaredError


@dataclass(eq=False)
class Step:
    """One layer, run in one direction. All arrays are copies.

    Parameters
    ----------
    name : of the layer, such as "encoder[0]"
    layer : the layer of the model
    direction : "forward" or "backward"
    input : x (N, ...) forward, dy backward
    output : y forward, dx backward
    parameters : {"w": ..., "b": ...}; a tied layer has here the w that it shares
    gradients : {"w": ..., "b": ...} backward, as they stand at the end of the whole way back; empty forward
    seconds : that this one run took, kernels compiled, memory fresh; for times to compare take the median of many runs
    twin : the step of the same layer in the other direction
    """

    name: str
    layer: Layer
    direction: str
    input: np.ndarray
    output: np.ndarray
    parameters: dict
    gradients: dict
    seconds: float
    twin: "Step" = field(default=None, repr=False)

    def open(self, n=0, i=0, j=0, f=0):
        """How output number (n, i, j, f) of the layer was made, and what its gradient sends back: see openings.py.

        Parameters
        ----------
        n : sample of the batch
        i, j : row and column of the output, in pixels; 0 for a layer of vectors
        f : channel or unit of the output

        For dense, convolution, pooling and upsampling layers. Raises SettingError for other layers and for an index outside the
        output, MinicaeError where the numbers do not add up to the output.
        """
        forward, backward = (self, self.twin) if self.direction == "forward" else (self.twin, self)
        return open_output(self.layer, forward, backward, n, i, j, f)

    def __repr__(self):
        names = ("x", "y") if self.direction == "forward" else ("dy", "dx")
        shapes = f"{names[0]} {self.input.shape} -> {names[1]} {self.output.shape}"
        return f"Step({self.direction} {self.name} {self.layer!r}: {shapes})"


class Trace:
    """Steps forward, then backward: `len`, iteration, `trace[3]`, and `trace["encoder[0]"]`, the forward step of that layer.

    Parameters
    ----------
    steps : all of them, forward, then backward
    loss : the loss of the batch, without penalties
    penalty : what the layers charge
    title : the model, the batch and the loss
    """

    def __init__(self, steps, loss, penalty, title):
        self.steps, self.loss, self.penalty, self.title = tuple(steps), loss, penalty, title
        half = len(self.steps) // 2
        self.forward, self.backward = self.steps[:half], self.steps[half:]
        for one, other in zip(self.forward, reversed(self.backward)):
            one.twin, other.twin = other, one

    @property
    def output(self) -> np.ndarray:
        """What the model makes of x."""
        return self.forward[-1].output

    @property
    def dx(self) -> np.ndarray:
        """The gradient of the objective with respect to x."""
        return self.backward[-1].output

    def __len__(self):
        return len(self.steps)

    def __iter__(self):
        return iter(self.steps)

    def __getitem__(self, key):
        if isinstance(key, str):
            for step in self.forward:
                if step.name == key:
                    return step
            raise SettingError(f"there is no layer {key!r} here: {', '.join(step.name for step in self.forward)}")
        try:
            return self.steps[key]
        except (IndexError, TypeError):
            last = len(self) - 1
            raise SettingError(f"a step is a number from 0 to {last} or the name of a layer, got {key!r}") from None

    def __repr__(self):
        return f"Trace({self.title}, {len(self)} steps)"

    def __str__(self):
        lines = [self.title, f"loss {self.loss:.6g}, penalty {self.penalty:.6g}", ""]
        rows = [("", "forward", "output", "mean", "std", "min", "max", "zeros", "ms")]
        rows += [(str(place), *_forward_row(step)) for place, step in enumerate(self.forward)]
        lines += [*_table(rows), ""]
        rows = [("", "backward", "dx", "mean |dx|", "max |dx|", "mean |dw|", "other gradients", "ms")]
        rows += [(str(place), *_backward_row(step)) for place, step in enumerate(self.backward, len(self.forward))]
        return "\n".join([*lines, *_table(rows)])

    def plot(self, ax=None, n=0, count=6):
        """The activations of sample n, up to `count` channels a layer, and beside them their gradients. Returns the axes."""
        from minicae import plots

        return plots.trace(self, ax, n=n, count=count)


def trace(model, x, y=None, loss=None, training=False) -> Trace:
    """Run a model forward and backward on a batch, one step a layer, and keep what goes in and out of each.

    The model stays as it is, weights, gradients, optimizer, random streams and running statistics: copies of its layers run.

    Parameters
    ----------
    model : a built model (Sequential, Autoencoder), a part of one, such as `model.encoder`, or a built layer
    x : batch (N, *input_shape); NaN and infinities are let through, so that they can be followed
    y : target; None takes x, without its labels where the model takes them
    loss : by name or as an object; None takes that of a compiled model, else the mean squared error. Its gradient is taken at
        the output; training takes that of a cross-entropy before the sigmoid, which is the same but where it saturates
    training : False runs the model as `predict` does: no noise, no dropout, running statistics. True runs it as the next step
        of training would, with the noise that this step would draw

    Raises SettingError for a model that is not built, DataError for an empty batch, ShapeError where shapes do not fit.
    """
    if not isinstance(model, Layer) or model.input_shape is None or not model.leaves():
        raise SettingError(f"trace needs a built model with layers, got {short(repr(model), 60)}: give it input_shape")
    if not isinstance(training, bool):
        raise SettingError(f"training must be True or False, got {training!r}")
    x = ops.admit(x, model.dtype)
    if x.ndim and not len(x):
        raise DataError(f"trace needs at least one sample, got x of the shape {x.shape}")
    loss = _loss_of(model, loss)
    for _ in range(2):  # the first pass compiles what has to be compiled, and the second is timed
        steps, cost, charged = _pass(model, x, y, loss, training)
    mode = "in training" if training else "outside training"
    title = f"{type(model).__name__}, {_text.counted(len(x), 'sample')} of {_text.shape(model.input_shape)}, {loss!r}, {mode}"
    return Trace(steps, cost, charged, title)


def _pass(model, x, y, loss, training):
    """(steps, loss, penalty) of copies of the model's layers."""
    leaves, forward, backward, value = copy.deepcopy(model.leaves()), [], [], x
    for leaf in leaves if model.away else ():
        leaf.come_home()
    for layer, leaf in zip(model.leaves(), leaves):
        given, start = value, time.perf_counter()
        value = leaf.forward(given, training)
        seconds = time.perf_counter() - start
        forward.append(Step(leaf.name, layer, "forward", given.copy(), value.copy(), _parameters(leaf), {}, seconds))
    charged = float(sum(leaf.penalty for leaf in leaves))
    cost, dy = loss(value, _target(model, x, y, value.shape))
    dy = dy.copy()
    for leaf, there in zip(reversed(leaves), reversed(forward)):
        given, start = dy.copy(), time.perf_counter()
        dy = leaf.backward(dy)
        seconds = time.perf_counter() - start
        backward.append(Step(leaf.name, there.layer, "backward", given, dy.copy(), there.parameters, {}, seconds))
    for leaf in leaves:  # what layers owe to others is known at the end
        leaf.settle(dy)
    backward[-1].output = dy.copy()
    for leaf, step in zip(reversed(leaves), backward):
        step.gradients |= {one.name: getattr(leaf, f"d{one.name}").copy() for one in leaf.declared}
    return forward + backward, cost, charged


def _parameters(leaf):
    found = {one.name: getattr(leaf, one.name).copy() for one in leaf.declared}
    return {"w": leaf._partner.w.copy(), **found} if isinstance(leaf, Tied) else found


def _loss_of(model, loss):
    """A copy of the loss that nobody else uses, on the model's backend."""
    trainer = getattr(model, "trainer", None)
    if loss is None:
        loss = MeanSquaredError() if trainer is None else trainer.loss
    loss = copy.deepcopy(losses.get(loss))
    loss.backend = model.backend
    return loss


def _target(model, x, y, shape):
    if y is not None:
        return ops.admit(y, model.dtype, "y")
    target = np.ascontiguousarray(model.without_labels(x)) if hasattr(model, "without_labels") else x
    if target.shape != shape:
        raise ShapeError(f"the output has the shape {shape} and x {target.shape}: give trace a target y of that shape")
    return target


def _forward_row(step):
    y, label = step.output, f"{step.name} {short(repr(step.layer))}"
    numbers = (f"{number:.4g}" for number in (y.mean(dtype=np.float64), y.std(dtype=np.float64), y.min(), y.max()))
    return label, _text.shape(y.shape[1:]), *numbers, f"{np.mean(y == 0):.0%}", f"{step.seconds * 1e3:.3f}"


def _backward_row(step):
    dx, label = np.abs(step.output), f"{step.name} {type(step.layer).__name__}"
    means = {name: f"{np.abs(array).mean(dtype=np.float64):.4g}" for name, array in step.gradients.items()}
    first = means.pop("w", "")
    others = ", ".join(f"mean |d{name}| {mean}" for name, mean in means.items())
    return (
        label,
        _text.shape(dx.shape[1:]),
        f"{dx.mean(dtype=np.float64):.4g}",
        f"{dx.max():.4g}",
        first,
        others,
        f"{step.seconds * 1e3:.3f}",
    )


def _table(rows):
    widths = [max(map(len, column)) for column in zip(*rows)]
    lines = [
        "  ".join(cell.ljust(width) if place == 1 else cell.rjust(width) for place, (cell, width) in enumerate(pairs))
        for pairs in (zip(row, widths) for row in rows)
    ]
    return [lines[0].rstrip(), "-" * max(map(len, lines)), *(line.rstrip() for line in lines[1:])]
