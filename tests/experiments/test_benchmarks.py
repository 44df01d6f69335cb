"""The benchmark of Vietoris-Rips persistence: agreement, limits, tables."""

import json
import os
import subprocess
import sys
import time

import numpy as np
import pytest

from experiments.benchmarks import compare as bench_compare
from experiments.benchmarks import rips as bench_rips, clouds, timing
from experiments.benchmarks import device, operations


def test_the_command(tmp_path):
    done = subprocess.run(
        [sys.executable, '-m', 'experiments.benchmarks.rips',
         f'--workdir={tmp_path}', '--points=16', '--dimensions=3',
         '--rounds=1', '--limit=60'], capture_output=True, text=True,
        env=os.environ | {'PYTHONPATH': os.getcwd()})
    assert done.returncode == 0, done.stderr
    rows = json.loads((tmp_path / 'rips.json').read_text())
    assert [row['family'] for row in rows] == list(clouds.FAMILIES)
    for row in rows:
        assert row['n'] == 16 and row['dimension'] == 3
        assert set(row['seconds']) >= {bench_rips.OURS, bench_rips.ENGINE}
        assert all(0 < t < 60 for t in row['seconds'].values())
    assert '| 16 | ' in done.stdout
    assert (tmp_path / 'rips.png').stat().st_size > 5000


@pytest.mark.parametrize('name', clouds.FAMILIES)
def test_all_programs_agree_bit_for_bit(name):
    dist = clouds.single(name, 24, 50)
    _, expected = bench_rips.time_once(bench_rips.OURS, dist)
    assert [len(bars) > 0 for bars in expected] == [True, True]
    for program in bench_rips.installed()[1:]:
        _, bars = bench_rips.time_once(program, dist)
        bench_rips.check(program, bars, expected)


def test_programs_that_differ_are_told():
    bars = [np.array([[0, 1.0]]), np.array([[1, 2.0]])]
    bench_rips.check('engine', bars[1:], bars)
    with pytest.raises(ValueError, match='wrong gives 1 bars that differ'):
        bench_rips.check('wrong', [bars[0], bars[1] + 1], bars)


def test_what_is_no_bar_is_left_out():
    found = bench_rips.bars_of([[(0, 2), (0, 1), (0, np.inf), (0, 0)], []])
    np.testing.assert_array_equal(found[0], [[0, 1], [0, 2]])
    assert found[1].shape == (0, 2) and found[0].dtype == np.float32


def _nothing():
    pass


def test_calls_that_take_too_long_are_ended():
    apart = timing.Apart(_nothing)
    assert apart(60, abs, -3) == 3
    assert apart(0.2, time.sleep, 60) is None
    assert apart(60, abs, -4) == 4  # in another process
    apart.end()


def test_a_program_that_takes_too_long_is_not_called_again():
    calls = []

    def apart(limit, function, name, dist):
        calls.append(name)
        times = {'quick': 0.1, 'slow': 8.0, 'too slow': None}
        return times[name] and (times[name], [np.zeros((0, 2))])

    found = bench_rips.time_cloud(None, ['quick', 'slow', 'too slow'], 3, 10,
                                  apart)
    assert found == {'quick': 0.1, 'slow': 8.0, 'too slow': None}
    assert calls == ['quick', 'slow', 'too slow', 'quick', 'quick']


def test_the_table():
    rows = [dict(n=8, seconds={'topdis_jax': 1.0, 'other': 2.0}),
            dict(n=8, seconds={'topdis_jax': 2.0, 'other': 16.0}),
            dict(n=9, seconds={'topdis_jax': 1.0, 'other': None})]
    assert bench_rips.table(rows, ['topdis_jax', 'other']).splitlines()[2:] == [
        '| 8 | 1e+03 to 2e+03 | 4 (2) |', '| 9 | 1e+03 to 1e+03 | too long |']


def test_representations_compared_by_a_general_program(monkeypatch):
    pytest.importorskip('gph', reason='needs giotto-ph')
    monkeypatch.setattr(bench_compare, '_SUBSET', 40)
    monkeypatch.setattr(bench_compare, '_REPEATS', 2)
    (ours, _), (theirs, _) = (function(100, 5) for function in (
        bench_compare.by_compare, bench_compare.by_giotto_ph))
    assert len(ours) == 2 and np.all(ours > 0)
    np.testing.assert_allclose(ours, theirs, rtol=1e-4)


def test_a_device_is_measured_and_checked(tmp_path, capsys):
    found = device.run(tmp_path, ['checks', 'barcodes'], [8], [], minutes=5)
    checks = found['parts']['checks']
    assert {row['what'] for row in checks} == {'bars', 'gradient'}
    assert all(row['right'] for row in checks)
    assert all(row['ms'] > 0 for row in found['parts']['barcodes'])
    assert json.loads((tmp_path / 'device.json').read_text()) == found
    page = (tmp_path / 'device.md').read_text()
    assert '| bars | n = 8 | host | 0 | yes |' in page
    assert '[barcodes] n = 8 ...' in capsys.readouterr().out


def test_what_there_is_no_time_for_is_named(tmp_path):
    found = device.run(tmp_path, ['barcodes', 'steps'], [8], [4], minutes=0)
    assert found['left out'] == ['barcodes, n = 8', 'steps, mlp, batch 4',
                                 'steps, conv, batch 4']
    assert 'Left out for lack of time' in (tmp_path / 'device.md').read_text()


@pytest.mark.parametrize('platform', ['tpu', 'cuda'])
def test_operations_of_a_program_that_is_not_run_here(platform):
    found = operations.counts(operations.lowered('rtd', platform, 16))
    assert found['while', False] + found['while', True] <= 5
    assert found['gather', True] > 0
    lite = operations.counts(operations.lowered('rtd_lite', platform, 16))
    assert lite['while', False] == 0
