"""The script of random kills, on a program that only counts."""

import random
import subprocess
import sys

import pytest

from experiments import soak

# Counts to 150 in a log, which a restart replaces; `lossy` forgets a row then.
_PROGRAM = """
import json, os, sys, time
folder = sys.argv[-1].split('=')[1]
path = os.path.join(folder, 'metrics.jsonl')
rows = open(path).read().splitlines() if os.path.exists(path) else []
rows = [r for r in rows if r.endswith('}')]
if rows and sys.argv[1] == 'lossy':
    rows.pop(0)
    rows.append(rows[-1])
with open(path + '.new', 'w') as file:
    file.writelines(r + '\\n' for r in rows)
os.replace(path + '.new', path)
with open(path, 'a', buffering=1) as file:
    for step in range(len(rows) + 1, 151):
        file.write(json.dumps({'step': step, 'loss': 1 / step}) + '\\n')
        time.sleep(0.003)
if sys.argv[1] == 'failing':
    sys.exit('no luck')
open(os.path.join(folder, 'scores.json'), 'w').write('{}')
"""


@pytest.fixture
def program(monkeypatch):
    def install(kind):
        monkeypatch.setattr(
            soak, '_COMMAND', (sys.executable, '-c', _PROGRAM, kind))
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
    done = subprocess.run(
        [sys.executable, '-m', 'experiments.soak', '--kills=0'],
        capture_output=True, text=True, cwd=soak._ROOT)
    assert done.returncode != 0 and 'kills' in done.stdout + done.stderr
