"""The parts of `device`: each yields (name, function that yields rows)."""

import functools

import jax
import jax.numpy as jnp
import numpy as np

from experiments.benchmarks import candidates as steps
from experiments.benchmarks import timing
from experiments.configs import sprites
from topdis_jax import losses, topology
from topdis_jax.losses import divergences
from topdis_jax.topology.engines import xla
from topdis_jax.training import compilation

_ENGINES = ('host', 'xla')
# Gradients of two devices differ by rounding, relative to their norm.
_TOLERANCE = 1e-3


def _engines(divergence):
    """Those that a divergence can be computed by; '' for no barcodes."""
    return ('',) if divergence == 'rtd_lite' else _ENGINES


def checks(sizes, batches):
    """Results against those of the CPU."""
    del batches
    for n in sizes:
        for engine in _ENGINES:
            yield (f'bars of engine {engine}, n = {n}',
                   functools.partial(_check_bars, n, engine))
    for divergence in divergences.BY_NAME:
        for engine in _engines(divergence):
            yield (f'gradient of {divergence} {engine}',
                   functools.partial(_check_gradient, divergence, engine))


def _distances(n):
    """Two matrices [n, n] of a cloud and its copy with noise."""
    rng = np.random.default_rng(n)
    x = rng.normal(size=(n, 10)).astype(np.float32)
    return [np.asarray(topology.pairwise_distances(cloud))
            for cloud in (x, x + rng.normal(size=x.shape).astype(np.float32))]


def _check_bars(n, engine):
    if engine == 'xla' and n > xla.MAX_POINTS:
        return
    x, y = _distances(n)
    lower, mask = np.minimum(x, y), np.arange(n) % 7 > 0

    def bars(engine):
        return jax.jit(lambda low, high: topology.relative_barcode(
            low, high, mask=mask, num_bars=n, engine=engine))(lower, x)

    with jax.default_device(jax.devices('cpu')[0]):
        expected = jax.device_get(bars('host'))
    found = jax.device_get(bars(engine))
    right = all(map(np.array_equal, found, expected))
    difference = max(float(np.max(np.abs(a - b), initial=0))
                     for a, b in zip(found[:2], expected[:2]))
    yield {'what': 'bars', 'of': f'n = {n}', 'engine': engine,
           'difference': difference, 'right': right}


def _check_gradient(divergence, engine):
    rng = np.random.default_rng(0)
    layers = [rng.normal(size=size).astype(np.float32) / 8
              for size in ((10, 64), (64, 1024))]
    codes = rng.normal(size=(64, 10)).astype(np.float32)

    def loss(layers):
        def decode(z):
            return jax.nn.sigmoid(jnp.tanh(z @ layers[0]) @ layers[1])
        return losses.topdis_loss(decode, codes, jax.random.key(0),
                                  divergence=divergence,
                                  engine=engine or 'auto')[0]

    with jax.default_matmul_precision('highest'):
        found = jax.device_get(jax.jit(jax.grad(loss))(layers))
        with jax.default_device(jax.devices('cpu')[0]):
            expected = jax.device_get(jax.jit(jax.grad(loss))(layers))
    difference = float(_norm([a - b for a, b in zip(found, expected)])
                       / _norm(expected))
    yield {'what': 'gradient', 'of': divergence, 'engine': engine,
           'difference': difference, 'right': difference < _TOLERANCE}


def _norm(arrays):
    return np.sqrt(sum(np.sum(np.square(x)) for x in arrays))


def barcodes(sizes, batches):
    """RTD's four barcodes by each engine; RTD-Lite."""
    del batches
    for n in sizes:
        yield f'n = {n}', functools.partial(_time_barcodes, n)


def _time_barcodes(n):
    matrices = jax.device_put(_distances(n))
    calls = {('rtd', engine): functools.partial(topology.rtd, engine=engine)
             for engine in _ENGINES if engine == 'host' or n <= xla.MAX_POINTS}
    calls['rtd_lite', ''] = topology.rtd_lite
    for (name, engine), function in calls.items():
        call = jax.jit(function).lower(*matrices).compile()
        seconds = timing.medians(
            {'': lambda: jax.block_until_ready(call(*matrices))}, rounds=5)['']
        yield {'n': n, 'divergence': name, 'engine': engine,
               'ms': 1e3 * seconds}


_NETWORKS = {'mlp': (32, 32, 1), 'conv': (64, 64, 3)}


def training_steps(sizes, batches):
    """Steps of a beta-VAE, without the loss and with it."""
    del sizes
    for size in batches:
        for network in _NETWORKS:
            yield (f'{network}, batch {size}',
                   functools.partial(_time_steps, network, size))


def _config(network, size, **topdis):
    config = sprites.get_config('beta_vae')
    config.model.network = network
    config.train.batch_size = size
    config.topdis.update(topdis)
    return config


def _batches(network, size):
    rng = np.random.default_rng(0)
    return [{'images': jax.device_put(rng.integers(
        0, 256, (size, *_NETWORKS[network]), np.uint8))} for _ in range(4)]


def _time_steps(network, size):
    batches = _batches(network, size)
    found = _step_candidates(network, size)
    first = found['none', '']  # all have states of the same shapes
    for name, step in compilation.compile_all(
            {name: some.step for name, some in found.items()}, first.state,
            batches[0]).items():
        found[name].step = step
    steps.measure(found, batches, steps_a_round=20, rounds=5, round_seconds=1)
    off = found['none', ''].median()
    for (name, engine), candidate in found.items():
        if engine == 'fixed':
            continue
        time, fixed = candidate.median(), found.get((name, 'fixed'))
        yield {'network': network, 'batch': size, 'divergence': name,
               'engine': engine, 'ms': time, 'ratio': time / off,
               'persistence': None if fixed is None
               else f'{1 - fixed.median() / time:.0%}',
               'MB': round(steps.memory(candidate) / 1e6)}


def _step_candidates(network, size):
    """Candidates by (divergence, engine); 'fixed' has bars of no engine."""
    def candidate(topdis=True, patches=(), **options):
        # Each its own: a step reads its configuration when it is traced.
        return steps.make(_config(network, size, **options),
                          _NETWORKS[network], topdis=topdis, patches=patches)

    found = {('none', ''): candidate(topdis=False)}
    for name in divergences.BY_NAME:
        for engine in _engines(name):
            found[name, engine] = candidate(divergence=name,
                                            engine=engine or 'auto')
        if name != 'rtd_lite':
            found[name, 'fixed'] = candidate(divergence=name,
                                             patches=[steps.fixed_bars()])
    found['rtd, orthogonalized', 'auto'] = candidate(orthogonalize=True)
    return found


def devices(sizes, batches):
    """Images a second on some of the devices, and on all."""
    del sizes, batches
    count = 1
    while count <= jax.device_count():
        yield f'{count} devices', functools.partial(_images_a_second, count)
        count *= 2


def _images_a_second(count):
    for network in _NETWORKS:
        size = 64 * count
        batches = [{'images': batch['images'].reshape(
            count, 64, *_NETWORKS[network])}
            for batch in _batches(network, size)]
        config = _config(network, size)
        candidate = steps.make(config, _NETWORKS[network], topdis=True,
                               devices=jax.devices()[:count])
        steps.measure({'': candidate}, batches, 20, 5, round_seconds=2)
        yield {'devices': count, 'network': network, 'batch': size,
               'ms': candidate.median(),
               'images a second': 1e3 * size / candidate.median()}


PARTS = {'checks': checks, 'barcodes': barcodes, 'steps': training_steps,
         'devices': devices}
