"""Autoencoders without and with RTD, on digits and the Swiss roll:
docs/autoencoder.md.

    python docs/autoencoder.py [--seeds=0,1,2] [--steps=3000] [--out=DIR]

For each data set and seed trains one autoencoder without and one with the
loss of RTD-AE, from the same start. Prints how well their codes keep the
distances and the topology of the data, beside the first two principal
components, writes autoencoder.json and plots the codes of the first seed.
"""

import argparse
import json
import os

import jax
import jax.numpy as jnp
from matplotlib.figure import Figure
import numpy as np
import optax
from sklearn import datasets
from tqdm import tqdm

from topdis_jax import losses, plots, topology

CODES, HIDDEN, BATCH = 2, 128, 100
WEIGHT, STEPS = 1.0, 3000
MODELS = {'autoencoder': 0.0, 'with RTD': WEIGHT}
OPTIMIZER = optax.adam(1e-3)


def load_data():
    """name -> (points [n, d], colors [n], name of the colors' map)."""
    digits = datasets.load_digits()
    roll, along = datasets.make_swiss_roll(2000, random_state=0)
    return {'digits': (digits.data / 16, digits.target, 'tab10'),
            'Swiss roll': (roll / np.std(roll), along, 'viridis')}


def init_layers(rng, sizes):
    layers = []
    for key, n, m in zip(jax.random.split(rng, len(sizes) - 1), sizes,
                         sizes[1:]):
        layers.append({'w': jax.random.normal(key, (n, m)) * (2 / n) ** 0.5,
                       'b': jnp.zeros(m)})
    return layers


def init_params(rng, size):
    rng_encoder, rng_decoder = jax.random.split(rng)
    return {'encoder': init_layers(rng_encoder, [size, HIDDEN, HIDDEN, CODES]),
            'decoder': init_layers(rng_decoder, [CODES, HIDDEN, HIDDEN, size]),
            'log_scale': jnp.zeros(())}


def apply_layers(layers, x):
    for layer in layers[:-1]:
        x = jax.nn.relu(x @ layer['w'] + layer['b'])
    return x @ layers[-1]['w'] + layers[-1]['b']


def loss_fn(params, x, weight):
    """Squared error of the reconstruction + weight * RTD of a batch."""
    z = apply_layers(params['encoder'], x)
    loss = jnp.mean((apply_layers(params['decoder'], z) - x) ** 2)
    if weight:
        loss += weight * losses.rtd_autoencoder_loss(
            x, z, scale=jnp.exp(params['log_scale']))
    return loss


def train(x, weight, seed, steps):
    """Parameters after so many steps of Adam."""
    rng_params, rng_steps = jax.random.split(jax.random.key(seed))
    x = jnp.asarray(x, jnp.float32)
    params = init_params(rng_params, x.shape[1])

    def step(state, rng):
        params, opt_state = state
        rows = jax.random.choice(rng, len(x), (BATCH,), replace=False)
        loss, grads = jax.value_and_grad(loss_fn)(params, x[rows], weight)
        updates, opt_state = OPTIMIZER.update(grads, opt_state)
        return (optax.apply_updates(params, updates), opt_state), loss

    many_steps = jax.jit(lambda state, keys: jax.lax.scan(step, state, keys))
    state = params, OPTIMIZER.init(params)
    keys = jax.random.split(rng_steps, steps)
    with tqdm(total=steps, desc=f'weight {weight:g}', leave=False) as bar:
        for start in range(0, steps, 100):
            state, values = many_steps(state, keys[start:start + 100])
            bar.update(len(values))
            bar.set_postfix(loss=f'{float(values[-1]):.3f}')
    return state[0]


def principal_components(x):
    centered = x - x.mean(0)
    _, _, rows = np.linalg.svd(centered, full_matrices=False)
    return centered @ rows[:CODES].T


def score(x, z):
    """How well codes z [n, 2] keep what points x [n, d] have.

    Returns:
      rtd: min form, all bars, mean of 5 subsets of 500 points; lower is
        better. correlation: of all distances. triplets: share of triplets of
        which the same two are the nearer ones.
    """
    rng = np.random.default_rng(0)
    rows = rng.choice(len(x), 1000, replace=False)
    dist_x, dist_z = (np.asarray(topology.pairwise_distances(
        np.asarray(cloud[rows], np.float32))) for cloud in (x, z))
    upper = np.triu_indices(len(rows), 1)
    i, j, k = rng.integers(len(rows), size=(3, 100_000))
    same = ((dist_x[i, j] < dist_x[i, k]) == (dist_z[i, j] < dist_z[i, k]))
    return {
        'rtd': topology.compare(x, z, subset=500, repeats=5).mean,
        'correlation': float(np.corrcoef(dist_x[upper], dist_z[upper])[0, 1]),
        'triplets': float(np.mean(same))}


def run(seeds, steps, out):
    os.makedirs(out, exist_ok=True)
    results, shown = {}, {}
    for name, (x, *_) in load_data().items():
        found = [('principal components', None, principal_components(x))]
        for seed in seeds:
            for model, weight in MODELS.items():
                params = train(x, weight, seed, steps)
                z = apply_layers(params['encoder'], jnp.asarray(x))
                error = jnp.mean((apply_layers(params['decoder'], z) - x) ** 2)
                found.append((model, float(error), np.asarray(z)))
        results[name] = {}
        for model, error, z in found:
            scores = score(x, z) | ({} if error is None else {
                'error': error})
            results[name].setdefault(model, []).append(scores)
            shown.setdefault((name, model), z)
            print(f'{name:<11} {model:<21}' + '  '.join(
                f'{key} {value:.4f}' for key, value in scores.items()),
                flush=True)
    with open(os.path.join(out, 'autoencoder.json'), 'w') as file:
        json.dump(results, file, indent=1)
        file.write('\n')
    plot(os.path.join(out, 'autoencoder.png'), shown)


def plot(path, shown):
    """Codes of all models, a row for each data set."""
    data = load_data()
    models = list(dict.fromkeys(model for _, model in shown))
    figure = Figure(figsize=(9, 6), layout='constrained')
    grid = figure.subplots(len(data), len(models), squeeze=False)
    for row, (name, (_, colors, cmap)) in zip(grid, data.items()):
        for axes, model in zip(row, models):
            axes.scatter(*shown[name, model].T, c=colors, cmap=cmap, s=3)
            axes.set_title(f'{name}: {model}', fontsize=10)
            axes.set(aspect='equal', xticks=[], yticks=[])
            axes.set_adjustable('datalim')
    plots.save(figure, path, colors=256)


if __name__ == '__main__':
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('--seeds', default='0,1,2')
    parser.add_argument('--steps', type=int, default=STEPS)
    parser.add_argument('--out', default=os.path.join(
        os.path.dirname(os.path.abspath(__file__)), 'images'))
    args = parser.parse_args()
    run([int(seed) for seed in args.seeds.split(',')], args.steps, args.out)
