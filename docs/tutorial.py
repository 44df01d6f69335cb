"""A VAE in plain JAX, without and with the TopDis loss: docs/tutorial.md.

    python docs/tutorial.py [--seeds=0,1,2,3,4] [--steps=12000] [--out=DIR]

For each seed trains one model without the loss and one with it, from the same
start. Prints the scores of both as they come, writes them to tutorial.json,
and plots the pictures of the tutorial from the seed of median MIG.
"""

import argparse
import functools
import json
import os

import jax
import jax.numpy as jnp
from matplotlib.figure import Figure
import numpy as np
import optax
from tqdm import tqdm

from topdis_jax import data, losses, metrics
from topdis_jax.metrics import information

LATENTS, HIDDEN, PIXELS = 10, 400, 32
BATCH, BETA, WEIGHT, SHIFT = 64, 4.0, 5.0, 0.25
STEPS, DELAY = 12_000, 2000
MODELS = {'without': 0.0, 'with': WEIGHT}
OPTIMIZER = optax.adam(5e-4)


def init_layers(rng, sizes):
    """Weights and biases of dense layers, uniform within 1/sqrt(inputs)."""
    layers = []
    for key, n, m in zip(jax.random.split(rng, len(sizes) - 1), sizes,
                         sizes[1:]):
        keys, bound = jax.random.split(key), n ** -0.5
        layers.append({
            'w': jax.random.uniform(keys[0], (n, m), minval=-bound,
                                    maxval=bound),
            'b': jax.random.uniform(keys[1], (m,), minval=-bound,
                                    maxval=bound)})
    return layers


def init_params(rng):
    rng_encoder, rng_decoder = jax.random.split(rng)
    return {'encoder': init_layers(rng_encoder, [
                PIXELS ** 2, HIDDEN, HIDDEN, 2 * LATENTS]),
            'decoder': init_layers(rng_decoder, [
                LATENTS, HIDDEN, HIDDEN, PIXELS ** 2])}


def apply_layers(layers, x, activation):
    for layer in layers[:-1]:
        x = activation(x @ layer['w'] + layer['b'])
    return x @ layers[-1]['w'] + layers[-1]['b']


def encode(params, images):
    """Mean and log variance [b, d] of the posteriors of images [b, p]."""
    outputs = apply_layers(params['encoder'], images, jax.nn.relu)
    return jnp.split(outputs, 2, axis=1)


def decode(params, z):
    """Logits [b, p] of the images of codes [b, d]."""
    return apply_layers(params['decoder'], z, jnp.tanh)


def vae_loss(params, images, rng):
    """Reconstruction + BETA * KL, in nats per image; also codes and logits."""
    mean, log_var = encode(params, images)
    noise = jax.random.normal(rng, mean.shape)
    z = mean + jnp.exp(log_var / 2) * noise
    logits = decode(params, z)
    reconstruction = optax.sigmoid_binary_cross_entropy(logits, images)
    kl = (jnp.exp(log_var) + mean ** 2 - 1 - log_var) / 2
    loss = jnp.mean(jnp.sum(reconstruction, 1) + BETA * jnp.sum(kl, 1))
    return loss, z, logits


def vae_loss_with_topdis(params, images, rng):
    """The same, and the TopDis loss of the same codes."""
    rng, rng_shift = jax.random.split(rng)
    loss, z, logits = vae_loss(params, images, rng)
    first_layer = params['decoder'][0]['w']  # [d, hidden]
    topdis, _ = losses.topdis_loss(
        lambda z: jax.nn.sigmoid(decode(params, z)), z, rng_shift,
        shift=SHIFT, images=jax.nn.sigmoid(logits),
        weights=jnp.linalg.norm(first_layer, axis=1))
    return loss + WEIGHT * topdis


