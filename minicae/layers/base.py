"""What every layer is: three verbs, and memory that it owns.

    build(input_shape) -> output_shape    shapes without the batch axis; declares parameters
    forward(x, training) -> y             lends y: it is valid until the next forward
    backward(dy) -> dx                    may overwrite dy; writes the gradients of the layer's own parameters

A layer of your own needs no more than these; `self.parameter(...)` in `build` declares a weight, `self.admit(x)` in
`forward` checks the input, `self.buffer(...)` gives memory that is reused from step to step. Arrays that `backward` needs
are kept in `self.saved`. Buffers and saved arrays belong to the thread that made them, so several threads can run one
model at once.

Where the kernels run on a device, arrays lie there, from layer to layer: `admit` brings up what a user gives, `buffer` gives
memory there, `filled` draws numbers and brings them up, `home` takes an array down. A layer of your own may go on computing
with NumPy: its arrays are taken home and back for it, unless its class says `at_home = False`.
"""

import threading

import numpy as np

from minicae import kernels, ops, shapes
from minicae.config import Watched
from minicae.errors import MinicaeError, ShapeError
from minicae.later import Later
from minicae.memory import require
from minicae.parameters import Declaration, Parameters

PLANNED = "_steps", "_ways_back", "_leaves"  # what a chain works out once


class Memory(threading.local):
    """What a layer holds for one thread: buffers by name, and references to what backward will read."""

    count = None  # images of the last forward pass
    x = y = dy = dx = None  # what a layer read and wrote last
    given = None  # its input

    def __init__(self):
        self.buffers = {}
        self.drawn = {}  # by name: (what draws, host's memory, device's), for numbers on their way to a device


