"""The command line as a user meets it: one message, nothing overwritten."""

import importlib
import json
import os
import subprocess
import sys
import time

import numpy as np
import pytest

from experiments import run
from experiments.configs import base, mpi3d
from tests.helpers import commands, file_server, published_cases as cases
from tests.helpers import quick
from tests.helpers.places import ROOT
from topdis_jax.data import sources
from topdis_jax.training import families, workfolder

CONFIG = '--config=experiments/configs/sprites.py'
NAMES = ('cars3d', 'celeba', 'dsprites', 'faces3d', 'falcor3d', 'isaac3d',
         'mpi3d', 'scenes', 'shapes3d', 'smallnorb', 'sprites')
SMALL = ['--config.train.batch_size=16', '--config.model.hidden=(8,)',
         '--config.model.latents=3',  # each of which is drawn
         '--config.model.decoder_hidden=(8,)', '--config.topdis.delay=3',
         '--config.train.log_every=1', '--config.train.checkpoint_every=5',
         '--config.eval.scores=("mig",)']


@pytest.fixture(scope='module', autouse=True)
def images():
    """Rendered once, so that no message of that stands before others."""
    sources.load('sprites_small')


def _command(*args):
    return [sys.executable, '-m', 'experiments.run', *args]


def _run(*args, program='run', devices=1):
    return commands.run(f'experiments.{program}', *args, devices=devices)


def _refused(tmp_path, *args, **options):
    """The message of a run that must not start."""
    folder = tmp_path / 'run'
    done = _run(*args, f'--workdir={folder}', **options)
    assert done.returncode != 0
    assert 'Traceback' not in done.stderr
    assert not folder.exists()
    return done.stdout + done.stderr


@pytest.mark.parametrize('args,expected', [
    ([CONFIG, '--config.train.stepz=5'], [
        "--config.train.stepz: there is no key 'train.stepz'. Did you mean "
        'train.steps? All keys', 'topdis_jax/training/config.py']),
    ([CONFIG, '--config.steps=5'], ['Did you mean train.steps?']),
    ([CONFIG, '--config.train.steps=1e6'],
     ["--config.train.steps=1e6: must be a whole number, received '1e6'"]),
    ([CONFIG, '--config.train.learning_rate=many'], ['must be a number']),
    ([CONFIG, '--config.topdis.sample=maybe'], ['must be true or false']),
    ([CONFIG + ':gan'], ['gan', 'beta_vae']),
    (['--config=experiments/configs/none.py'],
     ['--config=experiments/configs/none.py is not there', 'sprites']),
    (['--config=mpi3d'], ['is not there. Did you mean '
                          'experiments/configs/mpi3d.py?']),
    (['--config', 'experiments/configs'], ['is a folder']),
    (['--config=README.md'], ['is not a Python file']),
    ([], ['--config is missing', 'experiments/configs/NAME.py']),
    ([CONFIG, 'more'], ["unexpected argument 'more'"]),
    ([CONFIG, '--config.data.name=spritez'], ['spritez', 'sprites']),
    ([CONFIG, '--config.eval.scores=("mgi",)'], ['mgi', 'mig']),
    ([CONFIG, '--config.train.steps=2000'], ['2000 and 2000']),
    ([CONFIG, '--config.train.batch_size=50000'], ['at most 46340']),
    ([CONFIG, '--config.train.batch_size=46000'],
     ['takes at least', 'GiB', '46000 x 46000']),
], ids=['key', 'section', 'whole', 'number', 'switch', 'family', 'file',
        'name', 'folder', 'text', 'none', 'argument', 'data', 'score',
        'delay', 'points', 'memory'])
def test_bad_configurations(tmp_path, args, expected):
    message = _refused(tmp_path, *args)
    assert all(word in message for word in expected), message
    assert message.startswith('Error: ') and message.count('\n') == 1


def test_batch_that_devices_cannot_share(tmp_path):
    message = _refused(tmp_path, CONFIG, '--config.train.batch_size=63',
                       devices=4)
    assert 'batch_size' in message and '63' in message and '4' in message


@pytest.mark.parametrize('name', ['dsprites', 'shapes3d', 'mpi3d', 'faces3d',
                                  'celeba'])
def test_missing_files_are_named_at_once(tmp_path, no_data, name):
    config = importlib.import_module(f'experiments.configs.{name}').get_config()
    with pytest.raises(sources.DataError) as error:
        run.run(config, str(tmp_path / 'run'))
    assert 'https://' in str(error.value)
    assert '--config.data.root' in str(error.value)
    assert not (tmp_path / 'run').exists()


@pytest.mark.parametrize('name', ['dsprites', 'shapes3d', 'mpi3d_complex',
                                  'faces3d', 'celeba', 'own', 'scenes_small'])