def make_steps(loss_fn):
    """(params, opt_state), images, keys [s] -> the same after s steps."""
    def step(images, state, rng):
        params, opt_state = state
        rng_batch, rng_loss = jax.random.split(rng)
        rows = jax.random.randint(rng_batch, (BATCH,), 0, len(images))
        batch = images[rows].astype(jnp.float32) / 255
        loss, grads = jax.value_and_grad(loss_fn)(params, batch, rng_loss)
        updates, opt_state = OPTIMIZER.update(grads, opt_state)
        return (optax.apply_updates(params, updates), opt_state), loss

    def steps(state, images, keys):
        return jax.lax.scan(lambda state, rng: step(images, state, rng),
                            state, keys)

    return jax.jit(steps, donate_argnums=0)


def train(seed, images, weight, steps, delay):
    """Parameters after `steps` steps; the loss joins after `delay`."""
    rng_params, rng_steps = jax.random.split(jax.random.key(seed))
    params = init_params(rng_params)
    state = params, OPTIMIZER.init(params)
    keys = jax.random.split(rng_steps, steps)
    plain = make_steps(lambda *args: vae_loss(*args)[0])
    full = make_steps(vae_loss_with_topdis) if weight else plain
    with tqdm(total=steps, desc=f'Seed {seed}, weight {weight:g}') as bar:
        for start in range(0, steps, 100):
            run = plain if start < delay else full
            state, values = run(state, images, keys[start:start + 100])
            bar.update(len(values))
            bar.set_postfix(loss=f'{float(values[-1]):.2f}')
    return state[0]


def score(params, dataset, images, points):
    """Scores of posterior means, reconstruction (nats) and what is known.

    Two thirds of the points are for training classifiers.
    """
    rng = np.random.default_rng(0)
    rows = rng.choice(len(images), points, replace=False)
    pixels = images[rows].astype(np.float32) / 255
    codes = np.asarray(jax.jit(encode)(params, pixels)[0])
    factors = dataset.factors_of(rows)
    part = 2 * points // 3
    train, labels, test, test_labels = (
        codes[:part], factors[:part], codes[part:], factors[part:])
    dci = metrics.dci(train[:2000], labels[:2000], test, test_labels)
    logits = jax.jit(decode)(params, train)
    nats = optax.sigmoid_binary_cross_entropy(logits, pixels[:part])
    known = information.mutual_information(
        information.histogram_bins(train), labels)
    return {'mig': metrics.mig(train, labels),
            'sap': metrics.sap(train, labels, test, test_labels),
            'dci_2000': dci.disentanglement,
            'reconstruction': float(jnp.mean(jnp.sum(nats, 1)))}, (
                known / information.entropies(labels))


def by_kl(params, images):
    """Latents by falling KL, and that KL [d]."""
    mean, log_var = encode(params, images[::50].astype(np.float32) / 255)
    kl = np.mean((np.exp(log_var) + mean ** 2 - 1 - log_var) / 2, axis=0)
    return np.argsort(-kl), kl


def plot_traversals(path, models, images, start, shown=6):
    """One row for each of the latents of largest KL, its value from -2 to 2.

    Args:
      start: index of the image whose code keeps the other latents' values.
    """
    figure = Figure(figsize=(9, 4.6), layout='constrained')
    values = np.linspace(-2, 2, 9)
    image = images[start][None].astype(np.float32) / 255
    for axes, (name, params) in zip(figure.subplots(1, 2), models.items()):
        order, kl = by_kl(params, images)
        code = np.asarray(encode(params, image)[0])
        rows = []
        for latent in order[:shown]:
            codes = np.repeat(code, len(values), axis=0)
            codes[:, latent] = values
            tiles = jax.nn.sigmoid(decode(params, codes))
            rows.append(np.hstack(tiles.reshape(-1, PIXELS, PIXELS)))
        axes.imshow(np.vstack(rows), cmap='gray', vmin=0, vmax=1)
        axes.set_title(f'{name} TopDis')
        axes.set_yticks(PIXELS * (np.arange(shown) + 0.5),
                        [f'latent {i}\n{kl[i]:.1f} nats'
                         for i in order[:shown]], fontsize=8)
        axes.set_xticks([PIXELS / 2, PIXELS * (len(values) - 0.5)],
                        ['-2', '+2'])
    figure.savefig(path, dpi=110, bbox_inches='tight')


