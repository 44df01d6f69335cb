"""What the benchmark of waiting reads in a run's output and log."""

import time

import pytest

from experiments.benchmarks import waiting


@pytest.mark.parametrize('line,found', [
    ('Creating the first state ... 1.2 s', ('Creating the first state', '1.2')),
    ('Plotting the pictures ... 12.0 s', ('Plotting the pictures', '12.0')),
    ('Training:   1%| 3/300 [00:01<01:40, 2.97step/s]', None),
    ('Work folder: runs/a', None)])
def test_parts_are_read(line, found):
    part = waiting._PART.match(line)
    assert (part and part.groups()) == found


def test_the_first_and_the_last_step_are_noted(tmp_path):
    path = tmp_path / 'metrics.jsonl'
    watch = waiting._Watch(str(path), 3, time.monotonic())
    path.write_text('{"step": 1}\n')
    time.sleep(0.2)
    with open(path, 'a') as log:
        log.write('{"step": 2}\n{"step": 3}\n')
    times = watch.times()
    assert 0 <= times['the first step'] < times['the last step'] < 2
    assert times['the last step'] - times['the first step'] > 0.1
