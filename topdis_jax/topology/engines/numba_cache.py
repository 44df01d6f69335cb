"""Compiles the engine, with signs of life, or loads it from Numba's cache."""

from collections.abc import Callable
import concurrent.futures
import sys
import threading
import time
from typing import Any

from numba.core import event

from topdis_jax.topology.engines.kernels.source_hash import SOURCE_HASH

# Seconds between two signs of life.
_SIGN_OF_LIFE = 2.5


def load_or_compile(make: Callable[..., Any]) -> Any:
    """make(cache=True), or make(cache=False) where code cannot be kept."""
    def compile_and_keep():
        try:
            return make(cache=SOURCE_HASH != 0)
        except (RuntimeError, OSError) as error:
            # Numba finds no folder, or cannot write to the one it found.
            _say(f'compiled code cannot be kept ({error}), so that each '
                 'process compiles it anew; set NUMBA_CACHE_DIR to a writable '
                 'folder')
            return make(cache=False)

    with event.install_listener('numba:compile', _announcer):
        if threading.current_thread() is threading.main_thread():
            return _interruptible(compile_and_keep)
        return compile_and_keep()


def _interruptible(function):
    """function() in another thread; this one waits, with a dot now and then.

    A compiler that is at work in the main thread loses Ctrl-C: the exception
    is raised in a callback of C, which ignores it.
    """
    future: concurrent.futures.Future = concurrent.futures.Future()

    def work():
        try:
            future.set_result(function())
        except BaseException as error:
            future.set_exception(error)

    threading.Thread(target=work, daemon=True).start()
    try:
        while True:
            try:
                return future.result(_SIGN_OF_LIFE)
            except concurrent.futures.TimeoutError:
                if future.done():
                    raise
                _announcer.go_on()
    finally:
        _announcer.end()


class _Announcer(event.Listener):
    """Says once that a compilation starts. Loading from the cache is none."""

    def __init__(self):
        self._said, self._dots = False, 0

    def on_start(self, event):
        if not self._said:
            self._said, self._began = True, time.monotonic()
            _say('compiling the persistence engine, once (about 25 s) ...')

    def on_end(self, event):
        pass

    def go_on(self):
        """Says that a compilation has not ended yet."""
        if self._said:
            self._dots += 1
            print('.', end='', file=sys.stderr, flush=True)

    def end(self):
        """Ends the line of dots, if there is one."""
        if self._dots:
            seconds = time.monotonic() - self._began
            print(f' {seconds:.0f} s', file=sys.stderr, flush=True)
        self._dots = 0


_announcer = _Announcer()


def _say(message):
    print(f'topdis_jax: {message}', file=sys.stderr, flush=True)
