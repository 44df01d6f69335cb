"""The cells of a study: which there are, where they lie, how far they are.

Cells lie in DIR/DATA/VARIANT/off|on/SEED, each the work folder of one run, with
two files of the study's own: cell.json (its last state, and its seconds) and
output.log (what the run printed). DIR/cells.json names all that were asked
for; DIR/DATA/VARIANT/config.json is the configuration of the runs below, but
for the seed, and for the weight of the loss where that is off.
"""

import itertools
import json
import os
from typing import NamedTuple

from experiments.configs import base
from topdis_jax import files
from topdis_jax.training import config as configs
from topdis_jax.training import workfolder

SWITCH = ('off', 'on')
CONFIG = os.path.abspath(base.__file__)


class Cell(NamedTuple):
    """One run of a study."""
    data: str
    variant: str  # a family, or FAMILY+LABEL: one with settings of its own
    topdis: str  # 'off' or 'on'
    seed: int

    @property
    def family(self):
        return self.variant.partition('+')[0]

    def folder(self, workdir):
        return os.path.join(workdir, *map(str, self))

    def __str__(self):
        return '/'.join(map(str, self))


def cells(config):
    """The cells of a configuration, as a list.

    Seed by seed, off beside on, so that an unfinished study has whole pairs.
    """
    return [Cell(data, variant, topdis, seed)
            for seed, data, variant, topdis in itertools.product(
                config.seeds, config.data, config.variants, config.topdis)]


def check(config):
    """Raises SettingsError or WorkFolderError where a study cannot run."""
    for key in ('data', 'variants', 'topdis', 'seeds'):
        values = config[key]
        if not values or len(set(values)) < len(values):
            raise configs.SettingsError(
                f'config.{key} must name something, each once, received '
                f'{values!r}')
    if not all(isinstance(seed, int) for seed in config.seeds):
        raise configs.SettingsError(
            f'config.seeds must be whole numbers, received {config.seeds!r}')
    if set(config.topdis) - set(SWITCH):
        raise configs.SettingsError(
            f'config.topdis must be taken from {", ".join(SWITCH)}, received '
            f'{config.topdis!r}')
    if 'on' in config.topdis and config.run.topdis.weight <= 0:
        raise configs.SettingsError(
            'config.run.topdis.weight must be positive: that of TopDis on; '
            "for a study without it set config.topdis to ('off',)")
    for variant in config.variants:
        if '+' in variant and variant not in config.overrides:
            raise configs.SettingsError(
                'config.variants must be families, or variants that this '
                f'configuration has settings of, received {variant!r}; it has '
                + (', '.join(sorted(name for name in config.overrides
                                    if '+' in name)) or 'none'))
    for cell in cells(config):
        configs.check(run_config(config, cell), devices=1)


def run_config(config, cell):
    """The configuration of a cell's run, a ConfigDict."""
    run = config.run.copy_and_resolve_references()
    run.model.family = cell.family
    with run.unlocked():  # as the flag's configuration is locked
        run.objective = base.get_config(cell.family).objective
    for name in dict.fromkeys((cell.family, cell.variant)):
        run.update(config.overrides.get(name, {}))
    run.seed = cell.seed
    run.data.name = cell.data
    if cell.topdis == 'off':
        run.topdis.weight = 0.0
    return configs.resolve(run)


def arguments(config, cell):
    """Arguments of experiments.run for a cell, without its work folder."""
    wanted = workfolder.flatten(run_config(config, cell))
    usual = workfolder.flatten(base.get_config(cell.family))
    return [f'--config={CONFIG}:{cell.family}',
            *(f'--config.{key}={value}' for key, value in wanted.items()
              if value != usual[key])]


def prepare(config, workdir):
    """Notes a study's cells and configurations in its folder.

    Raises:
      WorkFolderError: not writable, or cells of the same variant were run with
        another configuration.
    """
    for data, variant in itertools.product(config.data, config.variants):
        run = run_config(config, Cell(data, variant, 'on', 0))
        workfolder.prepare(os.path.join(workdir, data, variant),
                           json.loads(run.to_json()))
    asked = dict.fromkeys(asked_cells(workdir) + cells(config))
    files.write_json(os.path.join(workdir, 'cells.json'), list(asked))


def asked_cells(workdir):
    """All cells that a folder's study was asked for, a list."""
    return [Cell(*cell) for cell in read(workdir, 'cells.json') or ()]


def is_finished(config, cell, workdir):
    """Whether a cell has the scores of its final step."""
    steps = run_config(config, cell).train.steps
    return final_scores(cell.folder(workdir), steps) is not None


def final_scores(folder, steps):
    """The scores of a run's final step, a dict, or None."""
    scores = read(folder, 'scores.json')
    if scores.get('settings', {}).get('step') != steps:
        return None
    return scores


def read(folder, name):
    """A JSON file of a folder; an empty dict if it is not there.

    Raises:
      WorkFolderError: it cannot be read.
    """
    path = os.path.join(folder, name)
    try:
        with open(path) as file:
            return json.load(file)
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise workfolder.WorkFolderError(
            f'{path} cannot be read ({error}); put it right or remove it'
        ) from error


def write_state(folder, state, seconds, message=''):
    """Notes how a cell's last process ended; seconds add up."""
    files.write_json(os.path.join(folder, 'cell.json'), {
        'state': state,
        'seconds': read(folder, 'cell.json').get('seconds', 0.0) + seconds,
        'message': message})
