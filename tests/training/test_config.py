"""Configurations: the shipped ones are sound, bad ones are told apart."""

import glob
import importlib
import math
import os
import re

import numpy as np
import pytest

from experiments.configs import base, sprites
from tests.helpers.places import ROOT
from topdis_jax.data.errors import DataError
from topdis_jax.data.factors import FactorDataset
from topdis_jax.training import config as configs
from topdis_jax.training import families

NAMES = sorted(
    os.path.basename(path)[:-3]
    for path in glob.glob(os.path.join(os.path.dirname(base.__file__), '*.py'))
    # The study's is one of many runs, see tests/experiments/test_study.py.
    if not path.endswith(('__init__.py', 'study.py')))


@pytest.mark.parametrize('name', NAMES)
def test_shipped_configurations(name):
    module = importlib.import_module(f'experiments.configs.{name}')
    config = module.get_config()
    configs.check(config, devices=4)
    assert config.model.family in families.FAMILIES
    # Every key comes from the base file.
    assert _keys(config) == _keys(base.get_config(config.model.family))
    assert module.get_config('beta_vae').model.family == 'beta_vae'


def _keys(config):
    return {f'{section}.{key}' for section in config
            if hasattr(config[section], 'keys') for key in config[section]}


_WITH = {'tc_estimator': 'beta_tcvae', 'gamma': 'factor_vae',
         'kl_rise_every': 'control_vae', 'kl_start': 'control_vae',
         'discriminator_hidden': 'factor_vae', 'capacity': 'dava',
         'encoder_weight': 'dava',
         'discriminator_learning_rate': 'factor_vae'}


@pytest.mark.parametrize('key,value,message', [
    ('model.family', 'gan', 'vae, beta_vae.*gan'),
    ('model.network', 'rnn', 'conv, mlp.*rnn'),
    ('objective.tc_estimator', 'exact', 'weighted, stratified.*exact'),
    ('objective.gamma', -1.0, 'not be negative'),
    ('topdis.engine', 'gpu', 'auto, host.*gpu'),
    ('model.latents', 0, 'at least 1.*0'),
    ('train.batch_size', 62, 'divisible by the number of devices, 4.*62'),
    ('model.width', -3, 'not be negative'),
    ('model.channels', (32, 0), r'at least 1, received \(32, 0\)'),
    ('objective.kl_rise_every', 0, 'at least 1'),
    ('objective.discriminator_learning_rate', 0.0, 'positive'),
    ('train.learning_rate', -1.0, 'positive'),
    ('train.steps', 0, 'at least 1'),
    ('train.eval_every', -1, 'not be negative'),
    ('topdis.weight', -1.0, 'not be negative'),
    ('topdis.shift', 1.0, r'\(0, 1\)'),
    ('model.hidden', (0,), r'at least 1, received \(0,\)'),
    ('model.decoder_hidden', (4, -4), 'whole numbers of at least 1'),
    ('objective.discriminator_hidden', (1.5,), 'whole numbers'),
    ('topdis.weight', math.inf, 'be a finite number, received inf'),
    ('topdis.power', math.inf, 'finite'),
    ('train.learning_rate', math.inf, 'finite'),
    ('objective.kl_start', math.nan, 'finite'),
    ('objective.capacity', math.nan, 'finite'),
    ('objective.encoder_weight', -1.0, 'not be negative'),
    ('topdis.margin', 0.5, r'\[0, 0.5\)'),
    ('topdis.quantile', 1.5, r'\[0, 1\]'),
    ('topdis.floor', -0.1, r'\[0, 1\]'),
    ('topdis.num_bars', 0, 'at least 1'),
    ('topdis.forms', ('mean',), 'min.*max.*mean'),
    ('topdis.forms', (), 'min.*max'),
])
def test_messages(key, value, message):
    section, name = key.split('.')
    config = base.get_config(_WITH.get(name, 'vae'))
    config[section][name] = value
    with pytest.raises(configs.SettingsError, match=message) as error:
        configs.check(config, devices=4)
    assert str(error.value).startswith(f'config.{key} must ')


@pytest.mark.parametrize('key,value,message', [
    ('model.family', 'beta_vea', 'given as --config=FILE:FAMILY, received '
     "'beta_vea'. Did you mean beta_vae\\?"),
    ('model.network', 'cnv', 'Did you mean conv\\?'),
    ('model.network', 'elephant', "received 'elephant'$"),
    ('topdis.forms', ('min', 'maxx'), 'Did you mean max\\?'),
    ('topdis.weight', -1.0, '0 turns the loss off'),
    ('train.eval_every', -1, '0 stands for the last step alone')])
def test_messages_say_what_to_do(key, value, message):
    config = base.get_config()
    config.update_from_flattened_dict({key: value})
    with pytest.raises(configs.SettingsError, match=message):
        configs.check(config, devices=4)


def test_batches_of_too_few_images_are_warned_about():
    config = base.get_config()
    config.train.batch_size = 2
    (line,) = configs.warnings(config)
    assert 'batch_size of 2' in line and 'always 0' in line
    config.topdis.weight = 0.0
    assert configs.warnings(config) == []


def test_the_page_of_training_names_all_families():
    page = ROOT / 'docs' / 'training.md'
    if not page.exists():
        pytest.skip('needs a checkout')
    missing = [name for name in families.FAMILIES
               if f'`{name}`' not in page.read_text()]
    assert not missing


@pytest.mark.parametrize('batch,change,message', [
    (2048, {'topdis': {'engine': 'xla'}}, "at most 1024.*'xla'.*2048"),
    (1, {'objective': {'tc_estimator': 'stratified'}},
     'at least 2.*strat')])
