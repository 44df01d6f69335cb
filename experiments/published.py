"""The release's commands beside our keys: the tables of docs/published.md.

    python -m experiments.published

Writes them into the page. The release is the code that the authors of TopDis
published, https://github.com/nikitabalabin/TopDis.
"""

from collections.abc import Mapping
import importlib
import os
from typing import Any, NamedTuple

from experiments import console
from experiments.study import cells as study_cells
from topdis_jax import files
from topdis_jax.training import config as configs
from topdis_jax.training import families, workfolder

PAGE = os.path.join('docs', 'published.md')

COMMAND, DEFAULT, CODE = 'command', 'default', 'code'


class Row(NamedTuple):
    """A line of the release and what it is here.

    Attributes:
      release: a switch with its value, or what the code does.
      keys: {our key: its value in the configuration}.
      note: what differs, or who sees to it where there is no key.
      published: {our key: its value with config.published}, where another.
      source: COMMAND: of the run script; DEFAULT: of the parser; CODE.
    """
    release: str
    keys: Mapping[str, Any] = {}
    note: str = ''
    published: Mapping[str, Any] = {}
    source: str = COMMAND


class Script(NamedTuple):
    """A run script of the release.

    Attributes:
      name: a short one, of its table.
      path: in the release.
      config, family: ours.
      rows: of its table.
    """
    name: str
    path: str
    config: str
    family: str
    rows: tuple[Row, ...]


_FILES = 'files, pictures or logs alone'
_LARGE = {'model.network': 'conv', 'model.channels': (32, 64, 128, 256),
          'model.width': 512}


def _topdis(weight: str, delay: str) -> tuple[Row, ...]:
    """The switches of TopDis, and what its code fixes, in every script."""
    return (
        Row(f'--use_rtd --gamma_rtd {weight}',
            {'topdis.weight': float(weight)}),
        Row('--lp 1', {'topdis.power': 1.0}),
        Row('--q_normalize', {'topdis.quantile': 0.9}),
        Row('--sample_based', {'topdis.sample': True}),
        Row('--weightnorm_sampler', {'topdis.weighted': True}),
        Row(f'--delay_iter {delay}', {'topdis.delay': 100_000}),
        Row('50 longest bars', {'topdis.num_bars': 50}, source=CODE),
        Row('min and max form, both directions',
            {'topdis.forms': ('min', 'max'), 'topdis.divergence': 'rtd'},
            source=CODE),
        Row('codes move by 1/8 of the probability', {'topdis.shift': 0.125},
            source=CODE),
        Row('shifted probabilities in (0, 1) count', {'topdis.margin': 1e-3},
            'ours leaves out a margin, where gradients have no bound',
            {'topdis.margin': 0.0}, CODE),
        Row('distances divided by their quantile', {'topdis.floor': 0.05},
            'ours divides by 5 % of the largest distance at least',
            {'topdis.floor': 0.0}, CODE),
        Row('a sample of its own', {'topdis.fresh': True}, source=CODE))


