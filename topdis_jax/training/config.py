"""Every key of a configuration, once, with its check; then all checks.

The keys of the section `objective` are those of the run's family alone: see
its file in families/. The files of experiments/configs change values.
"""

import math
from typing import Any

import jax
import jax.numpy as jnp
import ml_collections

from topdis_jax import models
from topdis_jax.data import correlation, sources
from topdis_jax.data.factors import FactorDataset
from topdis_jax.losses import divergences
from topdis_jax.losses.topdis import LEAST_POINTS
from topdis_jax.topology.divergences import FORMS
from topdis_jax.topology.engines import xla
from topdis_jax.topology.engines.primitive import ENGINES
from topdis_jax.training import families
from topdis_jax.training import state as states
from topdis_jax.training.keys import AT_LEAST_ONE, BETWEEN, FRACTION, Key
from topdis_jax.training.keys import one_of, POSITIVE, require
from topdis_jax.training.keys import SettingsError, SIZES, some_of
from topdis_jax.training.keys import zero_or_more

ONLY_AT_THE_END = zero_or_more('stands for the last step alone')

KEYS: dict[str, Any] = {
    # As the authors' release, also where this package departs from it on
    # purpose: see `resolve` and docs/published.md.
    'published': Key(False),
    # The scores' generator takes 32 bits, of this seed and the next.
    'seed': Key(0, 'lie in [0, 2^32 - 2]', lambda v: 0 <= v < 2**32 - 1),
    'data': {
        'name': Key('sprites_small'),
        # The folder of a downloaded data set's files, or the file itself.
        'root': Key(''),
        # 'file': the published files; 'tfds': TensorFlow Datasets; 'auto': the
        # first that is there, in the order of data.load (sources.py).
        'source': Key('auto', *one_of(sources.SOURCES)),
        # Whether 'auto' may download.
        'download': Key(True),
        # Factors that go together in training, not in the scores: pairs with
        # the standard deviation of their difference: (('x', 'y', 0.2),).
        'correlation': Key(()),
    },
    'model': {
        # A name in families.FAMILIES. Chosen by --config=FILE:FAMILY, which
        # also chooses the keys of `objective`.
        'family': Key('vae', *one_of(families.FAMILIES,
                                     '--config=FILE:FAMILY')),
        # 'conv': the published convolutional network; 'mlp'.
        'network': Key('conv', *one_of(models.NETWORKS)),
        'latents': Key(10, *AT_LEAST_ONE),
        # Of the convolutional network: channels of the stride-2 layers; () is
        # 32, 32, 64, 64 for images of 64 x 64, and fewer or more layers where
        # sides are other multiples of 16.
        'channels': Key((), *SIZES),
        # ... and size of the layer next to the latents; 0 is 128 for gray
        # images and 256 for colored ones.
        'width': Key(0, *zero_or_more('takes the default')),
        # Of the MLP: sizes of the hidden layers.
        'hidden': Key((1200, 1200), *SIZES),
        'decoder_hidden': Key((1200, 1200, 1200), *SIZES),
    },
    'objective': {},  # the family's keys
    'topdis': {
        # Weight of the topological loss; 0 turns it off.
        'weight': Key(5.0, *zero_or_more('turns the loss off')),
        # Steps before it is turned on; below train.steps.
        'delay': Key(100_000, *zero_or_more('has it from the first step')),
        # Probability by which codes are moved along a latent.
        'shift': Key(0.125, *BETWEEN),
        # Codes whose probability comes nearer than this to 0 or 1 are left
        # out; 0 as published.
        'margin': Key(1e-3, 'lie in [0, 0.5)', lambda v: 0 <= v < 0.5),
        # What compares the two clouds: a name in losses/divergences.py;
        # 'rtd' is published.
        'divergence': Key('rtd', *one_of(divergences.BY_NAME)),
        # Exponent of the bars' lengths, 1 or more.
        'power': Key(1.0, *AT_LEAST_ONE),
        # Of RTD: 'min', 'max' or both.
        'forms': Key(('min', 'max'), *some_of(FORMS)),
        # Bars of each barcode that count, the longest.
        'num_bars': Key(50, *AT_LEAST_ONE),
        # Quantile of the distances that they are divided by.
        'quantile': Key(0.9, *FRACTION),
        # ... but by this share of the largest distance at least, for batches
        # of which nearly all images coincide; 0 as published.
        'floor': Key(0.05, *FRACTION),
        # Sampled codes, or (False) the means of the posteriors.
        'sample': Key(True),
        # A sample of its own, as published; False takes the sample and the
        # reconstructions that the batch has anyway, which saves a decoding.
        'fresh': Key(True),
        # Latents drawn by the norm of the decoder's weights that read them, or
        # (False) uniformly.
        'weighted': Key(True),
        # Keep its gradient from working against the reconstruction's.
        'orthogonalize': Key(False),
        # Where barcodes are computed: 'host', 'xla', or 'auto': the host on
        # CPUs, above 128 images on GPUs and above 256 on TPUs, else XLA. The
        # rule is _implementation in topology/engines/primitive.py.
        'engine': Key('auto', *one_of(ENGINES)),
        # Generators that engine 'xla' has room for; 0: four for each image,
        # but at least 32.
        'capacity': Key(0, *zero_or_more('takes the default')),
    },
    'train': {
        'steps': Key(1_000_000, *AT_LEAST_ONE),
        # Over all devices together.
        'batch_size': Key(64, *AT_LEAST_ONE),
        'learning_rate': Key(1e-4, *POSITIVE),
        # A step whose loss or gradient is not finite changes nothing and is
        # counted, in the log as `skipped`; False: it ends the run.
        'skip_nonfinite': Key(False),
        # In steps; 0: only at the end.
        'log_every': Key(100, *ONLY_AT_THE_END),
        'checkpoint_every': Key(5000, *ONLY_AT_THE_END),
        'eval_every': Key(250_000, *ONLY_AT_THE_END),
        # Whether the log and pictures go to TensorBoard as well, in the work
        # folder's `tensorboard`; needs the extra of that name.
        'tensorboard': Key(False),
    },
    'eval': {
        # Names of rows of topdis_jax/metrics/table.py. The first of them says
        # which checkpoint is the best.
        'scores': Key(('mig', 'factor_vae', 'sap', 'dci')),
        # Images encoded at once.
        'batch_size': Key(256, *AT_LEAST_ONE),
    },
}

