"""The script of random kills, on a program that only counts."""

import random

import pytest

from experiments.checks import soak
from tests.helpers import commands


@pytest.fixture
def program(monkeypatch):
    def install(kind):
        monkeypatch.setattr(soak, '_COMMAND', ('tests.helpers.counting', kind))
    return install


def test_kills_are_counted_and_nothing_differs(tmp_path, program, capsys):
    program('exact')
    table, mismatches = soak.soak(str(tmp_path), 8, random.Random(1))
    assert sum(table[phase] for phase in soak._PHASES) == 8
    assert table['runs'] >= 1 and not mismatches
    assert not list(tmp_path.iterdir())
    soak.print_table(table, mismatches)
    assert 'kills in all               8' in capsys.readouterr().out


def test_what_differs_is_found_and_kept(tmp_path, program):
    program('lossy')
    _, mismatches = soak.soak(str(tmp_path), 4, random.Random(1))
    assert mismatches and all(
        path.endswith('metrics.jsonl') for path in mismatches)
    assert len(list(tmp_path.iterdir())) == len(mismatches)


def test_a_run_that_fails_is_told(tmp_path, program):
    program('failing')
    with pytest.raises(soak.Failed, match='no luck'):
        soak.soak(str(tmp_path), 2, random.Random(1))


def test_usage():
    done = commands.run('experiments.checks.soak', '--kills=0')
    assert done.returncode != 0 and 'kills' in done.stdout + done.stderr