_FACTOR_VAE = Script(
    'FactorVAE on MPI3D', 'FactorVAE_TopDis/run_mpi3d_complex.sh', 'mpi3d',
    'factor_vae', (
        Row('--dataset mpi3d_complex', {'data.name': 'mpi3d_complex'}),
        Row('--dset_dir data', {'data.root': ''}, 'a folder of your own'),
        Row('--batch_size 64', {'train.batch_size': 64}),
        Row('--max_iter 1e6', {'train.steps': 1_000_000}),
        Row('--z_dim 10', {'model.latents': 10}),
        Row('--gamma 5', {'objective.gamma': 5.0}),
        Row('--lr_VAE 1e-4', {'train.learning_rate': 1e-4}),
        Row('--beta1_VAE 0.9 --beta2_VAE 0.999',
            note='the same, in `training/state.py`'),
        Row('--lr_D 1e-4', {'objective.discriminator_learning_rate': 1e-4}),
        Row('--beta1_D 0.5 --beta2_D 0.9',
            note='the same, in `families/factor_vae.py`'),
        *_topdis('6', '100000'),
        Row('--orthogonalize', {'topdis.orthogonalize': True}),
        Row('--ckpt_save_iter 50000', {'train.checkpoint_every': 5000},
            _FILES),
        Row('--ckpt_load last', note='a run resumes by itself'),
        Row('--name $1', note='`--workdir`'),
        Row('--output_save True --viz_on False --viz_ll_iter 1000 '
            '--viz_la_iter 5000 --viz_ra_iter 10000 --viz_ta_iter 10000',
            {'train.eval_every': 250_000}, _FILES),
        Row('--num_workers 4', note='one thread prepares the batches'),
        Row('network 32, 32, 64, 64, 256; N(0, 0.02)',
            {'model.network': 'conv', 'model.channels': (), 'model.width': 0},
            source=CODE),
        Row('discriminator of six layers of 1000',
            {'objective.discriminator_hidden': (1000,) * 6}, source=CODE),
        Row('TopDis takes the second batch', {'published': False},
            'ours takes the first, whose codes the other terms see',
            {'published': True}, CODE),
        Row('seed 1', {'seed': 0}, 'other random numbers', source=CODE)))

_BETA_TCVAE = Script(
    'beta-TCVAE on dSprites', 'BetaTCVAE_TopDis/run_dsprites_rtd5.sh',
    'dsprites', 'beta_tcvae', (
        Row('--dataset shapes', {'data.name': 'dsprites'}),
        Row('--tcvae', {'model.family': 'beta_tcvae'}),
        Row('--beta 6', {'objective.beta': 6.0}),
        Row('no `--mss`', {'objective.tc_estimator': 'weighted'},
            source=DEFAULT),
        Row('--conv_dsprites', _LARGE),
        Row('--latent-dim 10', {'model.latents': 10}, source=DEFAULT),
        Row('--batch-size 64', {'train.batch_size': 64}),
        Row('--num-epochs 100', {'train.steps': 1_152_000},
            'epochs of 737,280 images, 11,520 steps'),
        Row('--learning-rate 1e-3', {'train.learning_rate': 1e-3},
            source=DEFAULT),
        *_topdis('5', '1e5'),
        Row('orthogonalization: there is none',
            {'topdis.orthogonalize': False}, source=CODE),
        Row('--log_freq 1000', {'train.log_every': 100}, _FILES),
        Row('--save dsprites_rtd5', note='`--workdir`'),
        Row('the encoder gives log sigma', {'published': False},
            'ours gives log variances', {'published': True}, CODE),
        Row("TopDis's sample has deviation exp(log sigma / 2)",
            {'published': False}, 'a slip: in its objective, as here, the '
            'deviation is exp(log sigma)',
            {'published': True}, CODE),
        Row('TopDis from iteration 100,000 on', {'published': False},
            'ours from step 100,001 on', {'published': True}, CODE),
        Row('seed 23', {'seed': 0}, 'other random numbers', source=CODE)))

_CONTROL_VAE = Script(
    'ControlVAE on dSprites',
    'ControlVAE_TopDis/run_dsprites_pid_c18_L_rtd5.sh', 'dsprites',
    'control_vae', (
        Row('--dataset dsprites', {'data.name': 'dsprites'}),
        Row('--objective H', {'model.family': 'control_vae'}),
        Row('--model HL', _LARGE),
        Row('--z_dim 10', {'model.latents': 10}),
        Row('--batch_size 64', {'train.batch_size': 64}),
        Row('--max_iter 1e6', {'train.steps': 1_000_000}),
        Row('--lr 1e-4', {'train.learning_rate': 1e-4}),
        Row('--beta1 0.9 --beta2 0.999',
            note='the same, in `training/state.py`'),
        Row('--C_max 18', {'objective.kl_stop': 18.0}),
        Row('--step_val 0.15', {'objective.kl_rise': 0.15}),
        Row('--C_stop_iter 5e5', note='without effect for objective H'),
        Row('set point from 0.5, every 5000 iterations higher',
            {'objective.kl_start': 0.5, 'objective.kl_rise_every': 5000},
            source=CODE),
        Row('gains 0.01 and -0.001',
            {'objective.proportional': 0.01, 'objective.integral': -0.001},
            source=CODE),
        *_topdis('5', '1e5'),
        Row('orthogonalization: there is none',
            {'topdis.orthogonalize': False}, source=CODE),
        Row('--seed 1', {'seed': 0}, 'other random numbers'),
        Row('--train True --gpu 0', note='not needed'),
        Row('--viz_name $1', note='`--workdir`'),
        Row('Kaiming initialization', {'published': False},
            'ours N(0, 0.02), as for the other families',
            {'published': True}, CODE),
        Row('the set point rises at iteration 5000', {'published': False},
            'ours at step 5001', {'published': True}, CODE),
        Row('TopDis from iteration 100,000 on', {'published': False},
            'ours from step 100,001 on', {'published': True}, CODE)))