class Layer(Watched):
    """Base class: name, shapes, dtype, backend, parameters and buffers of a layer."""

    name = "layer"
    dtype = np.dtype("float32")
    backend = "cpu"
    slope = None  # (activation, alpha) that ends the layer, if `backward(dy, preactivation=True)` leaves its slope out
    bends = False  # whether `backward(dy, through=slope)` multiplies dx by the slope of the layer in front, told from x
    input_shape = None
    output_shape = None
    parameters = None  # of the outermost layer only: the flat vectors of all
    _charge = 0.0
    unwatched = frozenset({"penalty", "_charge"})
    there = {}  # {name: (value, gradient)} on the device, of a layer that computes at home
    at_home = False  # whether it computes with NumPy's arrays even where the backend's lie on a device
    away = False  # whether its arrays lie on a device
    random = False  # draws numbers while training: has `rng` once prepared
    regularizes = False  # whether it keeps a model from copying its input: a penalty, or noise, that is not 0
    flops = 0  # floating-point operations of one image's forward pass, set by build
    extent = (1, 1)  # window in input pixels and stride, for the receptive field; None: sees everything
    jump = (1, 1)

    def __init_subclass__(cls, **options):
        super().__init_subclass__(**options)
        simple = cls.leaves is Layer.leaves
        if simple and "at_home" not in vars(cls):  # other people's layers are written for NumPy
            cls.at_home = not cls.__module__.startswith("minicae.")

    def build(self, input_shape) -> tuple:
        """Shape of the output for this shape of the input, both without the batch axis."""
        raise NotImplementedError

    def forward(self, x, training=False) -> np.ndarray:
        """y for a batch x; in training, noise is drawn and what `backward` needs is kept. `home(y)` is an array of NumPy."""
        raise NotImplementedError

    def backward(self, dy) -> np.ndarray:
        """dx for dy, the gradients of the loss with respect to input and output; writes the parameters' gradients."""
        raise NotImplementedError

    def backward_weights(self, dy) -> None:
        """As `backward`, where nobody needs dx: the first layer of a network."""
        self.backward(dy)

    def follow(self, before: list["Layer"]) -> None:
        """Told, before `build`, which simple layers of the model come before this one, in order, all of them built."""

    def settle(self, dx=None) -> None:
        """Called when the whole chain has gone backward: adds what this layer owes to other layers' gradients.

        dx is the gradient of the chain's input, None where nobody needs it.
        """

    def prepare(self) -> None:
        """Called once the parameters are there: makes `states`."""

    def leaves(self) -> list["Layer"]:
        """The layers that this one is made of, itself if it is a simple one."""
        return [self]

    @property
    def penalty(self) -> float:
        """What the layer charges on the loss for the last forward pass; a layer that charges sets it there."""
        return float(self._charge)

    @penalty.setter
    def penalty(self, charge):
        self._charge = charge

    def charge_mean(self, weight: float, costs) -> None:
        """Charge weight * the mean of the costs (N,) float64; where they lie on a device, when somebody asks."""
        charge = Later(costs, lambda: weight * float(self.home(costs).mean()))
        self.penalty = charge if self.away else charge.value

    @property
    def declared(self) -> list[Declaration]:
        """The parameters declared by the last `build`."""
        return self.__dict__.setdefault("_declared", [])

    @property
    def states(self) -> dict[str, np.ndarray]:
        """Arrays that belong to the model but are not trained, such as running means."""
        return self.__dict__.setdefault("_states", {})

    @property
    def where(self) -> str:
        """The layer as error messages name it."""
        built = f", built for {self.input_shape}" if self.input_shape else ""
        return f"{self.name} {self!r}{built}"

    @property
    def kernels(self):
        """The module of kernels this layer runs on."""
        module = self.__dict__.get("_kernels")
        if module is None:
            module = self._kernels = (kernels.backend if self.away else kernels.hosted)(self.backend)
        return module

    @property
    def saved(self) -> Memory:
        """Memory of the running thread."""
        memory = self.__dict__.get("_memory")
        # Two threads may find none at once: setdefault lets one of them win, and gives both the same.
        return self.__dict__.setdefault("_memory", Memory()) if memory is None else memory

    def parameter(self, name: str, shape: tuple, initializer: str, fans: tuple = (1, 1)) -> None:
        """Declare a parameter: it becomes `self.<name>`, its gradient `self.d<name>`."""
        self.declared.append(Declaration(name, tuple(shape), initializer, fans))

    def buffer(self, name: str, shape: tuple, dtype=None) -> np.ndarray:
        """Memory of this layer and this thread, (N, ...), with the content it had: made once, larger batches apart."""
        held = self.saved.buffers.get(name)
        if held is None or held.shape[0] < shape[0] or held.shape[1:] != shape[1:]:
            held = self.saved.buffers[name] = self.kernels.empty(shape, dtype or self.dtype)
        return held if held.shape[0] == shape[0] else held[: shape[0]]

    def filled(self, name: str, shape: tuple, draw, dtype=None) -> np.ndarray:
        """A buffer with the numbers that `draw(out=array)` writes into one of NumPy: the same numbers on every backend."""
        array, drawn = self.buffer(name, shape, dtype), self.saved.drawn
        if not self.away:
            draw(out=array)
            return array
        same = name in drawn and drawn[name][1].shape == shape
        _, host, _ = drawn[name] = draw, drawn[name][1] if same else np.empty(shape, array.dtype), array
        draw(out=host)
        self.kernels.upload(host, array)
        return array

    def lift(self, name: str, host: np.ndarray) -> np.ndarray:
        """A buffer with the numbers of an array of NumPy."""
        array = self.buffer(name, host.shape, host.dtype)
        self.kernels.upload(host, array)
        return array

    def home(self, array) -> np.ndarray:
        """The array itself, or what is in it where it lies on a device."""
        return kernels.backend(self.backend).download(array) if kernels.is_away(array) else array

    def kept(self, name: str) -> tuple:
        """A parameter and its gradient as the model keeps them."""
        return self.there.get(name) or (getattr(self, name), getattr(self, f"d{name}"))

    def come_home(self) -> None:
        """Compute with NumPy from now on, through `hosted` kernels: for a copy of a layer that is to be looked into."""
        for declared in self.declared:
            for name, array in zip((declared.name, f"d{declared.name}"), self.kept(declared.name)):
                setattr(self, name, self.home(array))
        self.states.update({name: self.home(array) for name, array in self.states.items()})
        for made in ("_kernels", "_memory", "there"):
            self.__dict__.pop(made, None)
        self.at_home, self.away = True, False

    def setup(self, input_shape, *, name=None, dtype="float32", backend="cpu", seed=0) -> tuple:
        """Build this layer as the outermost one: shapes, then parameters, then random streams. Returns output_shape."""
        seed = shapes.integer(seed, "seed", 0)
        output_shape = self.plan(input_shape, name=name, dtype=dtype, backend=backend)
        self.materialize(seed)
        return output_shape

    def plan(self, input_shape, *, name=None, dtype="float32", backend="cpu") -> tuple:
        """The first half of `setup`: shapes and declarations, before memory is taken for parameters."""
        input_shape, dtype = shapes.sizes(input_shape, "input_shape"), ops.dtype_of(dtype)
        kernels.backend(backend)
        self.configure(name or type(self).__name__.lower(), dtype, backend)
        return self.connect(input_shape)

    def configure(self, name: str, dtype: np.dtype, backend: str) -> None:
        """Set what a layer is told by the one that holds it; forgets an earlier build."""
        self.name, self.dtype, self.backend = name, dtype, backend
        self.away = kernels.on_device(kernels.backend(backend)) and not self.at_home
        self.input_shape = self.output_shape = self.parameters = None
        for made in ("_kernels", "_memory", "_states", "_declared", *PLANNED):
            self.__dict__.pop(made, None)

    def connect(self, input_shape) -> tuple:
        """`build`, remembering both shapes and naming the layer in whatever goes wrong."""
        try:
            self.declared.clear()
            output_shape = tuple(self.build(tuple(input_shape)))
            if min(output_shape, default=1) < 1:
                raise ShapeError(f"the output would be empty: {output_shape}")
        except MinicaeError as error:
            raise error.within(f"{self.name} {self!r}, given {tuple(input_shape)}") from None
        self.input_shape, self.output_shape = tuple(input_shape), output_shape
        return output_shape

    def materialize(self, seed: int) -> None:
        """Make the flat vectors, hand out the views, and give each random layer a stream of its own."""
        leaves = self.leaves()
        count = sum(shapes.count(declaration.shape) for leaf in leaves for declaration in leaf.declared)
        require(2 * count * self.dtype.itemsize, f"{count:,} parameters and their gradients", "choose a smaller model")
        self.parameters = Parameters(leaves, self.dtype, seed, self.backend, self.away)
        for place, leaf in enumerate(leaves):
            leaf.prepare()
            if leaf.random:
                leaf.rng = np.random.default_rng([seed, 2**32 + place])

    def admit(self, x) -> np.ndarray:
        """x if it is what the layer was built for; converted where it can be; otherwise an error that names the layer."""
        if self.away:
            x = self._lifted(x)
        elif not (
            type(x) is np.ndarray and x.dtype == self.dtype and x.shape[1:] == self.input_shape and x.flags.carray
        ):
            x = self._admitted(x)
        self.saved.count, self.saved.given = x.shape[0], x
        return x

    def _admitted(self, x):
        """x as an array of NumPy that the layer was built for."""
        try:
            x = ops.admit(x, self.dtype)
            if self.input_shape is None:
                raise ShapeError("the layer is not built yet: put it in a Sequential, or call setup(input_shape)", x=x)
            if x.shape[1:] != self.input_shape or x.ndim != 1 + len(self.input_shape):
                wanted = ", ".join(map(str, self.input_shape))
                raise ShapeError(f"x must have the shape (N, {wanted}), got {x.shape}", x=x)
        except MinicaeError as error:
            raise error.within(self.where) from None
        return x

    def _lifted(self, x):
        """x on the device: as it is, where a layer in front has made it, else brought up into a buffer."""
        if kernels.is_away(x) and x.dtype == self.dtype and x.shape[1:] == self.input_shape:
            return x
        return self.lift("x", self._admitted(self.home(x)))

    def admit_gradient(self, dy) -> np.ndarray:
        """dy as `backward` takes it: the outermost layer checks it, and copies it because `backward` overwrites it."""
        if self.parameters is None:
            return dy
        try:
            dy = dy if kernels.is_away(dy) else ops.admit(dy, self.dtype, "dy")
            if self.saved.count is None:
                raise ShapeError("backward needs a forward pass before it", dy=dy)
            if dy.shape != (self.saved.count, *self.output_shape):
                wanted = ", ".join(map(str, (self.saved.count, *self.output_shape)))
                raise ShapeError(f"dy must have the shape of the output, ({wanted}), got {dy.shape}")
        except MinicaeError as error:
            raise error.within(self.where) from None
        own = self.buffer("dy", dy.shape)
        self.kernels.upload(dy, own)
        return own

    def __getstate__(self):
        """What a copy takes along: everything but buffers, modules, steps, and the mark of the chain that holds it."""
        return {
            key: value for key, value in self.__dict__.items() if key not in ("_memory", "_kernels", "_held", *PLANNED)
        }

    def __setstate__(self, state):
        """A copy's weights are views again, into the copy's own vectors."""
        self.__dict__.update(state)
        if self.parameters is not None:
            self.parameters.bind(self.leaves())
