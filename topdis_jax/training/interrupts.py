"""Ctrl-C and termination that wait for the step under way."""

from collections.abc import Iterator
import contextlib
import os
import signal
import socket
import threading
import time

from jax.experimental import multihost_utils

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_TOGETHER = 0.5  # seconds


class Interrupted(KeyboardInterrupt):
    """Ctrl-C, or a machine that is taken away.

    Attributes:
      exit_status: 130 after SIGINT, 143 after SIGTERM, as shells have it.
    """

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.exit_status = 128 + number


class Interrupts:
    """Signals (SIGINT, SIGTERM) noted while steps run, raised between them.

    A step gives its input's memory to its output, so an exception in the
    middle of it would leave no state to save. A second signal ends the process
    at once, whatever it does: what is half saved then does not count.

    In a run of several processes all must save the same step. JAX's own
    handler of SIGTERM agrees on one with the other processes, which end there
    as well; SIGINT is handed on to it.
    """

    def __init__(self, several: bool = False) -> None:
        """`several`: the run has several processes, and is joined to them."""
        self._several = several
        self._pending = None
        self._deferring = False
        self._raised = False

    @contextlib.contextmanager
    def installed(self) -> Iterator['Interrupts']:
        """Handles the signals; does nothing outside the main thread."""
        if threading.current_thread() is not threading.main_thread():
            yield self
            return
        with contextlib.ExitStack() as stack:
            stack.enter_context(_second_ends_process())
            for number in _SIGNALS[:1] if self._several else _SIGNALS:
                stack.callback(signal.signal, number,
                               signal.signal(number, self._on_signal))
            yield self

    @contextlib.contextmanager
    def deferred(self, step: int = 0) -> Iterator[None]:
        """Within, a signal waits until the end, of this step or the next.

        Args:
          step: its number, which counts for several processes.
        """
        self._deferring = True
        try:
            yield
        finally:
            self._deferring = False
        if self._several and multihost_utils.reached_preemption_sync_point(
                step):
            self._raise(signal.SIGTERM)
        if self._pending is not None:
            self._raise(self._pending)

    def _on_signal(self, number, frame):
        del frame
        if self._several:
            signal.raise_signal(signal.SIGTERM)
        elif self._deferring:
            self._pending = number
        elif not self._raised:
            self._raise(number)

    def _raise(self, number):
        """Once: a launcher's second signal would break off the saving."""
        self._pending, self._raised = None, True
        raise Interrupted(number)


@contextlib.contextmanager
def _second_ends_process():
    """Counts the signals in a thread of its own.

    Python's handlers wait for the main thread, which may be deep in a
    compilation or in a step.
    """
    reader, writer = socket.socketpair()
    writer.setblocking(False)
    old = signal.set_wakeup_fd(writer.fileno(), warn_on_full_buffer=False)
    threading.Thread(target=_count, args=(reader,), daemon=True).start()
    try:
        yield
    finally:
        signal.set_wakeup_fd(old)
        writer.close()  # ends the thread


def _count(reader):
    first = None
    with reader:
        while received := reader.recv(1):
            if received[0] not in _SIGNALS:
                continue
            first = first or time.monotonic()
            # Some launchers signal the process and then its group.
            if time.monotonic() > first + _TOGETHER:
                os.write(2, b'\nEnded at once. The same command goes on from '
                            b'the last checkpoint.\n')
                os._exit(128 + received[0])
