"""A training step on a device: handed over as one list of launches, and asked what came of it when the device is done.

Between two steps of an epoch nothing changes but numbers: those of the batch, of the noise, of the optimizer. So a step takes
the launches of the one before, unless something has happened since that could make others: an attribute of a layer was set,
memory was taken, something else has run on the device, the batch has another size. Then the layers are asked again, as they
are the first time.
"""

import math

from minicae.config import Watched
from minicae.later import Later


class Steps:
    """The steps of one trainer, whose model lies on a device."""

    def __init__(self, trainer):
        self.trainer = trainer
        self.graphs = {}  # of `kernels.together`
        self._known, self._stamp = {}, None

    def step(self, x, target, share, ends) -> tuple[float, float]:
        """As `Trainer.step`. Where a cost or a gradient is not finite, the device leaves weights and moments as they are."""
        trainer = self.trainer
        model, optimizer = trainer.model, trainer.optimizer
        before = optimizer.progress
        with model.kernels.together(self.graphs) as queue:
            handed = self._handed(queue, x, target, share, ends)
            if ends:
                optimizer.step(model.parameters)
            self._stamp = queue.events, Watched.changes
        trainer._output = handed.output
        reconstruction, penalty = float(handed.reconstruction), model.penalty
        objective = reconstruction + penalty
        if not (math.isfinite(objective) and handed.sound):
            optimizer.progress = before
            trainer.loss.check_output(model.home(handed.output))
            raise trainer.diverged(
                "a gradient is not finite" if math.isfinite(objective) else f"the loss is {objective}"
            )
        trainer.last_good = handed.kept
        return reconstruction, penalty

    def forget(self) -> None:
        """Ask the layers again at the next step."""
        self._known.clear()

    def _handed(self, queue, x, target, share, ends):
        """All of a step but the optimizer, in the queue."""
        key = x.shape, target is x, share, ends, self.trainer.loss
        if self._stamp != (queue.events, Watched.changes) or any(x.shape != known[0] for known in self._known):
            self.forget()
        if key in self._known:
            self._known[key].again(queue, x, target)
            return self._known[key]
        begun, alone, handed = queue.begun, not queue.waiting, Handed(self.trainer, x, target, share, ends)
        if handed.repeatable and alone and begun == queue.begun:  # and nothing has gone out yet
            handed.launches = queue.taken()
            self._known[key] = handed
        return handed


class Handed:
    """A step, up to the optimizer, as the layers have put it into the queue; what is read from it; and how to put it again."""

    launches = None

    def __init__(self, trainer, x, target, share, ends):
        model, parameters = trainer.model, trainer.model.parameters
        self.inputs = there, wanted = trainer.lifted(x, target)
        self.output = model.forward(there, training=True)
        self.reconstruction, dx_hat = trainer.loss.step(self.output, wanted, trainer.fused)
        model.backward_weights(dx_hat, trainer.fused, own=True)
        if share < 1:
            trainer.gather(parameters.gradients, share, ends)
        self.kept, self.sound = trainer.last_good, True
        self.charges = [(leaf, leaf._charge) for leaf in model.leaves() if isinstance(leaf._charge, Later)]
        if ends:
            self.kept = parameters.empty() if self.kept is None else self.kept
            costs = tuple(charge.array for charge in (self.reconstruction, *(charge for _, charge in self.charges)))
            self.sound = model.kernels.keep_if_finite(parameters.gradients, parameters.values, self.kept, costs)
        self.upload, self.drawn = model.kernels.upload, [leaf.saved.drawn for leaf in model.leaves()]
        # other people's code may do otherwise the next time
        self.repeatable = all(type(one).__module__.startswith("minicae.") for one in (trainer.loss, *model.leaves()))

    def again(self, queue, x, target):
        """The same launches, with the numbers of another batch and new noise."""
        there, wanted = self.inputs
        self.upload(x, there)
        if wanted is not there:
            self.upload(target, wanted)
        for drawn in self.drawn:
            for draw, host, array in drawn.values():
                draw(out=host)
                self.upload(host, array)
        for leaf, charge in self.charges:
            leaf.penalty = charge
        for answer in (self.reconstruction, self.sound, *(charge for _, charge in self.charges)):
            if isinstance(answer, Later):
                answer.forget()
        queue.put_again(self.launches)
