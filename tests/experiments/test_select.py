"""Runs ranked by UDR."""

import json

import numpy as np
import pytest
from scipy import stats

from experiments import select, trained
from tests.helpers import training_cases as cases
from topdis_jax import metrics
from topdis_jax.data.factors import FactorDataset
from topdis_jax.metrics import evaluate
from topdis_jax.training import loop, workfolder


def _train(folder, seed):
    config = cases.config(train__steps=3, train__eval_every=0,
                          eval__batch_size=64, topdis__weight=0.0)
    config.seed = seed
    workfolder.prepare(folder, json.loads(config.to_json()))
    loop.train(config, folder, cases.blobs())


@pytest.fixture(scope='module')
def folders(tmp_path_factory):
    """Three runs that differ in their seed, hardly trained."""
    folder = tmp_path_factory.mktemp('runs')
    found = [str(folder / f'seed{seed}') for seed in range(3)]
    for seed, path in enumerate(found):
        _train(path, seed)
    return found


@pytest.fixture
def blobs(monkeypatch):
    monkeypatch.setattr(trained.sources, 'load', lambda *_, **__: cases.blobs())
    monkeypatch.setattr(select, '_THRESHOLD', 0.0)


def _expected(folders):
    """UDR of the runs by name, from the formula and the posteriors."""
    rows = np.random.default_rng(0).integers(64, size=10_000)
    codes = [trained.posteriors(trained.load(folder), rows)[0]
             for folder in folders]
    ranks = [stats.rankdata(z, axis=0) for z in codes]
    pairs = np.full((3, 3), np.nan)
    for a, b in np.argwhere(~np.eye(3, dtype=bool)):
        table = np.abs(np.corrcoef(ranks[a], ranks[b], rowvar=False)[:3, 3:])
        pairs[a, b] = np.mean([
            np.mean(part.max(axis=0) ** 2 / part.sum(axis=0))
            for part in (table, table.T)])
    return {f'seed{seed}': value
            for seed, value in enumerate(np.nanmedian(pairs, axis=0))}


def test_ranks_runs(folders, blobs, capsys):
    ranked = select.rank(folders, 'spearman')
    want = _expected(folders)
    assert {run.name: run.udr for run in ranked} == pytest.approx(
        want, abs=1e-5)
    assert np.all(np.diff([run.udr for run in ranked]) <= 0)
    assert all(run.informative == 3 and 0 <= run.mig <= 1 for run in ranked)
    assert sorted(select.rank(folders[::-1], 'spearman')) == sorted(ranked)
    capsys.readouterr()
    select.print_table(ranked)
    head, *lines, last = capsys.readouterr().out.splitlines()
    assert head.split() == ['run', 'UDR', 'informative', 'MIG']
    assert [line.split()[0] for line in lines] == [run.name for run in ranked]
    agreement = stats.spearmanr([run.udr for run in ranked],
                                [run.mig for run in ranked]).statistic
    assert f'{agreement:.2f} over 3 runs' in last


def test_bars_of_what_takes_time(folders, blobs, capsys):
    select.rank(folders[:2])
    bars = capsys.readouterr().err
    for what in ('Loading', 'Encoding by seed0', 'Encoding by seed1', 'UDR'):
        assert what in bars


def test_without_factors_there_is_no_mig(folders, monkeypatch, capsys):
    plain = FactorDataset('blobs', cases.blobs().images)
    monkeypatch.setattr(trained.sources, 'load', lambda *_, **__: plain)
    ranked = select.rank(folders[:2])
    assert all(run.mig is None for run in ranked)
    select.print_table(ranked)
    printed = capsys.readouterr().out
    assert 'MIG' not in printed and printed.count('\n') == 3


def test_too_few_or_equal_scores_have_no_rank_correlation(capsys):
    for runs in ([('a', 0.5, 3, 0.1), ('b', 0.4, 3, 0.2)],
                 [(name, 0.5, 3, 0.1) for name in 'abc']):
        select.print_table([select.Ranked(*run) for run in runs])
        assert 'No rank correlation' in capsys.readouterr().out


def test_messages(folders, blobs, tmp_path, monkeypatch):
    error = workfolder.WorkFolderError
    with pytest.raises(error, match='at least two, received 1; give'):
        select.rank(folders[:1])
    with pytest.raises(error, match='seed0/? more than once'):
        select.rank([folders[0], folders[1], folders[0] + '/'])
    with pytest.raises(error, match='nowhere holds no run'):
        select.rank([folders[0], str(tmp_path / 'nowhere')])
    monkeypatch.setattr(
        metrics, 'udr', lambda *_, **__: pytest.fail('not reached'))
    images = cases.blobs().images
    sets = iter([cases.blobs(), FactorDataset('blobs', images[::-1])])
    monkeypatch.setattr(trained.sources, 'load', lambda *_, **__: next(sets))
    with pytest.raises(error, match='factor_sizes is .4, 4, 4. in seed0 and '
                                    '.. in seed1; name runs on one'):
        select.rank(folders[:2])


def test_codes_that_are_not_finite_name_their_run(folders, blobs, monkeypatch):
    monkeypatch.setattr(trained, 'posteriors', lambda run, rows, *_: (
        np.full((len(rows), 3), np.nan), np.zeros((len(rows), 3))))
    with pytest.raises(evaluate.ScoreError, match='seed0: codes: latent 0'):
        select.rank(folders[:2])
