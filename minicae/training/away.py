"""A training step on a device: handed over as one list of launches, and asked what came of it when the device is done.

Between two steps of an epoch nothing changes but numbers: those of the batch, of the noise, of the optimizer. So a step takes
the launches of the one before, unless something has happened since that could make others: an attribute of a layer was set,
memory was taken, something else has run on the device, the batch has another size, another thread makes it, whose buffers are
others. Then the layers are asked again, as they are the first time.
"""

import math
import threading

from minicae.config import Watched
from minicae.later import Later


class Steps:
    """The steps of one trainer, whose model lies on a device."""

    def __init__(self, trainer):
        self.trainer = trainer
        self.graphs = {}  # of `kernels.together`
        self.kept = None  # where the device keeps the weights that a sound update was made from
        self._known, self._stamp = {}, None

    def step(self, x, target, share, ends) -> tuple[float, float]:
        """As `Trainer.step`. Where a cost or a gradient is not finite, the device leaves weights and moments as they are."""
        trainer = self.trainer
        model, optimizer = trainer.model, trainer.optimizer
        before = optimizer.progress
        with model.kernels.together(self.graphs) as queue:
            handed = self._handed(queue, x, target, share, ends)
            changes = Watched.changes
            if ends and ((handed.repeatable and _ours(optimizer)) or handed.is_sound()):  # ours ask the device, in time
                optimizer.step(model.parameters)
            self._stamp = threading.get_ident(), queue.events, changes
        trainer._output = handed.output
        parts = handed.objective()
        if not handed.is_sound():
            optimizer.progress = before
            handed.withdraw()
            trainer.loss.check_output(model.home(handed.output))
            finite = math.isfinite(sum(parts))
            raise trainer.diverged("a gradient is not finite" if finite else f"the loss is {sum(parts)}")
        if ends:
            trainer.last_good = self.kept
        return parts

    def forget(self) -> None:
        """Ask the layers again at the next step."""
        self._known.clear()

    def _handed(self, queue, x, target, share, ends):
        """All of a step but the optimizer, in the queue."""
        key = x.shape, target is x, share, ends, self.trainer.loss
        stamp = threading.get_ident(), queue.events, Watched.changes
        if self._stamp != stamp or any(x.shape != known[0] for known in self._known):
            self.forget()
        if key in self._known:
            self._known[key].again(queue, x, target)
            return self._known[key]
        if self.kept is None:
            self.kept = self.trainer.model.parameters.empty()
        begun, alone = queue.begun, not queue.waiting
        handed = Handed(self.trainer, x, target, share, self.kept if ends else None)
        if handed.repeatable and alone and begun == queue.begun:  # and nothing has gone out yet
            handed.launches = queue.taken()
            self._known[key] = handed
        return handed


class Handed:
    """A step, up to the optimizer, as the layers have put it into the queue; what is read from it; and how to put it again.

    `kept` is where the weights are kept before an update; None where none is made yet.
    """

    launches = None
    sound = True

    def __init__(self, trainer, x, target, share, kept):
        self.model, model, parameters = trainer.model, trainer.model, trainer.model.parameters
        self.inputs = there, wanted = trainer.lifted(x, target)
        self.output = model.forward(there, training=True)
        self.reconstruction, dx_hat = trainer.loss.step(self.output, wanted, trainer.fused)
        model.backward_weights(dx_hat, trainer.fused, own=True)
        if share < 1:
            trainer.gather(parameters.gradients, share, kept is not None)
        self.charges = [(leaf, leaf._charge) for leaf in model.leaves() if isinstance(leaf._charge, Later)]
        costs = self.reconstruction, *(charge for _, charge in self.charges)
        self.answers = [cost for cost in costs if isinstance(cost, Later)]
        # other people's code may do otherwise the next time, and charge numbers that the device does not see
        self.repeatable = _ours(model, trainer.loss, *model.leaves())
        if kept is not None and (self.repeatable or math.isfinite(sum(self.objective()))):
            costs = tuple(answer.array for answer in self.answers)
            self.sound = model.kernels.keep_if_finite(parameters.gradients, parameters.values, kept, costs)
            self.answers.append(self.sound)
        self.drawn = [leaf.saved.drawn for leaf in model.leaves()]

    def objective(self) -> tuple[float, float]:
        """Its two parts, once the device is done."""
        return float(self.reconstruction), self.model.penalty

    def is_sound(self) -> bool:
        """Whether objective and gradient are finite, once the device is done."""
        return math.isfinite(sum(self.objective())) and bool(self.sound)

    def withdraw(self) -> None:
        """Let optimizers move these weights again: what was found of this gradient is no longer of use."""
        if isinstance(self.sound, Later):
            self.model.kernels.upload(0, self.sound.array)

    def again(self, queue, x, target):
        """The same launches, with the numbers of another batch and new noise."""
        there, wanted = self.inputs
        upload = self.model.kernels.upload
        upload(x, there)
        if wanted is not there:
            upload(target, wanted)
        for drawn in self.drawn:
            for draw, host, array in drawn.values():
                draw(out=host)
                upload(host, array)
        for leaf, charge in self.charges:
            leaf.penalty = charge
        for answer in self.answers:
            answer.forget()
        queue.put_again(self.launches)


def _ours(*objects) -> bool:
    """Whether minicae has written them all."""
    return all(type(one).__module__.startswith("minicae.") for one in objects)