# What config.published sets.
PUBLISHED: dict[str, Any] = {
    'topdis.margin': 0.0, 'topdis.floor': 0.0, 'topdis.fresh': True}

# 32-bit integers index the entries of a matrix of distances.
_MOST_POINTS = math.isqrt(2 ** 31 - 1)


def default(family: str = 'vae') -> ml_collections.ConfigDict:
    """All keys at their defaults, with those of a family.

    Of an unknown family, which `check` names, there are none.
    """
    def values(keys):
        return {name: key.default if isinstance(key, Key) else values(key)
                for name, key in keys.items()}

    config = ml_collections.ConfigDict(values(KEYS))
    config.model.family = family
    if family in families.FAMILIES:
        described = families.FAMILIES[family]
        config.objective = values(described.keys)
        config.update_from_flattened_dict(described.changes)
    return config


def resolve(config: ml_collections.ConfigDict) -> ml_collections.ConfigDict:
    """Sets the keys that `config.published` stands for.

    These are topdis.margin = 0, topdis.floor = 0 and topdis.fresh = True. What
    it changes besides has no key of its own: see families.Release, and the
    families ControlVAE and DAVA.

    Returns:
      The same configuration, changed in place.

    Raises:
      SettingsError: a key was given a third value.
    """
    if config.published:
        for key, value in PUBLISHED.items():
            section, name = key.split('.')
            _check_published(config, key, (KEYS[section][name].default, value))
            config[section][name] = value
    return config


def _check_published(config, key, known):
    """A number of one's own would be lost without a word."""
    require(config, key, f'be {known[1]} with config.published, which replaces '
            f'the default {known[0]}; any other value needs '
            '--config.published=False',
            lambda value: isinstance(value, bool) or value in known)