def test_every_data_set_can_be_trained_on(tmp_path, monkeypatch, name):
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'cache'))
    monkeypatch.setattr(run.plots, 'plot_run', lambda *args, **options: None)
    cases.shrink(monkeypatch)
    config = base.get_config()
    if name in cases.SIZES or name == 'celeba':
        cases.write(name, tmp_path)
        config.data.root = str(tmp_path)
    elif name == 'own':
        config.data.root = str(tmp_path / 'own.npz')
        np.savez(config.data.root, factor_sizes=[3, 20],
                 images=np.zeros((60, 8, 8), np.uint8))
    config.data.name, config.data.source = name, 'auto'
    config.model.network = 'mlp'
    config.model.hidden = config.model.decoder_hidden = (8,)
    config.topdis.weight, config.train.steps = 0.0, 4
    config.train.batch_size, config.train.log_every = 16, 2
    config.train.eval_every = 0
    config.eval.scores = ('mig',)
    if name == 'scenes_small':
        config.data.correlation = (('scale', 'wall_hue', 0.2),)
    scores = run.run(config, str(tmp_path / 'run'))
    rows = workfolder.read_rows(tmp_path / 'run' / 'metrics.jsonl')
    assert [row['step'] for row in rows if 'loss' in row] == [2, 4]
    assert np.isfinite(scores['reconstruction'])
    assert (tmp_path / 'run' / 'correlation.png').exists() == (
        name == 'scenes_small')
    assert ('mig' in scores) == (name != 'celeba')


def test_data_is_fetched_converted_and_trained_on(tmp_path, no_data,
                                                  monkeypatch):
    monkeypatch.setattr(run.plots, 'plot_run', lambda *args, **options: None)
    cases.shrink(monkeypatch)
    (tmp_path / 'www').mkdir()
    config = mpi3d.get_config()
    config.model.network = 'mlp'
    config.model.hidden = config.model.decoder_hidden = (8,)
    config.train.steps, config.train.batch_size = 6, 16
    config.train.log_every, config.train.eval_every = 3, 0
    config.topdis.delay = 3
    config.eval.scores = ('mig',)
    file = cases.write(config.data.name, tmp_path / 'www')
    with file_server.serving(**{file.name: file.read_bytes()}) as server:
        monkeypatch.setenv('TOPDIS_JAX_MIRROR', server.url)
        run.run(config, str(tmp_path / 'run'))
    assert server.requests == [(f'/{file.name}', None)]
    rows = workfolder.read_rows(tmp_path / 'run' / 'metrics.jsonl')
    assert [row['step'] for row in rows if 'loss' in row] == [3, 6]
    assert 'topdis' in rows[1]


def _at(tmp_path, *args, **environment):
    """The same in a folder without data, cache or TFDS."""
    return subprocess.run(
        _command(*args), capture_output=True, text=True, cwd=tmp_path,
        timeout=300, env=quick.environment(
            PYTHONPATH=ROOT, TFDS_DATA_DIR=str(tmp_path), **{
                'XDG_CACHE_HOME': str(tmp_path / 'cache'), **environment}))


def test_without_data_one_message_names_the_ways_to_have_it(tmp_path):
    config = os.path.join(ROOT, 'experiments', 'configs', 'mpi3d.py')
    begin = time.monotonic()
    done = _at(tmp_path, f'--config={config}')
    seconds = time.monotonic() - begin
    assert done.returncode == 1 and done.stdout == ''
    first, *ways = done.stderr.splitlines()
    assert first.startswith('Error: the data set mpi3d_complex is not on')
    # 460800 x 64 x 64 x 3 bytes.
    assert 'take 5.3 GiB' in first
    assert [way[:5] for way in ways] == ['  1. ', '  2. ', '  3. ']
    assert not os.path.exists(tmp_path / 'runs')
    begin = time.monotonic()
    subprocess.run([sys.executable, '-c', 'import experiments.run'],
                   cwd=ROOT, check=True, env=quick.environment())
    assert seconds - (time.monotonic() - begin) < 5


def test_a_cache_that_cannot_be_written_to_is_one_message(tmp_path):
    (tmp_path / 'file').write_text('')
    config = os.path.join(ROOT, 'experiments', 'configs', 'sprites.py')
    done = _at(tmp_path, f'--config={config}', '--config.train.steps=2001',
               XDG_CACHE_HOME=str(tmp_path / 'file'),
               MPLCONFIGDIR=str(tmp_path / 'file'))
    assert done.returncode == 1
    assert done.stderr.startswith('Error: cannot write the data set')
    assert done.stderr.count('\n') == 1


def test_the_help_names_what_there_is():
    done = _run('--help')
    words = ' '.join(done.stdout.split())
    for name in (*NAMES, *families.FAMILIES, 'topdis_jax/training/config.py',
                 'runs/CONFIG-FAMILY-seedSEED'):
        assert name in words, name
    assert 'study' not in words


