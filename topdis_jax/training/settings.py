"""Checks of a configuration before anything is started or written."""

from topdis_jax.training import families

_AT_LEAST_ONE = ('model.latents', 'topdis.num_bars', 'train.steps',
                 'train.batch_size', 'eval.batch_size')
_NOT_NEGATIVE = ('topdis.weight', 'topdis.delay', 'train.log_every',
                 'train.checkpoint_every', 'train.eval_every')


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
    _require(config, 'train.learning_rate', lambda v: v > 0, 'be positive')
    _require(config, 'topdis.shift', lambda v: 0 < v < 1, 'lie in (0, 1)')
    _require(config, 'topdis.margin', lambda v: 0 <= v < 0.5,
             'lie in [0, 0.5)')
    _require(config, 'topdis.quantile', lambda v: 0 <= v <= 1, 'lie in [0, 1]')
    _require(config, 'topdis.power', lambda v: v >= 1, 'be at least 1')
    _require(config, 'model.network', lambda v: v in ('conv', 'mlp'),
             "be 'conv' or 'mlp'")
    _require(config, 'model.family', lambda v: v in families.FAMILIES,
             'be one of ' + ', '.join(families.FAMILIES))
    _require(config, 'train.batch_size', lambda v: v % devices == 0,
             f'be divisible by the number of devices, {devices}')


def _require(config, key, holds, expected):
    section, name = key.split('.')
    value = config[section][name]
    if not holds(value):
        raise SettingsError(
            f'config.{key} must {expected}, received {value!r}')
