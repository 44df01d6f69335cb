"""Directions of variation in a trained generator, found by the TopDis loss.

    python -m experiments.directions --workdir=runs/sprites
    python -m experiments.directions --workdir=runs/gan --generator=gan

Of a run in the folder --workdir, its decoder and the codes of its images; or
of a small GAN that is trained there if it is not there yet. Finds axes, and
compares them with the principal components of the codes and with --rotations
random sets of axes in the same space: the divergence of a shift along each,
and of runs on data with factors the share of each factor's entropy that an
axis knows, and MIG. Writes directions.png, with traversals, and last
directions.json. Of several runs: python -m experiments.study.directions.
"""

import os
import sys
from typing import Any, NamedTuple

from absl import flags
import jax
from matplotlib.figure import Figure
import numpy as np

from experiments import console, gan, trained
from topdis_jax import directions, files, metrics, plots
from topdis_jax.metrics import information
from topdis_jax.plots import montage

NAME = 'directions.json'
_IMAGES = 5000  # whose codes are taken
# Kinds of axes that are measured and plotted, and their titles.
_SHOWN = {'found': 'found', 'principal components': 'principal components',
          'random 0': 'random'}
_VALUES = np.linspace(-2, 2, 7)  # of traversals, in standard deviations


class Generator(NamedTuple):
    """What directions are sought in.

    Attributes:
      generate: codes [n, d] -> images [n, h, w, c].
      codes: [n, d], a sample.
      factors: [n, k] of their images, or None.
      names: [k] of the factors.
    """
    generate: Any
    codes: np.ndarray
    factors: np.ndarray | None = None
    names: tuple[str, ...] = ()


def of_run(folder):
    """The Generator of a run of ours."""
    run = trained.load(folder)
    rng = np.random.default_rng(run.config.seed)
    rows = rng.integers(len(run.dataset), size=_IMAGES)
    codes = trained.sample(rng, *trained.posteriors(run, rows))

    def generate(codes):
        return jax.nn.sigmoid(run.model.apply(
            {'params': run.state.params}, codes, method='decode'))

    if not run.dataset.factor_names:
        return Generator(generate, codes)
    return Generator(generate, codes, run.dataset.factors_of(rows),
                     run.dataset.factor_names)


def of_gan(folder, steps):
    codes = gan.sample(jax.random.key(0), _IMAGES)
    return Generator(gan.load(folder, steps), np.asarray(codes))


def principal(codes, axes):
    """Principal components [k, d] of codes [n, d] in the span of the axes."""
    vectors = np.linalg.eigh(np.atleast_2d(np.cov((codes @ axes.T).T)))[1]
    return vectors.T[::-1] @ axes


def rotated(axes, seed):
    """The axes [k, d] after a random rotation in their span.

    Args:
      axes: orthonormal.
      seed: whole numbers.
    """
    k = len(axes)
    normal = np.random.default_rng(seed).normal(size=(k, k))
    # The columns of Q are uniform but for their signs, which mean nothing.
    return np.linalg.qr(normal)[0].T @ axes


def compare(generator, found, rotations, seed):
    """{kind: what is measured of its axes}, lists all; for JSON.

    Other axes lie in the span of those that were found, so that a generator's
    dead directions do not count against them.
    """
    kinds = {'found': found.axes,
             'principal components': principal(generator.codes, found.axes)}
    kinds |= {f'random {i}': rotated(found.axes, (seed, i))
              for i in range(rotations)}
    values = directions.measure(generator.generate, generator.codes,
                                np.concatenate(list(kinds.values())), seed=seed)
    measured = {}
    for i, (kind, axes) in enumerate(kinds.items()):
        rows = slice(i * len(axes), (i + 1) * len(axes))
        measured[kind] = {'axes': axes.tolist()} | {
            name: getattr(values, name)[rows].tolist()
            for name in ('divergence', 'change', 'length')}
        if generator.factors is not None:
            measured[kind] |= knowledge(generator, axes)
    if generator.factors is not None:
        measured['latents'] = knowledge(generator, np.eye(
            generator.codes.shape[1]))
    return measured


def knowledge(generator, axes):
    """What codes along axes [k, d] know of factors."""
    codes = generator.codes @ np.asarray(axes, np.float32).T
    shared = information.mutual_information(
        information.histogram_bins(codes), generator.factors)
    shares = shared / information.entropies(generator.factors)
    # MIG needs two latents, of which one may know nothing.
    return {'known': shares.tolist(),
            'mig': metrics.mig(np.pad(codes, ((0, 0), (0, 1))),
                               generator.factors)}