def test_a_default_work_folder(tmp_path):
    config = os.path.join(ROOT, 'experiments', 'configs', 'sprites.py')
    done = _at(tmp_path, f'--config={config}:vae', '--config.seed=3', *SMALL,
               '--config.train.steps=4', '--config.train.eval_every=0',
               XDG_CACHE_HOME=os.environ.get('XDG_CACHE_HOME', ''))
    assert done.returncode == 0, done.stderr
    folder = 'runs/sprites-vae-seed3'
    lines = done.stderr.splitlines()
    assert f'Work folder: {folder}' in lines
    assert (tmp_path / folder / 'scores.json').exists()
    assert lines[-1] == (
        f'In {folder}: scores in scores.json, pictures in loss_curves.png, '
        'reconstructions.png, traversals.gif, traversals.png, all of it on '
        'one page, index.html')
    assert (tmp_path / folder / 'index.html').exists()
    assert [line.split(' ...')[0] for line in lines
            if line.startswith('Compiling the training')] == [
        'Compiling the training step without and with the topological loss']
    for what in ('Plotting the pictures', 'Creating the first state'):
        assert any(line.startswith(f'{what} ...') for line in lines), what
    assert '\r' not in done.stderr


def test_folder_of_another_configuration(tmp_path):
    workfolder.prepare(tmp_path, {'seed': 5})
    before = (tmp_path / 'config.json').read_bytes()
    done = _run(CONFIG, f'--workdir={tmp_path}')
    assert done.returncode != 0 and 'Traceback' not in done.stderr
    assert 'seed: 5 there, 0 now' in done.stderr
    assert os.listdir(tmp_path) == ['config.json']
    assert (tmp_path / 'config.json').read_bytes() == before


def test_killed_run_goes_on_bit_for_bit(tmp_path):
    args = [CONFIG, *SMALL, '--config.train.steps=40',
            '--config.train.eval_every=0']
    whole, parts = tmp_path / 'whole', tmp_path / 'parts'
    done = _run(*args, f'--workdir={whole}')
    assert done.returncode == 0, done.stderr
    _kill_after(12, parts, args)
    assert not (parts / 'scores.json').exists()
    done = _run(*args, f'--workdir={parts}')
    assert done.returncode == 0, done.stderr
    for name in ('metrics.jsonl', 'scores.json'):
        assert (whole / name).read_bytes() == (parts / name).read_bytes()
    for name in ('config.json', 'reconstructions.png', 'traversals.png',
                 'traversals.gif', 'loss_curves.png'):
        assert (parts / name).stat().st_size > 0
    _scores_without_training(whole)
    _printed_scores_are_those_of_the_file(done.stdout, parts)


def _scores_without_training(folder):
    trained = (folder / 'scores.json').read_bytes()
    (folder / 'scores.json').unlink()
    done = _run(f'--workdir={folder}', program='evaluate')
    assert done.returncode == 0, done.stderr
    assert (folder / 'scores.json').read_bytes() == trained
    done = _run(f'--workdir={folder}', '--scores=sap,irs', '--checkpoint=best',
                program='evaluate')
    assert 'sap' in done.stdout and 'irs' in done.stdout, done.stderr
    assert {'sap', 'irs'} < set(_scores(folder, 'scores_best.json'))
    assert (folder / 'scores.json').read_bytes() == trained
    # Further scores stand beside those of the same step.
    done = _run(f'--workdir={folder}', '--scores=irs', program='evaluate')
    assert done.returncode == 0, done.stderr
    scores = _scores(folder)
    assert scores.pop('irs') >= 0 and scores == json.loads(trained)


def _scores(folder, name='scores.json'):
    return json.loads((folder / name).read_text())


def _printed_scores_are_those_of_the_file(output, folder):
    printed = dict(line.split() for line in output.splitlines()[1:])
    scores = _scores(folder)
    assert len(printed) == len(scores) - 1 >= 2  # 'settings' stand beside
    for name, value in printed.items():
        assert float(value) == pytest.approx(scores[name], abs=5e-5)


def test_nothing_to_score(tmp_path):
    done = _run(f'--workdir={tmp_path}', program='evaluate')
    assert done.returncode != 0 and 'Traceback' not in done.stderr
    assert 'config.json' in done.stderr and not os.listdir(tmp_path)


def _kill_after(step, folder, args):
    """Starts a run and kills it once its log has that step."""
    process = subprocess.Popen(
        _command(*args, f'--workdir={folder}'), env=quick.environment(),
        cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.time() + 120
    while time.time() < deadline and process.poll() is None:
        rows = workfolder.read_rows(folder / 'metrics.jsonl')
        if rows and rows[-1]['step'] >= step:
            break
        time.sleep(0.001)
    process.kill()
    assert process.wait() == -9
