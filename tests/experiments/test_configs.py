"""Data sets of the field: each is fetched and trained on as configured."""

import importlib

import numpy as np
import pytest

from experiments import run
from tests.helpers import archive_cases as archives
from tests.helpers import file_server
from topdis_jax.data.published import downloads, table
from topdis_jax.training import config as configs
from topdis_jax.training import families, workfolder

NAMES = ('cars3d', 'smallnorb', 'isaac3d', 'falcor3d')


def _config(name, *args):
    return importlib.import_module(
        f'experiments.configs.{name}').get_config(*args)


@pytest.mark.parametrize('name', NAMES)
@pytest.mark.parametrize('family', families.FAMILIES)
def test_each_resolves_for_its_data(name, family):
    config = configs.resolve(_config(name, family))
    configs.check(config, devices=1)
    assert config.data.name == name and config.model.network == 'conv'
    assert config.topdis.weight == 5 and config.topdis.delay == 100_000


@pytest.mark.parametrize('name,weight', [
    ('cars3d', 0.0), ('smallnorb', 5.0), ('isaac3d', 5.0), ('falcor3d', 0.0)])
def test_each_is_fetched_converted_and_trained_on(tmp_path, no_data, name,
                                                  weight, monkeypatch):
    monkeypatch.setattr(run.plots, 'plot_run', lambda *args, **options: None)
    archives.shrink(monkeypatch)
    config = _config(name)
    config.train.steps, config.train.batch_size = 12, 8
    config.train.log_every, config.train.eval_every = 6, 0
    config.topdis.weight, config.topdis.delay = weight, 6
    config.eval.batch_size = 16
    config.eval.scores = ()  # the small grids have factors of one value
    with file_server.serving(**archives.contents(name)) as server:
        monkeypatch.setenv(downloads.MIRROR, server.url)
        scores = run.run(config, str(tmp_path / 'run'))
    files = 1 + len(table.PUBLISHED[name].more_files)
    assert len(server.requests) == files
    rows = workfolder.read_rows(tmp_path / 'run' / 'metrics.jsonl')
    losses = {row['step']: row['loss'] for row in rows if 'loss' in row}
    assert losses[12] < losses[6] and np.isfinite(scores['reconstruction'])
    assert any('topdis' in row for row in rows) == (weight > 0)
