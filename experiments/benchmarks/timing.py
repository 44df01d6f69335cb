"""Times of calls: in alternating rounds, in a process of its own, as a plot."""

import math
import multiprocessing
import time

from matplotlib.figure import Figure
import numpy as np

from topdis_jax import plots


def timed(call, repeat=1):
    """Seconds of a call, the mean of some repetitions."""
    start = time.perf_counter()
    for _ in range(repeat):
        call()
    return (time.perf_counter() - start) / repeat


def medians(calls, rounds, round_seconds=0.02):
    """Seconds of each call, in alternating rounds of some repetitions."""
    once = {name: timed(call) for name, call in calls.items()}
    repeats = {name: max(1, int(round_seconds / seconds))
               for name, seconds in once.items()}
    times = {name: [] for name in calls}
    for round_ in range(rounds):
        for name, call in calls.items():
            if round_ and once[name] > 2:
                continue  # one is enough of what takes so long
            times[name].append(timed(call, repeats[name]))
    return {name: float(np.median(t)) for name, t in times.items()}


class Apart:
    """Calls in a process of their own, which can be ended at any time.

    Args:
      prepare: called first in each such process; not counted.
    """

    def __init__(self, prepare):
        self._prepare, self._pool = prepare, None

    def __call__(self, limit, function, *args):
        """What the function returns, or None if that takes too long."""
        if self._pool is None:
            self._pool = multiprocessing.get_context('spawn').Pool(1)
            self._pool.apply(self._prepare)
        try:
            return self._pool.apply_async(function, args).get(limit)
        except multiprocessing.TimeoutError:
            self.end()
            return None

    def end(self):
        """Ends the process; the next call starts another one."""
        if self._pool is not None:
            self._pool.terminate()
            self._pool = None


def geometric_mean(values):
    return math.exp(np.mean(np.log(values)))


def plot_times(rows, path, **labels):
    """Plots times by size, log-log: each program's mean and range.

    Args:
      rows: dicts with 'n' and 'seconds', {program: seconds}. A size at which
        a program is missing or None in some row is left out for it.
      path: of the PNG.
      **labels: ylabel and title of the axes.
    """
    figure = Figure(figsize=(6.4, 4.6), layout='constrained')
    axes = figure.add_subplot()
    all_sizes = sorted({row['n'] for row in rows})
    for name in dict.fromkeys(n for row in rows for n in row['seconds']):
        times = {n: [row['seconds'].get(name) for row in rows if row['n'] == n]
                 for n in all_sizes}
        times = {n: [1e3 * t for t in some] for n, some in times.items()
                 if None not in some}
        sizes = list(times)
        line, = axes.plot(sizes, [geometric_mean(times[n]) for n in sizes],
                          'o-', label=name)
        axes.fill_between(sizes, [min(times[n]) for n in sizes],
                          [max(times[n]) for n in sizes], alpha=0.08,
                          color=line.get_color())
    axes.set_xscale('log', base=2)
    axes.set_yscale('log')
    axes.set_xticks(all_sizes, all_sizes)
    axes.set(xlabel='points in a cloud', **labels)
    axes.grid(alpha=0.3)
    axes.legend()
    plots.save(figure, path)
