"""Ctrl-C while a model is trained: the step under way is finished first, so that the model is whole."""

import signal
import sys
import threading


class Interruption:
    """`with Interruption() as ctrl_c`: from the first Ctrl-C on `ctrl_c.pressed` is true; a second one stops at once.

    Python's own handler raises KeyboardInterrupt between any two instructions, also inside of an update, and compiling
    code can swallow it. A handler that somebody else has set is left alone, and so are threads other than the main one.
    """

    pressed = False

    def __enter__(self):
        here = threading.current_thread() is threading.main_thread()
        self._usual = signal.getsignal(signal.SIGINT) if here else None
        if self._usual is signal.default_int_handler:
            signal.signal(signal.SIGINT, self._press)
        return self

    def __exit__(self, *failure):
        if self._usual is signal.default_int_handler:
            signal.signal(signal.SIGINT, self._usual)

    def _press(self, number, frame):
        if self.pressed:
            raise KeyboardInterrupt("stopped in the middle of a step")
        self.pressed = True
        print("\nCtrl-C: training ends after this step; once more stops at once", file=sys.stderr, flush=True)