def table(measured, names):
    """Markdown: a row for each axis that is shown."""
    heads = ['axis', 'divergence', 'change', *names]
    lines = ['| ' + ' | '.join(heads) + ' |', '|---' * len(heads) + '|']
    for kind, title in _SHOWN.items():
        values = measured.get(kind, {'divergence': ()})
        for i, divergence in enumerate(values['divergence']):
            change = values['change'][i]
            known = values['known'][i] if names else ()
            cells = [f'{title} {i + 1}', f'{divergence:.3f}', f'{change:.2f}',
                     *(f'{100 * share:.0f}%' for share in known)]
            lines.append('| ' + ' | '.join(cells) + ' |')
    return '\n'.join(lines)


def summary(measured):
    """MIG of the kinds of axes, in a sentence."""
    scores = {kind: values['mig'] for kind, values in measured.items()}
    sets = [score for kind, score in scores.items()
            if kind.startswith('random')]
    text = 'MIG: ' + ', '.join(
        f'{kind} {score:.3f}' for kind, score in scores.items()
        if not kind.startswith('random'))
    if sets:
        below = sum(score < scores['found'] for score in sets)
        text += (f'; {len(sets)} random sets {np.mean(sets):.3f} '
                 f'({min(sets):.3f} to {max(sets):.3f}), {below} of them '
                 'below the axes found')
    return text


def plot(path, generator, measured, title):
    """Traversals, a panel for each kind of axes, a row for each axis."""
    shown = {title: measured[kind] for kind, title in _SHOWN.items()
             if kind in measured}
    count = len(measured['found']['axes'])
    figure = Figure(figsize=(4.4 * len(shown), 0.55 * count + 1.1),
                    layout='constrained')
    panels = figure.subplots(1, len(shown), squeeze=False)[0]
    for axes, (kind, values) in zip(panels, shown.items()):
        pictures = np.stack([traverse(generator, np.array(axis))
                             for axis in values['axes']])
        montage.show(axes, pictures)
        axes.set_title(kind, fontsize=10)
        montage.label_rows(axes, pictures, [
            f'{x:.2f}' for x in values['divergence']])
        montage.label_columns(axes, pictures, [
            f'{x:+.1f}' if x else '0' for x in _VALUES])
    panels[0].set_ylabel('divergence of a shift', fontsize=9)
    figure.suptitle(title, fontsize=11)
    plots.save(figure, path)


def traverse(generator, axis):
    """Images [values, h, w, c] along an axis, from the first code."""
    along = generator.codes @ axis
    values = along.mean() + _VALUES * along.std()
    start = generator.codes[0] - along[0] * axis
    codes = start + values[:, None] * axis
    return np.asarray(generator.generate(codes.astype(np.float32)))


def run(folder, generator, options, rotations=20):
    """Finds, compares, prints and writes.

    Args:
      folder: where directions.json and directions.png are written.
      generator: Generator.
      options: of `directions.find`.
      rotations: sets of random axes.
    """
    try:
        found = directions.find(generator.generate, generator.codes, **options)
    except ValueError as error:  # more directions than there are
        sys.exit(f'Error: {error}')
    measured = compare(generator, found, rotations, options['seed'])
    print(table(measured, generator.names))
    if generator.names:
        print(summary(measured))
    path = os.path.join(folder, 'directions.png')
    plot(path, generator, measured, 'Traversals along axes of the codes, in '
         'standard deviations')
    print(path)
    files.write_json(os.path.join(folder, NAME), {
        'options': options | {'rotations': rotations}, **measured})


def main():
    """Flags are defined here, for tests import other programs beside."""
    workdir = flags.DEFINE_string(
        'workdir', None, 'Folder of the run, or of the GAN.', required=True)
    kind = flags.DEFINE_enum('generator', 'run', ['run', 'gan'], 'Which.')
    count = flags.DEFINE_integer(
        'directions', None, 'How many to find; all that change the images, if '
        'left out.')
    steps = flags.DEFINE_integer('steps', 300, 'Of each search.')
    seed = flags.DEFINE_integer('seed', 0, 'Of the search.',
                                lower_bound=0)
    rotations = flags.DEFINE_integer('rotations', 20, 'Random sets of axes.')
    gan_steps = flags.DEFINE_integer('gan_steps', gan.STEPS, 'Of the GAN.')

    def start():
        folder = workdir.value
        generator = (of_gan(folder, gan_steps.value) if kind.value == 'gan'
                     else of_run(folder))
        run(folder, generator, dict(
            num_directions=count.value, steps=steps.value, seed=seed.value),
            rotations.value)

    console.start(start)


if __name__ == '__main__':
    main()
