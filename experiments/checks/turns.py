"""Could the total correlation of trained codes set turned latents right?

    python -m experiments.checks.turns --workdirs=DIR,DIR

Prints, for each run, on samples of q(z) over the whole data set, in nats: the
total correlation, by a classifier that learns these fixed codes to the end and
is asked about held-out ones; and of the two latents of highest KL the mutual
information as they are, and its least and most over turns by 0, 15, ... 75
degrees. What lies between the last two is all that a penalty on the
total correlation sees of a turn: nothing where codes are normal.
"""

from absl import flags
import jax
import numpy as np
import optax
from tqdm import tqdm

from experiments import console, trained
from topdis_jax import losses, models
from topdis_jax.metrics import information

_ANGLES = np.radians(range(0, 90, 15))
_BINS = 40
_HIDDEN, _STEPS, _BATCH = (256,) * 3, 3000, 512


def report(folders):
    """Prints a row for each run."""
    runs = trained.load_all(folders)
    print('| run | total correlation | two latents | least | most |\n'
          '| --- | --- | --- | --- | --- |')
    for name, run in runs.items():
        codes = ordered_codes(run)
        turned = by_angle(*codes[:, :2].T)
        row = total_correlation(codes), turned[0], min(turned), max(turned)
        print(f'| {name} | ' + ' | '.join(f'{x:.3f}' for x in row) + ' |',
              flush=True)


def ordered_codes(run):
    """Samples [n, d] of all images' posteriors; latents by falling KL."""
    means, log_vars = trained.posteriors(run, np.arange(len(run.dataset)))
    order = np.argsort(-np.mean(losses.gaussian_kl(means, log_vars), axis=0))
    rng = np.random.default_rng(run.config.seed)
    return trained.sample(rng, means, log_vars)[:, order]


def total_correlation(codes, steps=_STEPS):
    """KL(q(z) || prod_j q(z_j)) of codes [n, d], by a classifier; nats.

    Source: Kim & Mnih, Disentangling by Factorising, ICML 2018, eq. 3; here on
    codes that stay as they are. A fourth of them is held out for the estimate.
    """
    codes = (codes - codes.mean(axis=0)) / codes.std(axis=0)
    rng = np.random.default_rng(0)
    held, seen = np.split(rng.permutation(codes), [len(codes) // 4])
    classifier = models.LatentDiscriminator(_HIDDEN)
    params = classifier.init(jax.random.key(0), codes[:1])
    optimizer = optax.adam(optax.cosine_decay_schedule(1e-3, steps))

    @jax.jit
    def step(params, state, real, permuted):
        grads = jax.grad(lambda params: losses.discriminator_loss(
            classifier.apply(params, real),
            classifier.apply(params, permuted)))(params)
        updates, state = optimizer.update(grads, state)
        return optax.apply_updates(params, updates), state

    state = optimizer.init(params)
    for _ in tqdm(range(steps), desc='Classifier', leave=False):
        # Of its own rows each coordinate: draws of the product of marginals.
        rows = rng.integers(len(seen), size=(_BATCH, codes.shape[1]))
        permuted = np.take_along_axis(seen, rows, axis=0)
        real = seen[rng.integers(len(seen), size=_BATCH)]
        params, state = step(params, state, real, permuted)
    return float(losses.density_ratio_tc(classifier.apply(params, held)))


def by_angle(a, b):
    """Mutual information of two latents [n], turned by each of _ANGLES; nats.

    Both are scaled to variance 1 before.
    """
    a, b = ((x - x.mean()) / x.std() for x in (a, b))
    return [pair_information(np.cos(t) * a + np.sin(t) * b,
                             np.cos(t) * b - np.sin(t) * a) for t in _ANGLES]


def pair_information(a, b):
    """Mutual information of two latents [n], in bins of equal counts; nats.

    Bins lose some of it. Their bias (Miller & Madow) is taken off, so that the
    result may fall a little below 0.
    """
    bias = (_BINS - 1) ** 2 / (2 * len(a))
    found = information.mutual_information(_rank_bins(a), _rank_bins(b))
    return found.item() - bias


def _rank_bins(x):
    return (np.argsort(np.argsort(x)) * _BINS // len(x))[:, None]


def main():
    """Flags are defined here, for tests import other programs beside."""
    folders = flags.DEFINE_list('workdirs', None, 'Folders of runs.',
                                required=True)
    console.start(lambda: report(folders.value))


if __name__ == '__main__':
    main()
