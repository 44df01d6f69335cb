r"""What a user of the training command waits for, part by part.

    python -m experiments.benchmarks.waiting [--config=CONFIG[:FAMILY]] \
        [--steps=300]

Runs `experiments.run` of a configuration (default: that of sprites) twice: with
an empty cache folder, and once more with what the first has left there. Prints,
in seconds since the command was typed: when the imports were done, the first
step taken and the last, the end; and how long each announced part took
(compiling, the first state, scores, pictures).
"""

import json
import os
import re
import subprocess
import sys
import tempfile
import threading
import time

from absl import app, flags

FLAGS = flags.FLAGS
# What `progress.waiting` writes.
_PART = re.compile(r'(.+?) \.\.\.\.* ([\d.]+) s$')


def define_flags():
    flags.DEFINE_string('config', 'experiments/configs/sprites.py',
                        'Configuration, with a family perhaps.')
    flags.DEFINE_integer('steps', 300, 'How many; the loss is on after half.')


def measure(config, steps, folder, cache):
    """Times of a run, {what: seconds}, in the order of their ends.

    Args:
      config: path of a configuration.
      steps: how many.
      folder: work folder, which is not there yet.
      cache: the cache folder, XDG_CACHE_HOME.
    """
    command = [sys.executable, '-m', 'experiments.run', f'--config={config}',
               f'--workdir={folder}', f'--config.train.steps={steps}',
               f'--config.topdis.delay={steps // 2}',
               '--config.train.log_every=1', '--config.train.eval_every=0']
    begin = time.monotonic()
    process = subprocess.Popen(
        command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True,
        env={**os.environ, 'XDG_CACHE_HOME': cache})
    steps_seen = _Watch(os.path.join(folder, 'metrics.jsonl'), steps, begin)
    found, lines = {}, []
    for line in process.stderr:
        lines.append(line)
        if line.startswith('Work folder'):
            found['imports done'] = time.monotonic() - begin
        if part := _PART.match(line.strip()):
            found[part[1]] = float(part[2])
    if process.wait():
        raise RuntimeError('the run has failed:\n' + ''.join(lines[-20:]))
    return found | steps_seen.times() | {'the end': time.monotonic() - begin}


class _Watch:
    """Notes when a log has its first row, and its last."""

    def __init__(self, path, last, begin):
        self._path, self._last, self._begin = path, last, begin
        self._times = {}
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()

    def _look(self):
        while 'the last step' not in self._times:
            time.sleep(0.01)
            try:
                with open(self._path) as file:
                    rows = file.read().splitlines()
            except FileNotFoundError:
                continue
            if rows:
                self._times.setdefault('the first step',
                                       time.monotonic() - self._begin)
            if len(rows) >= self._last:
                self._times['the last step'] = time.monotonic() - self._begin

    def times(self):
        self._thread.join(1)
        return self._times


def main(argv):
    if len(argv) > 1:
        raise app.UsageError(f'received {argv[1]!r}, which is no flag')
    with tempfile.TemporaryDirectory() as folder:
        cache = os.path.join(folder, 'cache')
        found = {name: measure(FLAGS.config, FLAGS.steps,
                               os.path.join(folder, name), cache)
                 for name in ('cold', 'warm')}
    for what in dict.fromkeys(w for times in found.values() for w in times):
        print(f'{what:<72}' + ''.join(
            f'{name} {times[what]:6.1f} s   ' if what in times
            else f'{name}      -     ' for name, times in found.items()))
    print(json.dumps(found))


if __name__ == '__main__':
    define_flags()
    app.run(main)
