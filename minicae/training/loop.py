"""The loop over epochs: batches in, updates out, callbacks told; it can be left after any update and entered there again."""

import contextlib
import shutil
import sys
import time

from minicae.errors import DivergedError, SettingError
from minicae.training.batches import Batches
from minicae.training.callbacks import Callback
from minicae.training.interrupt import Interruption
from minicae.training.progress import Progress


class Loop:
    """One `fit`: where it stands is `progress`, which `model.save` writes into the file while it runs.

    Parameters
    ----------
    trainer : the Trainer, whose `step` makes the updates
    batches : what to train on
    validation : (x, y) or None
    epochs : how many there shall be in all, those before a resumption included
    callbacks : list of Callback, in the order in which they are told
    verbose : 0, 1 or 2, as in `Sequential.fit`
    progress : where to begin
    """

    def __init__(self, trainer, batches: Batches, validation, epochs: int, callbacks, verbose, progress: Progress):
        self.trainer, self.model, self.batches, self.validation = trainer, trainer.model, batches, validation
        self.epochs, self.verbose, self.progress = epochs, verbose, progress
        self.callbacks = callbacks
        self.whole = True  # the weights and `progress` are those of one moment, between two updates
        own = [type(one).on_step_end is not Callback.on_step_end or "on_step_end" in vars(one) for one in callbacks]
        self._after_steps = [one for one, wants in zip(callbacks, own) if wants]

    def run(self) -> None:
        """All that is left to do."""
        model, progress, begun = self.model, self.progress, []
        model.stop_training = progress.stopped
        try:
            with Interruption() as ctrl_c:
                for callback in self.callbacks:
                    callback.model = model
                    callback.on_train_begin()
                    begun.append(callback)
                for callback, (_, state) in zip(self.callbacks, progress.callbacks):
                    callback.restore(state)
                while progress.epoch < self.epochs and not model.stop_training:
                    self._epoch(ctrl_c)
        finally:
            with contextlib.ExitStack() as last:  # all are told, whatever one of them raises
                for callback in reversed(begun):
                    last.callback(callback.on_train_end)

    def pack(self):
        """`Progress.pack` of where this training stands."""
        return self.progress.pack(self.callbacks)

    def _epoch(self, ctrl_c):
        """The epoch under way, or the next one, to its end."""
        model, progress = self.model, self.progress
        rng = self.batches.rng
        if progress.batch == 0:
            model.epochs += 1
            progress.begin_epoch(rng and rng.bit_generator.state, [name for name, _ in self.trainer.metrics])
        elif rng is not None:
            rng.bit_generator.state = progress.order
        start, half = time.perf_counter() - progress.seconds, (len(self.batches) - 1) / 2
        with _bar(len(self.batches), f"epoch {model.epochs}", self.verbose, progress) as show:
            for x, target, share, ends in self.batches.groups(progress.accumulate, progress.batch):
                self.whole = False
                losses = self._told_where(self.trainer.step, x, target, share, ends, ahead=1)
                self.trainer.measure(target, progress.watched)
                progress.count(losses, len(x), late=progress.batch >= half)
                show()
                if ends:
                    self.whole = True
                    progress.seconds = time.perf_counter() - start
                    for callback in self._after_steps:
                        self._told_where(callback.on_step_end, self.trainer.optimizer.steps)
                    self._leave_if(ctrl_c)
        self._told_where(self.trainer.check_weights)
        logs = progress.logs()
        if self.validation is not None:
            scores = self.trainer.evaluate(*self.validation, progress.batch_size)
            logs |= {f"val_{name}": value for name, value in scores.parts.items()}
        logs |= {"learning_rate": self.trainer.optimizer.rate, "seconds": time.perf_counter() - start}
        progress.history.append(model.epochs, logs)
        self._report(logs)
        progress.end_epoch()
        for callback in self.callbacks:
            callback.on_epoch_end(model.epochs, logs)
        progress.stopped = model.stop_training
        for callback in self.callbacks:
            callback.on_epoch_done()
        self._leave_if(ctrl_c)

    def _told_where(self, act, *given, ahead=0):
        """act(*given); a DivergedError of it says at which step, the `ahead`-th from the one that ended last."""
        try:
            return act(*given)
        except DivergedError as error:
            self.whole = False
            kept = "the weights are those of the last step whose loss and gradient were finite"
            error.message = f"{self._place(ahead)}: {error.message} ({kept})"
            raise

    def _place(self, ahead=0):
        return f"epoch {self.model.epochs}, step {self.progress.batch + ahead}"

    def _leave_if(self, ctrl_c):
        if ctrl_c.pressed:
            place = self._place() if self.progress.batch else f"epoch {self.model.epochs}"
            for callback in self.callbacks:
                callback.on_interrupt()
            raise KeyboardInterrupt(f"interrupted after {place}; the model is as that step left it")

    def _report(self, logs):
        history = self.progress.history
        if not self.verbose:
            return
        print(history.line(self.model.epochs - self.progress.epoch - 1 + self.epochs), flush=True)
        reached = logs.get("val_reconstruction", self.progress.reached)
        if len(history.epoch) == 1 and history.baseline and reached >= 0.98 * history.baseline:
            print("  no better than the mean image yet: if this stays, the model has collapsed", flush=True)


def checked(callbacks) -> list[Callback]:
    """`callbacks` as a list; SettingError where one is none."""
    callbacks = list(callbacks) if isinstance(callbacks, (list, tuple)) else [callbacks]
    for callback in callbacks:
        if not isinstance(callback, Callback):
            raise SettingError(f"callbacks must be objects of minicae.callbacks, got {callback!r}")
    return callbacks


@contextlib.contextmanager
def _bar(total, title, verbose, progress):
    """What is called after each batch: on a terminal it moves a progress bar."""
    if verbose != 1 or not sys.stderr.isatty():
        yield lambda: None
        return
    from tqdm import tqdm

    shown = 0.0
    columns = shutil.get_terminal_size().columns
    options = {"unit": "batch", "leave": False, "mininterval": 0.1, "ncols": columns, "initial": progress.batch}
    with tqdm(total=total, desc=title, **options) as bar:

        def show():
            nonlocal shown
            bar.update()
            if time.perf_counter() - shown > 0.2:
                shown = time.perf_counter()
                reconstruction, penalty = (total / progress.seen for total in progress.sums)
                bar.set_postfix_str(f"reconstruction {reconstruction:.5g}  penalty {penalty:.5g}", refresh=False)

        yield show
