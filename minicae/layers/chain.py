"""A list of layers run one after the other, which is again a layer. Nothing here knows about losses or training."""

from minicae.errors import SettingError, ShapeError
from minicae.layers.base import Layer
from minicae.layers.fusion import paired
from minicae.layers.home import AtHome


class Chain(Layer):
    """y = the last layer of ... the second of the first of x.

    Parameters
    ----------
    layers : list of layers, each used here once and in no other chain
    """

    def __init__(self, layers):
        if not isinstance(layers, (list, tuple)):
            raise SettingError(f"layers must be a list of layers, got {layers!r}")
        self.layers = list(layers)
        for place, layer in enumerate(self.layers):
            if not isinstance(layer, Layer):
                raise SettingError(f"layers[{place}] must be a layer of minicae, got {layer!r}")
            if layer.__dict__.get("_held") or any(layer is other for other in self.layers[:place]):
                raise SettingError(f"layers[{place}] {layer!r} is already part of a model: make a new one")
            if layer.parameters is not None:
                raise SettingError(
                    f"layers[{place}] {layer!r} is built, with weights of its own, which would be lost: make a new one,"
                    " and give it the weights with set_weights"
                )
        self.hold(True)

    def hold(self, held: bool) -> None:
        """Mark the layers as part of this chain, or let them go."""
        for layer in self.layers:
            layer._held = held

    def __setstate__(self, state):
        super().__setstate__(state)
        self.hold(True)

    def __getitem__(self, place):
        """The layer that errors and tables call `name[place]`."""
        return self.layers[place]

    def leaves(self):
        return [leaf for layer in self.layers for leaf in layer.leaves()]

    @property
    def penalty(self) -> float:
        """What all layers charge together, for the last forward pass."""
        return sum([leaf.penalty for leaf in self._flat()])

    @property
    def flops(self) -> int:
        """Floating-point operations of one image's forward pass."""
        return sum(layer.flops for layer in self.layers)

    def names(self) -> list[str]:
        """The names that the layers get."""
        return [f"{self.name}[{place}]" for place in range(len(self.layers))]

    def configure(self, name, dtype, backend):
        super().configure(name, dtype, backend)
        for child, layer in zip(self.names(), self.layers):
            layer.at_home = layer.at_home or self.at_home
            layer.configure(child, dtype, backend)

    def follow(self, before):
        self._before = before

    def build(self, input_shape):
        sizes = [tuple(input_shape)]
        before = list(self.__dict__.pop("_before", ()))
        for layer in self.layers:
            layer.follow(before)
            try:
                sizes.append(layer.connect(sizes[-1]))
            except ShapeError as error:
                if len(sizes) > 1 and "shapes so far" not in error.message:
                    error.message += f"\n  shapes so far: {' -> '.join(map(str, sizes))}"
                raise
            before = [*before, *layer.leaves()]
        return sizes[-1]

    def forward(self, x, training=False):
        y = self.admit(x)
        for layer in self.steps():
            y = layer.forward(y, training)
        return y

    def backward(self, dy, preactivation=False):
        """dx for dy; with `preactivation`, dy is the gradient before the last layer's activation."""
        return self._backward(self.admit_gradient(dy), preactivation, False)

    def backward_weights(self, dy, preactivation=False, own=False):
        """As `backward`, without dx: layers before the first that has weights are left out.

        `own` says that dy comes from the trainer, who lets it be overwritten: it is neither checked nor copied.
        """
        self._backward(dy if own else self.admit_gradient(dy), preactivation, True)

    def _backward(self, dy, preactivation, weights_only):
        verbs, owing = self._way_back(preactivation, weights_only)
        for verb, told in verbs:
            dy = verb(dy, **told)
        for layer in owing:
            layer.settle(None if weights_only else dy)
        return dy

    def _way_back(self, preactivation, weights_only):
        """([(what to call with dy, what to tell it beside dy)], layers to settle), worked out once."""
        known = self.__dict__.setdefault("_ways_back", {})
        if (preactivation, weights_only) in known:
            return known[preactivation, weights_only]
        verbs, order, asked = [], self.steps(), (preactivation, weights_only)
        first = next((place for place, layer in enumerate(order) if layer.declared), 0) if weights_only else 0
        for place in range(len(order) - 1, first - 1, -1):
            layer = order[place]
            told = {"preactivation": True} if preactivation else {}
            if weights_only and place == first:
                verbs.append((layer.backward_weights, told))
                break
            # Where a layer can, it multiplies dx by the slope of the activation in front, while dx is at hand.
            slope = order[place - 1].slope if place and layer.bends else None
            preactivation = slope is not None
            if preactivation:
                told["through"] = slope
            verbs.append((layer.backward, told))
        known[asked] = verbs, [layer for layer in order if getattr(type(layer), "settle", None) is not Layer.settle]
        return known[asked]

    def steps(self) -> list:
        """What runs, in order: the simple layers, those of chains within this chain among them, some two at a time."""
        order = self.__dict__.get("_steps")
        if order is None:
            flat = self._flat()
            order = self._steps = paired([AtHome(leaf) if self.away and leaf.at_home else leaf for leaf in flat])
        return order

    def _flat(self):
        leaves = self.__dict__.get("_leaves")
        if leaves is None:
            leaves = self._leaves = [
                leaf for layer in self.layers for leaf in (layer._flat() if isinstance(layer, Chain) else [layer])
            ]
        return leaves