def plot_known(path, known, models, names, images):
    """What each latent knows of each factor, a share of its entropy."""
    figure = Figure(figsize=(8, 3.6), layout='constrained')
    most = max(table.max() for table in known.values())
    for axes, (name, table) in zip(figure.subplots(1, 2), known.items()):
        order, _ = by_kl(models[name], images)
        picture = axes.imshow(table[order], vmin=0, vmax=most, cmap='viridis',
                              aspect='auto')
        axes.set_title(f'{name} TopDis')
        axes.set_xticks(range(len(names)), names, rotation=30)
        axes.set_yticks(range(LATENTS), order)
        axes.set_ylabel('latent')
    figure.colorbar(picture, ax=figure.axes,
                    label='mutual information / entropy')
    figure.savefig(path, dpi=110, bbox_inches='tight')


def plot_shift(path, params, images, shown=10):
    """Decoded images of one batch before and after a shift, by latent."""
    order, _ = by_kl(params, images)
    rows = np.random.default_rng(1).choice(len(images), BATCH, replace=False)
    z, _ = encode(params, images[rows].astype(np.float32) / 255)
    latent = int(order[0])
    shifted, valid, _ = losses.latent_shift(
        z, jax.random.key(0), shift=SHIFT,
        weights=np.arange(LATENTS) == latent)
    kept = np.flatnonzero(valid)[:shown]
    figure = Figure(figsize=(8, 2), layout='constrained')
    axes = figure.subplots()
    axes.imshow(np.vstack([
        np.hstack(jax.nn.sigmoid(decode(params, codes[kept])).reshape(
            -1, PIXELS, PIXELS)) for codes in (z, shifted)]), cmap='gray')
    axes.set_yticks([PIXELS / 2, PIXELS * 1.5],
                    ['before', f'latent {latent}\nshifted'])
    axes.set_xticks([])
    figure.savefig(path, dpi=110, bbox_inches='tight')


def run(seeds, steps, delay, points, out):
    dataset = data.load('sprites_small')
    images = np.asarray(dataset.images).reshape(len(dataset), -1)
    os.makedirs(out, exist_ok=True)
    results, models, known = {}, {}, {}
    for seed in seeds:
        results[seed], models[seed], known[seed] = {}, {}, {}
        for name, weight in MODELS.items():
            params = train(seed, jnp.asarray(images), weight, steps, delay)
            models[seed][name] = params
            scores, known[seed][name] = score(params, dataset, images, points)
            results[seed][name] = scores
            print(f'seed {seed}, {name:<8}' + '  '.join(
                f'{key} {value:.3f}' for key, value in scores.items()),
                flush=True)
    with open(os.path.join(out, 'tutorial.json'), 'w') as file:
        json.dump(results, file, indent=1)
        file.write('\n')
    ranked = sorted(seeds, key=lambda seed: results[seed]['with']['mig'])
    shown = ranked[len(seeds) // 2]
    print(f'Pictures of seed {shown}, the median by its MIG with the loss')
    plot(out, dataset, images, models[shown], known[shown])


def plot(out, dataset, images, models, known):
    path = functools.partial(os.path.join, out)
    # A large heart in the middle, turned a little.
    start = int(dataset.index_of([[2, 5, 1, 8, 8]])[0])
    plot_shift(path('tutorial_shift.png'), models['without'], images)
    plot_traversals(path('tutorial_traversals.png'), models, images, start)
    plot_known(path('tutorial_known.png'), known, models,
               dataset.factor_names, images)


if __name__ == '__main__':
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('--seeds', default='0,1,2,3,4')
    parser.add_argument('--steps', type=int, default=STEPS)
    parser.add_argument('--delay', type=int, default=DELAY)
    parser.add_argument('--points', type=int, default=15_000,
                        help='images that scores are of')
    parser.add_argument('--out', default=os.path.join(
        os.path.dirname(os.path.abspath(__file__)), 'images'))
    args = parser.parse_args()
    run([int(seed) for seed in args.seeds.split(',')], args.steps, args.delay,
        args.points, args.out)
