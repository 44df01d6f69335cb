"""Does the search find directions that are known, and which not?

    python -m experiments.checks.directions --part=known
    python -m experiments.checks.directions --part=pairs

The generator is the blob of experiments.blobs behind a random rotation.
  known: factors whose shifts differ in topology, and directions that the
    generator ignores. For each seed the least |cosine| of a factor's axis with
    the axis found for it.
  pairs: two factors alone. The divergence along the first, along the
    second and along their two bisectors; and in how many seeds the axes come
    back, as |cosine| > 0.95. Where a bisector is lower than both factors, or
    as low, they cannot.
Prints tables in Markdown.
"""

import itertools

from absl import flags
import jax
import numpy as np
from tqdm import tqdm

from experiments import blobs, console
from topdis_jax import directions

# Factors, and directions that the generator ignores.
KNOWN = ((('x', 'size'), 2), (('x', 'angle'), 2),
         (('background', 'x', 'size'), 1),
         # Two of which mix.
         (('x', 'size', 'stretch'), 0))
_CLOSE = 0.95


def cosines(names, dead, seed, **options):
    """|cosine| [k] of each factor's axis with the axis found for it."""
    generate, axes = blobs.rotated(names, seed, dead)
    found = directions.find(
        generate, sampler(axes.shape[1]), num_directions=len(names), seed=seed,
        progress=False, **options)
    return matched(np.abs(axes @ found.axes.T))


def matched(table):
    """Of [k, k], the entries of the pairing whose least is largest."""
    rows = range(len(table))
    return max((table[rows, order] for order in itertools.permutations(rows)),
               key=min)


def sampler(d):
    """Function of a key and a number -> standard normal codes [n, d]."""
    return lambda key, n: jax.random.normal(key, (n, d))


def known(seeds):
    print('| factors | ignored | seeds above 0.95 | least of each seed |\n'
          '|---|---|---|---|')
    for names, dead in KNOWN:
        least = [min(cosines(names, dead, seed))
                 for seed in tqdm(range(seeds), desc=' '.join(names),
                                  leave=False)]
        close = sum(x > _CLOSE for x in least)
        print(f'| {", ".join(names)} | {dead} | {close} of {seeds} | '
              + ' '.join(f'{x:.3f}' for x in least) + ' |', flush=True)


def pairs(seeds):
    print('| factors | first | second | sum | difference | found |\n'
          '|---|---|---|---|---|---|')
    axes = np.array([[1, 0], [0, 1], [1, 1], [1, -1]])
    # y does with others as x does.
    names = [name for name in blobs.FACTORS if name != 'y']
    every = [('x', 'y'), *itertools.combinations(names, 2)]
    for pair in tqdm(every, desc='pairs', leave=False):
        generate, _ = blobs.rotated(pair, seed=None)
        along = directions.measure(generate, sampler(2), axes).divergence
        try:
            close = sum(min(cosines(pair, 0, seed)) > _CLOSE
                        for seed in range(seeds))
            result = f'{close} of {seeds}'
        except ValueError:  # beside the other, one hardly changes the images
            result = 'one is too weak'
        print(f'| {", ".join(pair)} | '
              + ' | '.join(f'{x:.2f}' for x in along)
              + f' | {result} |', flush=True)


def main():
    """Flags are defined here, for tests import other programs beside."""
    part = flags.DEFINE_enum('part', 'known', ['known', 'pairs'], 'Which.')
    seeds = flags.DEFINE_integer('seeds', 10, 'Seeds.')
    console.start(lambda: {'known': known, 'pairs': pairs}[part.value](
        seeds.value))


if __name__ == '__main__':
    main()