SCRIPTS = (_FACTOR_VAE, _BETA_TCVAE, _CONTROL_VAE)

# Configurations of published data sets.
CONFIGS = ('dsprites', 'shapes3d', 'mpi3d', 'faces3d', 'celeba', 'cars3d',
           'smallnorb', 'isaac3d', 'falcor3d')
# Of a table of settings that are ours.
_SHOWN = {'network': 'model.channels', 'width': 'model.width',
          'learning rate': 'train.learning_rate', 'steps': 'train.steps',
          'weight': 'topdis.weight', 'delay': 'topdis.delay',
          'orthogonalized': 'topdis.orthogonalize'}


def main():
    with open(PAGE) as file:
        text = file.read()
    with files.replacing(PAGE) as file:
        file.write(with_tables(text, tables()))
    print(f'Written into {PAGE}')


def resolved(name: str, family: str, published: bool) -> dict[str, Any]:
    """{key: value} of a configuration, as a run has it."""
    config = importlib.import_module(
        f'experiments.configs.{name}').get_config(family)
    config.published = published
    return workfolder.flatten(configs.resolve(config))


def with_tables(text: str, lines: Mapping[str, str]) -> str:
    """A page with each table between its marks."""
    for name, table in lines.items():
        text = study_cells.put(text, name, table)
    return text


def tables() -> dict[str, str]:
    """{name of a table: its lines}."""
    return {**{script.name: _script_table(script) for script in SCRIPTS},
            'ours': _table_of_ours()}


def _script_table(script):
    rows = [[_release(row), _keys(row), row.note] for row in script.rows]
    return study_cells.table(['release', 'ours', 'what differs'], rows)


def _release(row):
    if row.source == CODE:
        return f'{row.release} (code)'
    text = row.release if row.release.startswith('no ') else (
        f'`{row.release}`')
    return text + (' (default)' if row.source == DEFAULT else '')


def _keys(row):
    # A row about the switch itself has no key of its own.
    if 'published' in row.keys:
        return 'with `published`'
    cells = []
    for key, value in row.keys.items():
        cell = f'`{key}` {_show(value)}'
        if key in row.published:
            cell += f'; with `published` {_show(row.published[key])}'
        cells.append(cell)
    return '<br>'.join(cells)


def _table_of_ours():
    """The settings that no script of the release has."""
    scripts = {(script.config, script.family) for script in SCRIPTS}
    groups: dict[tuple, list] = {}
    for name in CONFIGS:
        for family in families.FAMILIES:
            if (name, family) not in scripts:
                flat = resolved(name, family, False)
                values = *(_show(flat[key]) for key in _SHOWN.values()), (
                    _show(flat['train.batch_size']))
                groups.setdefault((name, values), []).append(family)
    rows = [[f'`{name}`', ', '.join(names), *values]
            for (name, values), names in groups.items()]
    return study_cells.table(
        ['configuration', 'families', *_SHOWN, 'batch'], rows)


def _show(value):
    if isinstance(value, tuple):
        return ', '.join(map(str, value)) or '()'
    if value == '':
        return "''"
    return f'{value:g}' if isinstance(value, float) else str(value)


if __name__ == '__main__':
    console.start(main)