def check(config: ml_collections.ConfigDict, devices: int) -> None:
    """Checks a configuration before anything is started or written.

    Args:
      config: as `default` makes it.
      devices: how many devices the batch is spread over.

    Raises:
      SettingsError: names the key, what it holds and what it may.
    """
    _check_keys(config, KEYS)
    family = families.FAMILIES[config.model.family]
    _check_objective(config, family.keys)
    _check_keys(config, family.keys, 'objective.')
    _check_delay(config)
    _check_topdis(config.topdis)
    _check_batch(config, devices)
    family.check(config)


def _check_keys(config, keys, prefix=''):
    for name, key in keys.items():
        if isinstance(key, Key):
            require(config, prefix + name, key.must, key.holds, key.names)
        else:
            _check_keys(config, key, f'{prefix}{name}.')


def _check_objective(config, keys):
    """The section must be the family's: of another it would mean nothing."""
    name, received = config.model.family, config.objective.keys()
    wrong = [f'no {key}' for key in sorted(keys.keys() - received)]
    wrong += [f'a key {key}' for key in sorted(received - keys.keys())]
    if wrong:
        raise SettingsError(
            f'config.objective must have the keys of config.model.family, '
            f'received {name!r} and {", ".join(wrong)}. A family comes '
            f'with its keys where the configuration is chosen: '
            f'--config=FILE:{name}')


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


def _check_topdis(options):
    """Keys that make sense alone and none together."""
    if options.shift + options.margin >= 1:
        raise SettingsError(
            'config.topdis.shift and config.topdis.margin must add up to less '
            f'than 1, received {options.shift:g} and {options.margin:g}: no '
            'code would have a target, and the loss would always be 0')
    if options.quantile == 0 and options.floor == 0:
        raise SettingsError(
            'config.topdis.quantile must be positive where config.topdis.floor '
            'is 0, received 0: distances would be divided by the least of '
            'them')


def _check_batch(config, devices):
    require(config, 'train.batch_size', 'be divisible by the number of '
            f'devices, {devices}', lambda size: size % devices == 0)
    if config.topdis.weight == 0:
        return
    require(config, 'train.batch_size', f'be at most {_MOST_POINTS} with '
            'config.topdis.weight above 0: the distances of a larger batch '
            'cannot be indexed', lambda size: size <= _MOST_POINTS)
    if config.topdis.engine == 'xla':
        require(config, 'train.batch_size', f'be at most {xla.MAX_POINTS} for '
                "config.topdis.engine 'xla'",
                lambda size: size <= xla.MAX_POINTS)


def warnings(config: ml_collections.ConfigDict) -> list[str]:
    """Lines on what a sound configuration may do unasked."""
    lines = families.FAMILIES[config.model.family].warnings(config)
    size, topdis = config.train.batch_size, config.topdis
    if topdis.weight > 0 and size < LEAST_POINTS:
        return [*lines, (
            f'config.train.batch_size of {size}: the topological loss is '
            f'always 0, as it needs {LEAST_POINTS} images at least')]
    valid = size * (1 - topdis.shift - topdis.margin)
    if topdis.weight > 0 and valid < LEAST_POINTS:
        return [*lines, (
            f'config.topdis.shift of {topdis.shift:g}: the topological loss is '
            f'0 in most steps, as it needs {LEAST_POINTS} images, and of a '
            f'batch of {size} about {valid:.1f} have a target')]
    return lines


def check_dataset(config: ml_collections.ConfigDict,
                  dataset: FactorDataset) -> None:
    """Checks what a configuration asks of a data set.

    Raises:
      SettingsError: a network cannot take its images.
      DataError: correlated factors that it does not have.
    """
    correlation.sampler(dataset, config.data.correlation)
    image_shape = dataset.image_shape
    model = states.make_model(config, image_shape)
    objective = families.make_objective(config, dataset_size=1)
    images = jnp.zeros((1, *image_shape))
    for key, init in (('network', model.init), ('family', objective.init)):
        try:
            jax.eval_shape(init, jax.random.key(0), images)
        except ValueError as error:
            raise SettingsError(
                f'config.model.{key} {config.model[key]!r} cannot take the '
                f'images of {config.data.name}: {error}') from error
