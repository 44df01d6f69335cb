r"""A GPU, a TPU or this CPU: are its results right, what does TopDis cost?

    python -m experiments.benchmarks.device [--minutes=9] \
        [--workdir=runs/device]

Prints, and writes to device.json and device.md in the work folder:
  checks: on random clouds, each engine's bars are the host engine's, entry by
    entry; the gradient of the TopDis loss is the CPU's.
  barcodes: milliseconds of the four barcodes of RTD, by engine and size, and
    of RTD-Lite.
  steps: milliseconds of a training step of a beta-VAE without the loss, with
    it by each divergence and engine, and orthogonalized; the share of
    persistence (what a step is quicker by if its bars are fixed); memory that
    the step's program takes. MLP on 32 x 32 x 1, convolutional network on
    64 x 64 x 3, batches of 64 and 256.
  devices: images a second with the loss on 1, 2, 4, ... of the devices, 64 a
    device.
What does not fit into the minutes is left out and named.
"""

import os
import time

from absl import app, flags
import jax

from experiments import allocation
from experiments.benchmarks import device_parts
from topdis_jax import files

FLAGS = flags.FLAGS


def define_flags():
    flags.DEFINE_float('minutes', 9, 'Nothing new begins after them.')
    flags.DEFINE_string('workdir', 'runs/device', 'Of the two files.')
    flags.DEFINE_list('parts', list(device_parts.PARTS),
                      'Which of the tables, in this order.')
    flags.DEFINE_list('points', [64, 128, 256, 512],
                      'Of the clouds of barcodes.')
    flags.DEFINE_list('batches', [64, 256], 'Batch sizes of steps.')


def machine():
    """What the figures belong to."""
    device = jax.devices()[0]
    return {'platform': device.platform, 'kind': device.device_kind,
            'devices': jax.device_count(), 'cores': os.cpu_count(),
            'jax': jax.__version__}


def table(rows):
    """Rows of a table in Markdown; a column for each key of the first."""
    columns = list(rows[0])
    lines = [columns, ['---'] * len(columns)] + [
        [_text(row.get(column)) for column in columns] for row in rows]
    return '\n'.join('| ' + ' | '.join(line) + ' |' for line in lines)


def _text(value):
    if value is None:
        return ''
    if isinstance(value, bool):
        return 'yes' if value else 'NO'
    return f'{value:.3g}' if isinstance(value, float) else str(value)


def as_markdown(found):
    """The page of all that was measured."""
    about = found['machine']
    lines = [f'{about["kind"]} ({about["platform"]}, {about["devices"]} '
             f'devices), {about["cores"]} CPU cores, JAX {about["jax"]}']
    for part, rows in found['parts'].items():
        lines += [f'## {part}', table(rows) if rows else 'nothing']
    if found['left out']:
        lines.append('Left out for lack of time: '
                     + '; '.join(found['left out']))
    return '\n\n'.join(lines) + '\n'


def run(workdir, parts, sizes, batches, minutes):
    """Measures the parts, and saves what is known after each row.

    Returns:
      a dict: machine, parts (rows by name), left out (list of names).
    """
    os.makedirs(workdir, exist_ok=True)
    found = {'machine': machine(), 'parts': {}, 'left out': []}
    end = time.monotonic() + 60 * minutes
    print(f'{found["machine"]}', flush=True)
    for part in parts:
        rows = found['parts'].setdefault(part, [])
        for name, measure in device_parts.PARTS[part](sizes, batches):
            if time.monotonic() > end:
                found['left out'].append(f'{part}, {name}')
                continue
            print(f'[{part}] {name} ...', flush=True)
            for row in measure():
                rows.append(row)
                print('  ' + ', '.join(f'{key} {_text(value)}' for key, value
                                       in row.items()), flush=True)
                _save(workdir, found)
    _save(workdir, found)
    return found


def _save(workdir, found):
    files.write_json(os.path.join(workdir, 'device.json'), found)
    with files.replacing(os.path.join(workdir, 'device.md')) as file:
        file.write(as_markdown(found))


def main(argv):
    if len(argv) > 1:
        raise app.UsageError(f'received {argv[1]!r}, which is no flag')
    for part in FLAGS.parts:
        if part not in device_parts.PARTS:
            raise app.UsageError(f'--parts: {part!r} is none of '
                                 f'{list(device_parts.PARTS)}')
    allocation.keep()  # as in training
    found = run(FLAGS.workdir, FLAGS.parts, list(map(int, FLAGS.points)),
                list(map(int, FLAGS.batches)), FLAGS.minutes)
    print(f'\n{as_markdown(found)}\n{FLAGS.workdir}/device.json')
    wrong = [row for row in found['parts'].get('checks', ())
             if not row['right']]
    return int(bool(wrong))


if __name__ == '__main__':
    define_flags()
    app.run(main)
