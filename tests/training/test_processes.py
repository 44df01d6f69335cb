"""A run in several processes: the mathematics, the files, the end of one."""

import os
import signal
import subprocess
import sys
import time

import numpy as np

from experiments import fake_devices
from tests.helpers import quick
from tests.helpers.places import ROOT
from topdis_jax.training import lock, workfolder

ARGS = ('--config.model.hidden=(16,)', '--config.model.decoder_hidden=(16,)',
        '--config.model.latents=3',  # each of which is drawn
        '--config.train.batch_size=16', '--config.train.steps=12',
        '--config.topdis.delay=3', '--config.train.log_every=1',
        '--config.train.eval_every=6', '--config.eval.scores=("mig",)')
FAMILIES = {'vae': (), 'factor_vae': (
    '--config.objective.discriminator_hidden=(16,)',)}


def _start(folder, devices, family, *flags):
    return subprocess.Popen(
        [sys.executable, '-m', 'experiments.run',
         f'--config=experiments/configs/sprites.py:{family}', *ARGS,
         *FAMILIES[family], f'--workdir={folder}', *flags],
        env=quick.environment(devices), cwd=ROOT, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def _start_two(folder, devices, family, *flags):
    coordinator = f'--coordinator={fake_devices.free_address()}'
    return [_start(folder, devices, family, coordinator, '--processes=2',
                   f'--process={index}', *flags) for index in range(2)]


def _finish(process):
    output, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors
    return output


def test_two_processes_of_two_devices_equal_one(tmp_path):
    processes = _start_two(tmp_path / 'many', 2, 'factor_vae')
    processes.append(_start(tmp_path / 'one', 1, 'factor_vae'))
    outputs = [_finish(process) for process in processes]
    # The first speaks for both.
    assert 'reconstruction' in outputs[0]
    assert 'reconstruction' not in outputs[1]
    one, many = (workfolder.read_rows(tmp_path / name / 'metrics.jsonl')
                 for name in ('one', 'many'))
    assert [row['step'] for row in many] == [row['step'] for row in one]
    for first, second in zip(one, many):
        for name in first.keys() - {'scores', 'grad_norm'}:
            np.testing.assert_allclose(second[name], first[name], rtol=1e-4,
                                       atol=1e-5, err_msg=name)


def test_a_folder_in_use_ends_both(tmp_path):
    with lock.locked(tmp_path):
        ended = [(process.communicate(timeout=300)[1], process.returncode)
                 for process in _start_two(tmp_path, 1, 'vae')]
    (first, status), (second, also) = ended
    assert status == also == 1
    assert 'in use by another run' in first
    assert 'Error: process 0 ended and says why' in second


def _wait_until(condition, processes):
    deadline = time.monotonic() + 300
    while not condition():
        assert time.monotonic() < deadline
        assert all(process.poll() is None for process in processes)
        time.sleep(0.1)


def test_one_that_is_stopped_or_killed(tmp_path):
    flags = ('--config.train.steps=1000000', '--config.topdis.weight=0',
             '--config.train.eval_every=0', '--config.train.log_every=7')

    def logged():
        return workfolder.read_rows(tmp_path / 'metrics.jsonl')

    # SIGTERM to one: both save the step they agree on.
    processes = _start_two(tmp_path, 1, 'vae', *flags)
    _wait_until(logged, processes)
    processes[1].send_signal(signal.SIGTERM)
    for process in processes:
        told = process.communicate(timeout=100)[1]
        assert process.returncode == 143, told
        assert 'Interrupted after step' in told
    step = int(told.split('Interrupted after step')[1].split()[0].strip(','))
    assert os.listdir(tmp_path / 'checkpoints/latest') == [str(step)]

    # SIGKILL to one: the other ends within seconds, not minutes.
    processes = _start_two(tmp_path, 1, 'vae', *flags)
    rows = len(logged())
    _wait_until(lambda: len(logged()) > rows, processes)
    processes[1].kill()
    told = processes[0].communicate(timeout=100)[1]
    assert processes[0].returncode == 1 and 'The same command' in told
    assert logged()[rows]['step'] == (step // 7 + 1) * 7  # it had gone on
