"""A small run, for the tests of training."""

import jax
import numpy as np

from experiments.configs import base
from topdis_jax.data.factors import FactorDataset
from topdis_jax.training import families, state as states, steps

SHAPE = (8, 8, 1)
# The discriminator of images takes no smaller ones.
SHAPES = {'dava': (32, 32, 1)}


def config(family='vae', **changes):
    """A configuration of a tiny network.

    Changes are given as topdis__weight=0, or seed=1.
    """
    config = base.get_config(family)
    config.model.network = 'mlp'
    config.model.latents = 3
    config.model.hidden = (16,)
    config.model.decoder_hidden = (16,)
    if family == 'factor_vae':
        config.objective.discriminator_hidden = (16, 16)
    config.topdis.delay = 0
    config.topdis.fresh = False
    config.train.batch_size = 16
    config.train.learning_rate = 1e-3
    config.eval.scores = ('mig',)
    for key, value in changes.items():
        config.update_from_flattened_dict({key.replace('__', '.'): value})
    return config


def batch(size=16, seed=0, devices=None, image_shape=SHAPE):
    """Batches of uint8 images [b, h, w, c] (or [devices, b, h, w, c])."""
    rng = np.random.default_rng(seed)
    shape = (size, *image_shape)
    if devices is not None:
        shape = (devices, size // devices, *image_shape)
    return {name: rng.integers(0, 256, shape, dtype=np.uint8)
            for name in ('images', 'second')}


def blobs():
    """64 images of a blob, from its place and its brightness."""
    row, column, level = np.indices((4, 4, 4)).reshape(3, -1)
    y, x = np.indices((8, 8))[:, None]
    blob = np.exp(-((y - 2 - row[:, None, None]) ** 2
                    + (x - 2 - column[:, None, None]) ** 2) / 2)
    images = blob * (100 + 50 * level[:, None, None])
    return FactorDataset(
        name='blobs', images=images.astype(np.uint8)[..., None],
        factor_names=('row', 'column', 'level'), factor_sizes=(4, 4, 4))


_known = {}  # first states


def make(config, *, topdis=True, axis_name=None, optimizer=None):
    """(state, step function) of a configuration."""
    model = states.make_model(
        config, SHAPES.get(config.model.family, SHAPE))
    objective = families.make_objective(config, 1000, axis_name)
    optimizer = optimizer or states.make_optimizer(config)
    step = steps.make_step(config, model, objective, optimizer, topdis=topdis,
                           axis_name=axis_name)
    state = _initial(config, model, objective)
    return state._replace(opt_state=optimizer.init(state.params)), step


def _initial(config, model, objective):
    """The first state, made once for all that differ in these parts alone."""
    key = str([(name, part) for name, part in config.items()
               if name not in ('topdis', 'eval', 'data')])
    if key not in _known:
        _known[key] = states.create_state(config, model, objective)
    return jax.tree.map(lambda x: x, _known[key])
