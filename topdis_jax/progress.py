"""Progress on stderr: bars, waits, and an estimate of a run's time.

On a terminal a bar is one row that changes. If stderr is redirected, as into a
file, each update is a new line: every two seconds at first, later whenever the
elapsed time has grown by a hundredth, at most ten minutes apart.
"""

from collections.abc import Iterator, Mapping
import contextlib
import sys
import threading
import time
from typing import Any

import tqdm

_BETWEEN = (2.0, 600.0)  # seconds between two lines
_DOT = 2.0  # seconds
_PACE = 10.0  # seconds over which the pace of a run is measured
_LONG = 3600.0  # seconds from which on an estimate is printed
_ROW = ('{l_bar} {n_fmt}/{total_fmt} [{elapsed}<{remaining}, '
        '{rate_fmt}{postfix}]')
_BAR = 8  # columns of the bar itself, at least


class Bar(tqdm.tqdm):
    """A tqdm bar with values beside it, each shown whole or not at all."""

    def __init__(self, *args: Any, **options: Any) -> None:
        file = options.get('file') or sys.stderr
        self._lines = not file.isatty()
        self._values: dict[str, str] = {}
        self._shown: int | None = None
        if self._lines:
            # The time is looked at in each update, not at a guessed one.
            options.update(mininterval=_BETWEEN[0], miniters=1)
        super().__init__(*args, **{'dynamic_ncols': True, **options})

    def show(self, values: Mapping[str, str]) -> None:
        """Shows values, {name: text}, at the next update.

        The last ones are left out where there is no room for all.
        """
        self._values = dict(values)

    def display(self, msg: str | None = None,
                pos: int | None = None) -> bool:
        if not self._lines:
            return super().display(msg, pos)
        if self.n != self._shown:
            self._shown = self.n
            print(msg or str(self), file=self.fp, flush=True)
            passed = self.format_dict['elapsed']
            self.mininterval = min(max(_BETWEEN[0], passed / 100), _BETWEEN[1])
        return True

    def clear(self, nolock: bool = False) -> None:
        if not self._lines:
            super().clear(nolock)

    def close(self) -> None:
        if self._lines and not self.disable:
            if self.leave:
                self.display()
            # As if it had shown nothing: tqdm would write the row again.
            self.delay = float('inf')
        super().close()

    def __str__(self) -> str:
        facts, texts = self.format_dict, [
            f'{name}={text}' for name, text in self._values.items()]
        columns = facts['ncols']
        while True:
            facts['postfix'] = ', '.join(texts) or None
            row = self.format_meter(**{
                **facts, 'ncols': None,
                'bar_format': _ROW})
            if not texts or not columns or len(row) + _BAR <= columns:
                break
            texts.pop()
        return row if self._lines else self.format_meter(**facts)


@contextlib.contextmanager
def waiting(text: str, shown: bool = True) -> Iterator[None]:
    """Prints what the block within waits for, with a dot every two seconds.

    Args:
      text: as in 'Compiling the training step'.
      shown: False: nothing is printed.
    """
    if not shown:
        yield
        return
    begin, ended = time.monotonic(), threading.Event()

    def dots():
        while not ended.wait(_DOT):
            _write('.')

    with tqdm.tqdm.external_write_mode(file=sys.stderr):
        _write(f'{text} ...')
        thread = threading.Thread(target=dots, daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()
            _write(f' {time.monotonic() - begin:.1f} s\n')


def _write(text):
    sys.stderr.write(text)
    sys.stderr.flush()


class Pace:
    """Prints how long a run will take, if that is more than an hour."""

    def __init__(self, total: int, shown: bool = True) -> None:
        """`total`: steps. `shown` False: nothing is printed."""
        self._total, self._announced = total, not shown
        self._begin: tuple[int, float] | None = None

    def note(self, step: int, more: str = '') -> None:
        """Notes that a step is done; prints the estimate once there is one.

        Args:
          step: its number. The first that is noted begins the measurement, as
            it has been compiled by then.
          more: what the estimate does not know of.
        """
        if self._announced:
            return
        now = time.monotonic()
        if self._begin is None:
            self._begin = step, now
            return
        first, begin = self._begin
        if now - begin < _PACE:
            return
        self._announced = True
        rate = (step - first) / (now - begin)
        left = self._total - step
        if left / rate > _LONG:
            tqdm.tqdm.write(
                f'At {rate:.3g} steps a second the {left} steps that are left '
                f'take about {duration(left / rate)}{more}.', file=sys.stderr)


def duration(seconds: float) -> str:
    """Seconds in words: '40 minutes', '3.2 hours', '5.5 days'."""
    for unit, size in (('days', 86400), ('hours', 3600)):
        if seconds >= 2 * size:
            return f'{seconds / size:.1f} {unit}'
    return f'{seconds / 60:.0f} minutes'
