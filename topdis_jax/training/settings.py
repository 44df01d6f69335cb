"""Checks of a configuration before anything is started or written."""

import math

import jax
import jax.numpy as jnp

from topdis_jax import models
from topdis_jax.data import correlation
from topdis_jax.losses import adversarial, control, topdis
from topdis_jax.losses import total_correlation
from topdis_jax.topology.divergences import FORMS
from topdis_jax.topology.engines import xla
from topdis_jax.topology.engines.primitive import ENGINES
from topdis_jax.training import families
from topdis_jax.training import state as states

_AT_LEAST_ONE = ('model.latents', 'objective.kl_rise_every',
                 'objective.capacity_threshold', 'topdis.num_bars',
                 'train.steps', 'train.batch_size', 'eval.batch_size')
_NOT_NEGATIVE = ('model.width', 'objective.beta', 'objective.gamma',
                 'topdis.weight', 'topdis.capacity', 'topdis.delay',
                 'train.log_every', 'train.checkpoint_every',
                 'train.eval_every')
_POSITIVE = ('train.learning_rate', 'objective.discriminator_learning_rate',
             'objective.max_grad_norm')


# 32-bit integers index the entries of a matrix of distances.
_MOST_POINTS = math.isqrt(2 ** 31 - 1)


class SettingsError(ValueError):
    """A configuration that cannot be run."""


def check(config, devices):
    """Raises SettingsError, naming the key, what it holds and what it may.

    Args:
      config: ml_collections.ConfigDict, see experiments/configs/base.py.
      devices: how many devices the batch is spread over.
    """
    for key in _AT_LEAST_ONE:
        _require(config, key, lambda v: v >= 1, 'be at least 1')
    for key in _NOT_NEGATIVE:
        _require(config, key, lambda v: v >= 0, 'not be negative')
    # The scores' generator takes 32 bits, of this seed and the next.
    _require(config, 'seed', lambda v: 0 <= v < 2**32 - 1,
             'lie in [0, 2^32 - 2]')
    for key in _POSITIVE:
        _require(config, key, lambda v: v > 0, 'be positive')
    _require(config, 'objective.capacity_degree',
             lambda v: v >= 0 and v % 2 == 0, 'be 0 or even')
    _require(config, 'objective.confidence', lambda v: 0 < v < 1,
             'lie in (0, 1)')
    _require(config, 'objective.label_smoothing', lambda v: 0 <= v <= 1,
             'lie in [0, 1]')
    _require(config, 'topdis.shift', lambda v: 0 < v < 1, 'lie in (0, 1)')
    _require(config, 'topdis.margin', lambda v: 0 <= v < 0.5,
             'lie in [0, 0.5)')
    _require(config, 'topdis.quantile', lambda v: 0 <= v <= 1, 'lie in [0, 1]')
    _require(config, 'topdis.floor', lambda v: 0 <= v <= 1, 'lie in [0, 1]')
    _require(config, 'topdis.power', lambda v: v >= 1, 'be at least 1')
    _require(config, 'topdis.forms', lambda v: v and not set(v) - set(FORMS),
             f'be taken from {", ".join(FORMS)}')
    _require_name(config, 'model.network', models.NETWORKS)
    _require_name(config, 'model.family', families.FAMILIES)
    _require_name(config, 'objective.tc_estimator',
                  total_correlation.ESTIMATORS)
    _require_name(config, 'objective.resampling', adversarial.RESAMPLINGS)
    _require_name(config, 'topdis.engine', ENGINES)
    _require_name(config, 'topdis.divergence', topdis.DIVERGENCES)
    _check_delay(config)
    _require(config, 'train.batch_size', lambda v: v % devices == 0,
             f'be divisible by the number of devices, {devices}')
    if config.topdis.weight > 0:
        _require(config, 'train.batch_size', lambda v: v <= _MOST_POINTS,
                 f'be at most {_MOST_POINTS} with config.topdis.weight above '
                 '0: the distances of a larger batch cannot be indexed')
    if config.topdis.engine == 'xla' and config.topdis.weight > 0:
        _require(config, 'train.batch_size',
                 lambda v: v <= xla.MAX_POINTS,
                 f'be at most {xla.MAX_POINTS} for '
                 "config.topdis.engine 'xla'")
    if config.model.family == 'beta_tcvae' and (
            config.objective.tc_estimator == 'stratified'):
        _require(config, 'train.batch_size', lambda v: v >= 2,
                 "be at least 2 for config.objective.tc_estimator 'stratified'")


def _check_delay(config):
    """A loss that is asked for must come into play."""
    weight, delay = config.topdis.weight, config.topdis.delay
    steps = config.train.steps
    if weight > 0 and delay >= steps:
        raise SettingsError(
            f'config.topdis.delay must be below config.train.steps, received '
            f'{delay} and {steps}: with a config.topdis.weight of {weight:g} '
            'the topological loss would never be turned on. Give a smaller '
            'delay (--config.topdis.delay=0: on from the first step), more '
            'steps, or --config.topdis.weight=0')


def warnings(config):
    """What a configuration that can be run may do unasked: a list of lines."""
    options = config.objective
    start = min(options.kl_start, options.kl_stop)
    most = control.largest_start(options.proportional, options.integral)
    if config.model.family != 'control_vae' or start < most:
        return []
    return [
        f'Warning: the set point of the KL starts at {start:g} nats '
        "(config.objective.kl_start), and ControlVAE's controller, as "
        'published, freezes with a weight of 1 for the KL to the end of the '
        'run if that is proportional / -integral = '
        f'{most:.3g} nats or more above the KL of the untrained network, '
        'which is near 0. Start lower, and let it rise '
        '(config.objective.kl_rise)']


def check_dataset(config, dataset):
    """Checks what a configuration asks of a FactorDataset.

    Raises:
      SettingsError: a network cannot take its images.
      DataError: correlated factors that it does not have.
    """
    correlation.sampler(dataset, config.data.correlation)
    image_shape = dataset.image_shape
    model = states.make_model(config, image_shape)
    family = families.make_family(config, dataset_size=1)
    images = jnp.zeros((1, *image_shape))
    for key, init in (('network', model.init), ('family', family.init)):
        try:
            jax.eval_shape(init, jax.random.key(0), images)
        except ValueError as error:
            raise SettingsError(
                f'config.model.{key} {config.model[key]!r} cannot take the '
                f'images of {config.data.name}: {error}') from error


def _require_name(config, key, names):
    _require(config, key, lambda v: v in names,
             'be one of ' + ', '.join(names))


def _require(config, key, holds, expected):
    value = config
    for name in key.split('.'):
        value = value[name]
    if not holds(value):
        raise SettingsError(
            f'config.{key} must {expected}, received {value!r}')
