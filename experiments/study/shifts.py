"""What the topological loss sees in trained models, latent by latent.

    python -m experiments.study.shifts --workdirs=DIR,DIR --out=shifts.png

For each run: how much the topology of decoded batches changes when one latent
is shifted (RTD, the loss of TopDis before its weight), beside what it knows of
each factor. Prints MIG factor by factor: by what share of the factor's entropy
the latent that knows most of it exceeds the next.
"""

import os
from typing import NamedTuple

from absl import flags
import jax
from matplotlib.figure import Figure
import numpy as np
from tqdm import tqdm

from experiments import console, trained
from experiments.study import cells
from topdis_jax import losses, plots
from topdis_jax.data import sources
from topdis_jax.metrics import information
from topdis_jax.metrics.mig import gaps
from topdis_jax.training import steps

_WORKDIRS = flags.DEFINE_list('workdirs', None, 'Folders of runs.')
_OUT = flags.DEFINE_string('out', None, 'The PNG to write.')
_BATCHES = 20
_IMAGES = 10_000  # for the mutual information, as in MIG
_LETTERS = 36  # that fit below a table


class Latents(NamedTuple):
    """Of each latent: rtd [d], its mean; kl [d] nats; and known [d, k], its
    mutual information with each factor as a share of the factor's entropy."""
    rtd: np.ndarray
    kl: np.ndarray
    known: np.ndarray


def main():
    runs = load(_WORKDIRS.value)
    os.makedirs(os.path.dirname(os.path.abspath(_OUT.value)), exist_ok=True)
    names = {name: run.dataset.factor_names for name, run in runs.items()}
    found = {name: measure(run) for name, run in runs.items()}
    plot(_OUT.value, {_title(name, run): (found[name], names[name])
                      for name, run in runs.items()})
    print(gap_tables(found, names))
    print(_OUT.value)


def load(folders):
    """`trained.load_all`, of runs on data with factors.

    Raises:
      As that; DataError for data without.
    """
    runs = trained.load_all(folders)
    for name, run in runs.items():
        if not run.dataset.factor_names:
            raise sources.DataError(
                f'{name}: {run.config.data.name} has no factors; take runs on '
                'data that has some')
    return runs


def measure(run, batches=_BATCHES):
    """Latents of a trained.Trained, on images sampled with the run's seed."""
    rng = np.random.default_rng(run.config.seed)
    rows = rng.integers(len(run.dataset), size=_IMAGES)
    means, log_vars = trained.posteriors(run, rows)
    factors = run.dataset.factors_of(rows)
    known = information.mutual_information(
        information.histogram_bins(means), factors)
    codes = trained.sample(rng, means, log_vars)
    size = run.config.train.batch_size
    count = min(batches, _IMAGES // size)
    return Latents(
        _mean_rtd(run, codes[:count * size].reshape(count, size, -1)),
        np.mean(losses.gaussian_kl(means, log_vars), axis=0),
        known / information.entropies(factors))


def _mean_rtd(run, codes):
    """RTD of shifting each latent [d] of batches of codes [batches, b, d]."""
    params = run.state.params
    # The same measure of all runs, whatever they were trained with.
    options = steps.topdis_options(run.config.topdis) | {
        'divergence': 'rtd', 'power': 1.0}

    def decode(z):
        logits = run.model.apply({'params': params}, z, method='decode')
        return jax.nn.sigmoid(logits)

    @jax.jit
    def rtd(z, key, odds):
        return losses.topdis_loss(decode, z, key, weights=odds, **options)[0]

    latents = np.eye(codes.shape[-1], dtype=np.float32)
    found = [[rtd(z, jax.random.key(batch), odds) for odds in latents]
             for batch, z in enumerate(tqdm(codes, desc='Shifting',
                                            leave=False))]
    return np.mean(np.array(found), axis=0)


def _title(name, run):
    weight = run.config.topdis.weight
    loss = f'TopDis, weight {weight:g}' if weight else 'without TopDis'
    return f'{name}: {run.config.model.family}, {loss}'


def gap_tables(found, names):
    """MIG factor by factor, in Markdown: a table for each set of factors.

    Args:
      found: {run: Latents}.
      names: {run: names of the factors}.
    """
    tables = {}
    for run, latents in found.items():
        values = gaps(latents.known)
        tables.setdefault(tuple(names[run]), []).append([
            run, *(f'{value:.2f}' for value in (values.mean(), *values))])
    return '\n'.join(cells.table(['run', 'MIG', *factors], rows)
                     for factors, rows in tables.items())


def plot(path, found):
    """A row for each run: RTD of each latent beside what it knows.

    Args:
      path: of the PNG.
      found: {title: (Latents, names of the factors)}.
    """
    figure = Figure(figsize=(7.6, 3.1 * len(found)), layout='constrained')
    rows = figure.subplots(len(found), 2, squeeze=False, width_ratios=(1, 1))
    most = max(latents.rtd.max() for latents, _ in found.values())
    for (bars, table), (title, (latents, names)) in zip(rows, found.items()):
        order = np.argsort(-latents.kl)
        bars.set_title(title, fontsize=10, loc='left')
        _plot_bars(bars, latents.rtd[order], most, [
            f'z{i}: {latents.kl[i]:.1f} nats' for i in order])
        _plot_table(table, latents.known[order], names)
    plots.save(figure, path)


def _plot_bars(axes, values, most, labels):
    axes.barh(range(len(values)), values, color='tab:blue')
    axes.set_yticks(range(len(values)), labels, fontsize=8)
    axes.set_ylim(len(values) - 0.5, -0.5)
    axes.set_xlim(0, 1.05 * most if most else 1)
    axes.set_xlabel('RTD of shifting this latent (scaled distance)',
                    fontsize=9)


def _plot_table(axes, known, names):
    axes.imshow(known, cmap='Blues', vmin=0, vmax=1, aspect='auto')
    for place, value in np.ndenumerate(known):
        if value >= 0.02:
            axes.text(place[1], place[0], f'{100 * value:.0f}', ha='center',
                      va='center', fontsize=8,
                      color='white' if value > 0.6 else 'black')
    axes.set_xticks(range(len(names)), names, fontsize=9)
    if sum(map(len, names)) > _LETTERS:
        axes.tick_params('x', labelrotation=25)
    axes.set_yticks([])
    axes.set_xlabel('known of this factor (% of its entropy)', fontsize=9)


if __name__ == '__main__':
    flags.mark_flags_as_required(['workdirs', 'out'])
    console.start(main)
