"""The release's commands: each switch has its place, its value is ours."""

import importlib
import re
import shlex

import jax
import jax.numpy as jnp
import pytest

from experiments import published
from tests.helpers.places import ROOT
from topdis_jax.training import config as configs
from topdis_jax.training import families, state as states

# The arguments of the release's run scripts.
COMMANDS = {
    'FactorVAE_TopDis/run_mpi3d_complex.sh':
        '--dataset mpi3d_complex --num_workers 4 --batch_size 64 '
        '--output_save True --viz_on False --viz_ll_iter 1000 '
        '--viz_la_iter 5000 --viz_ra_iter 10000 --viz_ta_iter 10000 '
        '--ckpt_save_iter 50000 --max_iter 1e6 --lr_VAE 1e-4 '
        '--beta1_VAE 0.9 --beta2_VAE 0.999 --lr_D 1e-4 --beta1_D 0.5 '
        '--beta2_D 0.9 --name $1 --z_dim 10 --gamma 5 --ckpt_load last '
        '--use_rtd --lp 1 --q_normalize --gamma_rtd 6 --sample_based '
        '--delay_iter 100000 --weightnorm_sampler --orthogonalize '
        '--dset_dir data',
    'BetaTCVAE_TopDis/run_dsprites_rtd5.sh':
        '--dataset shapes --beta 6 --tcvae --conv_dsprites --log_freq 1000 '
        '--batch-size 64 --num-epochs 100 --save dsprites_rtd5 --use_rtd '
        '--lp 1 --q_normalize --gamma_rtd 5 --sample_based '
        '--weightnorm_sampler --delay_iter 1e5',
    'ControlVAE_TopDis/run_dsprites_pid_c18_L_rtd5.sh':
        '--train True --dataset dsprites --seed 1 --lr 1e-4 --beta1 0.9 '
        '--beta2 0.999 --objective H --model HL --batch_size 64 --z_dim 10 '
        '--max_iter 1e6 --C_stop_iter 5e5 --step_val 0.15 --gpu 0 '
        '--viz_name $1 --C_max 18 --use_rtd --lp 1 --q_normalize '
        '--gamma_rtd 5 --sample_based --weightnorm_sampler '
        '--delay_iter 1e5'}
SCRIPTS = pytest.mark.parametrize('script', published.SCRIPTS,
                                  ids=lambda script: script.path)


def _switches(text):
    """[(switch, its value or '')]."""
    found = []
    for word in shlex.split(text):
        if word.startswith('--'):
            found.append((word, ''))
        else:
            found[-1] = found[-1][0], word
    return found


def test_no_script_is_left_out():
    assert {script.path for script in published.SCRIPTS} == set(COMMANDS)


@SCRIPTS
def test_each_switch_has_one_row(script):
    ours = [switch for row in script.rows if row.source == published.COMMAND
            for switch in _switches(row.release)]
    assert sorted(ours) == sorted(_switches(COMMANDS[script.path]))


@SCRIPTS
def test_the_configuration_has_the_values_of_the_table(script):
    plain, as_published = (
        published.resolved(script.config, script.family, on)
        for on in (False, True))
    assert plain['model.family'] == script.family
    for row in script.rows:
        assert row.keys or row.note, row.release
        for key, value in row.keys.items():
            assert plain[key] == value, key
            assert as_published[key] == row.published.get(key, value), key
    # The family that the file has unless asked otherwise.
    module = importlib.import_module(f'experiments.configs.{script.config}')
    if script.family != 'control_vae':
        assert module.get_config().model.family == script.family


@SCRIPTS
def test_a_number_without_a_note_is_the_release_s(script):
    compared = 0
    for row in script.rows:
        numbers = re.findall(r' ([\d.]+(?:e-?\d+)?)(?= |$)', row.release)
        if row.source != published.CODE and not row.note and numbers:
            (number,), (value,) = numbers, row.keys.values()
            assert float(number) == value, row.release
            compared += 1
    assert compared >= 7


def _kernels(layers):
    return [layers[name]['kernel'].shape[-2:] for name in layers]


@pytest.mark.parametrize('family', families.FAMILIES)
def test_the_networks_on_dsprites(family):
    config = importlib.import_module(
        'experiments.configs.dsprites').get_config(family)
    model = states.make_model(config, (64, 64, 1))
    chain = [1, 32, 64, 128, 256, 512]
    if family == 'factor_vae':
        chain = [1, 32, 32, 64, 64, 128]
    images = jax.ShapeDtypeStruct((2, 64, 64, 1), jnp.float32)
    params = jax.eval_shape(model.init, jax.random.key(0), images)['params']
    pairs = list(zip(chain, chain[1:]))
    assert sorted(_kernels(params['encoder'])) == sorted(
        [*pairs, (chain[-1], 20)])
    assert sorted(_kernels(params['decoder'])) == sorted(
        [(b, a) for a, b in pairs] + [(10, chain[-1])])
    if family == 'dava':
        init = families.make_objective(config, 1000).init
        carry = jax.eval_shape(init, jax.random.key(0), images)
        assert sorted(_kernels(carry['params']['encoder'])) == sorted(
            [*pairs, (512, 1)])


def test_every_configuration_can_be_run_as_published():
    for name in published.CONFIGS:
        for family in families.FAMILIES:
            config = importlib.import_module(
                f'experiments.configs.{name}').get_config(family)
            config.published = True
            configs.check(configs.resolve(config), devices=1)


@pytest.mark.skipif(not (ROOT / 'docs').exists(), reason='needs docs/')
def test_the_page_has_the_tables():
    page = (ROOT / 'docs' / 'published.md').read_text()
    assert published.with_tables(page, published.tables()) == page


def test_a_page_without_a_place_for_a_table():
    with pytest.raises(ValueError, match='must have the lines <!-- ours: beg'):
        published.with_tables('text\n', {'ours': 'table\n'})