def test_batches_that_a_step_could_not_take(batch, change, message):
    config = base.get_config('beta_tcvae')
    config.train.batch_size = batch
    configs.check(config, devices=1)
    config.update(change)
    with pytest.raises(configs.SettingsError, match=message):
        configs.check(config, devices=1)


@pytest.mark.parametrize('seed', [-1, 2**32 - 1])
def test_seeds_that_no_generator_takes(seed):
    config = base.get_config()
    config.seed = seed
    with pytest.raises(configs.SettingsError, match='config.seed must lie'):
        configs.check(config, devices=4)


def test_options_of_the_loss_that_leave_it_nothing():
    config = base.get_config()
    config.topdis.shift, config.topdis.margin = 0.95, 0.02
    configs.check(config, devices=1)
    assert 'about 1.9 have a target' in configs.warnings(config)[-1]
    config.topdis.margin = 0.05
    with pytest.raises(configs.SettingsError, match='shift.*margin.*0.95 and'):
        configs.check(config, devices=1)
    config = base.get_config()
    assert not configs.warnings(config)
    config.topdis.quantile = 0.0
    configs.check(config, devices=1)
    config.topdis.floor = 0.0
    with pytest.raises(configs.SettingsError, match='quantile.*floor'):
        configs.check(config, devices=1)


def test_a_family_with_keys_of_another():
    config = base.get_config('beta_tcvae')
    config.model.family = 'beta_vae'
    with pytest.raises(configs.SettingsError,
                       match="'beta_vae' and a key tc_estim.*FILE:beta_vae"):
        configs.check(config, devices=1)


def test_a_family_without_its_keys():
    config = base.get_config('beta_vae')
    assert list(config.objective) == ['beta']
    config.model.family = 'factor_vae'
    with pytest.raises(configs.SettingsError,
                       match='no .*gamma.*FILE:factor_vae'):
        configs.check(config, devices=1)


@pytest.mark.parametrize('name', families.FAMILIES)
def test_every_key_has_a_sound_default(name):
    configs.check(configs.default(name), devices=1)


def _dataset(*image_shape):
    return FactorDataset('some', np.zeros((12, *image_shape), np.uint8),
                         ('x', 'y'), (3, 4))


def test_images_of_the_wrong_size():
    config = base.get_config()
    configs.check_dataset(config, _dataset(64, 64, 3))
    small = _dataset(28, 28, 1)
    with pytest.raises(configs.SettingsError, match=r'network.*28x28x1'):
        configs.check_dataset(config, small)
    config.model.network = 'mlp'
    configs.check_dataset(config, small)
    config = base.get_config('dava')
    config.model.network = 'mlp'
    with pytest.raises(configs.SettingsError, match=r'family.*28x28x1'):
        configs.check_dataset(config, small)
    config.model.hidden = ()
    with pytest.raises(configs.SettingsError, match='hidden'):
        configs.check_dataset(config, small)


def test_channels_of_the_network():
    config = base.get_config()
    config.model.channels = (4, 4, 4)
    configs.check_dataset(config, _dataset(32, 32, 1))
    with pytest.raises(configs.SettingsError,
                       match='network.*3 stride-2.*size 32.*received 64.*'
                       'model.channels'):
        configs.check_dataset(config, _dataset(64, 64, 1))


def test_channels_of_the_discriminator_of_images():
    config = sprites.get_config('dava')
    configs.check_dataset(config, _dataset(32, 32, 1))
    config.objective.discriminator_channels = (8, 16)
    with pytest.raises(configs.SettingsError,
                       match='family.*2 stride-2.*size 16.*received 32'):
        configs.check_dataset(config, _dataset(32, 32, 1))


def test_correlation_of_factors_that_are_not_there():
    config = base.get_config()
    config.data.correlation = (('x', 'z', 0.2),)
    with pytest.raises(DataError, match="'z'"):
        configs.check_dataset(config, _dataset(64, 64, 1))


@pytest.mark.parametrize('delay,steps,refused', [
    (100_000, 2000, True), (2000, 2000, True), (1999, 2000, False)])
def test_a_loss_that_would_never_be_turned_on(delay, steps, refused):
    config = base.get_config()
    config.topdis.delay, config.train.steps = delay, steps
    if refused:
        with pytest.raises(configs.SettingsError,
                           match=f'{delay} and {steps}.*topdis.delay=0'):
            configs.check(config, devices=1)
        config.topdis.weight = 0.0
    configs.check(config, devices=1)


def test_the_example_of_the_base_file_can_be_run():
    config = base.get_config()
    flags = re.findall(r'--config\.(\S+?)=(\d+)', base.get_config.__doc__)
    assert flags
    config.update_from_flattened_dict(
        {key: int(value) for key, value in flags})
    configs.check(config, devices=1)


def test_batches_whose_distances_cannot_be_indexed():
    config = base.get_config()
    config.train.batch_size = 50_000
    with pytest.raises(configs.SettingsError, match='46340.*50000'):
        configs.check(config, devices=1)


def test_a_controller_that_would_freeze_is_warned_about():
    config = base.get_config('control_vae')
    config.objective.kl_start = 9.9
    assert configs.warnings(config) == []
    config.objective.kl_start = 12.0
    (line,) = configs.warnings(config)
    assert '12 nats' in line and ' 10 nats' in line
    config.objective.kl_stop = 9.0  # where the set point stops at once
    assert configs.warnings(config) == []
    assert configs.warnings(base.get_config('vae')) == []
