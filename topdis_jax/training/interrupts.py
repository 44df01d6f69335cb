"""Ctrl-C and termination that wait for the step under way."""

import contextlib
import signal
import threading


class Interrupts:
    """Signals (SIGINT, SIGTERM) noted while steps run, raised between them.

    A step gives its input's memory to its output, so an exception in the
    middle of it would leave no state to save.
    """

    def __init__(self):
        self._pending = False
        self._deferring = False

    @contextlib.contextmanager
    def installed(self):
        """Handles the signals; does nothing outside the main thread."""
        if threading.current_thread() is not threading.main_thread():
            yield self
            return
        old = {s: signal.signal(s, self._on_signal)
               for s in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield self
        finally:
            for number, handler in old.items():
                signal.signal(number, handler)

    @contextlib.contextmanager
    def deferred(self):
        """Within, a signal waits until the end; a second one does not."""
        self._deferring = True
        try:
            yield
        finally:
            self._deferring = False
        if self._pending:
            self._pending = False
            raise KeyboardInterrupt

    def _on_signal(self, number, frame):
        del number, frame
        if self._deferring and not self._pending:
            self._pending = True
        else:
            raise KeyboardInterrupt
