"""The log's rows in TensorBoard and in other loggers."""

import json
import re
import struct
import sys
import types

import numpy as np
import pytest

from experiments import run
from experiments.configs import sprites
from tests.helpers.places import ROOT
from topdis_jax.training import keys, tensorboard, workfolder


def _small(config, steps=20):
    config.data.name = 'sprites_upright'
    config.model.hidden = config.model.decoder_hidden = (8,)
    config.topdis.weight, config.train.steps = 0.0, steps
    config.train.batch_size, config.train.log_every = 16, 5
    config.train.checkpoint_every, config.train.eval_every = 10, 10
    config.eval.scores = ('mig',)
    return config


@pytest.fixture
def no_pictures(monkeypatch):
    monkeypatch.setattr(run.plots, 'plot_run', lambda *args, **options: None)


def _scalars(folder):
    """{(tag, step): [values]} of all event files, as TensorBoard has it.

    A file that begins with a session's start drops what has its step or a
    later one.
    """
    from tensorboardX import proto
    found = {}
    for path in sorted((folder / 'tensorboard').iterdir()):
        content = path.read_bytes()
        while content:
            size, = struct.unpack('<Q', content[:8])
            event = proto.event_pb2.Event.FromString(content[12:12 + size])
            content = content[12 + size + 4:]
            if event.HasField('session_log'):
                found = {key: values for key, values in found.items()
                         if key[1] < event.step}
            for value in event.summary.value:
                found.setdefault((value.tag, event.step), []).append(
                    value.simple_value if value.HasField('simple_value')
                    else value.image.height)
    return found


def _expected(folder, scores=None, step=20):
    """The same of the log, and of the final scores."""
    rows = workfolder.read_rows(str(folder / 'metrics.jsonl'))
    found = {}
    for row in rows:
        found |= {(f'train/{name}', row['step']): value
                  for name, value in row.items()
                  if name not in ('step', 'scores')}
        found |= {(f'scores/{name}', row['step']): value
                  for name, value in row.get('scores', {}).items()}
    return found | {(f'scores/{name}', step): value
                    for name, value in (scores or {}).items()}


def _check(folder, expected):
    found = _scalars(folder)
    assert found.keys() == expected.keys()
    for key, values in found.items():
        np.testing.assert_allclose(values, [expected[key]], rtol=1e-6)


def test_tensorboard_has_what_the_log_has(tmp_path, no_pictures):
    pytest.importorskip('tensorboardX')
    config = _small(sprites.get_config())
    config.train.tensorboard = True
    scores = run.run(config, str(tmp_path))
    _check(tmp_path, _expected(tmp_path, scores))


def test_a_run_that_goes_on_has_no_step_twice(tmp_path, monkeypatch):
    """Nor does it lose one: ended, again, then longer."""
    pytest.importorskip('tensorboardX')
    from PIL import Image
    monkeypatch.setattr(run.plots, 'plot_run', lambda folder, *args, **options:
                        Image.new('RGB', (2, 2)).save(f'{folder}/'
                                                      'traversals.png'))
    config = _small(sprites.get_config())
    config.train.tensorboard = True
    pictures = {('traversals', 10): 2, ('traversals', 20): 2}
    for _ in range(2):
        scores = run.run(config, str(tmp_path))
        expected = _expected(tmp_path, scores) | pictures
        _check(tmp_path, expected)
    # It was killed after a step that no checkpoint has.
    writer = tensorboard.Writer(str(tmp_path))
    writer({'step': 25, 'loss': -1.0})
    writer.close()
    config.train.steps = 30
    last = run.run(config, str(tmp_path))
    _check(tmp_path, _expected(tmp_path, last, step=30) | expected
           | pictures | {('traversals', 30): 2})


@pytest.mark.parametrize('damage', [
    lambda content: content[:-5], lambda content: content + b'\x09cut',
    lambda content: content + struct.pack('<QI', 3, 0) + b'\xff\xff\xff0000'])
def test_files_of_events_that_are_damaged(tmp_path, damage):
    pytest.importorskip('tensorboardX')
    for step in range(2):
        writer = tensorboard.Writer(str(tmp_path))
        writer({'step': step, 'loss': 1.0})
        writer.close()
        if step == 0:
            path, = (tmp_path / 'tensorboard').iterdir()
            path.write_bytes(damage(path.read_bytes()))
    (tmp_path / 'tensorboard' / 'profile').mkdir()
    tensorboard.Writer(str(tmp_path))({'step': 2, 'loss': 1.0})


def test_a_run_that_goes_on_with_it_has_all_of_the_log(tmp_path, no_pictures):
    pytest.importorskip('tensorboardX')
    config = _small(sprites.get_config())
    run.run(config, str(tmp_path))
    config.train.tensorboard, config.train.steps = True, 30
    scores = run.run(config, str(tmp_path))
    _check(tmp_path, _expected(tmp_path, scores, step=30))


def test_pictures_have_the_step_that_is_scored(tmp_path, monkeypatch):
    pytest.importorskip('tensorboardX')
    steps = []
    monkeypatch.setattr(run.plots, 'plot_run', lambda *args, **options: None)
    monkeypatch.setattr(tensorboard.Writer, 'pictures',
                        lambda self, step: steps.append(step))
    config = _small(sprites.get_config())
    config.train.tensorboard, config.train.log_every = True, 0
    config.train.eval_every = 8
    run.run(config, str(tmp_path))
    assert steps == [8, 16, 20]


def test_pictures_go_there_too(tmp_path):
    pytest.importorskip('tensorboardX')
    from PIL import Image
    Image.new('RGB', (8, 4)).save(tmp_path / 'traversals.png')
    writer = tensorboard.Writer(str(tmp_path))
    writer.pictures(7)
    writer.close()
    content, = ((tmp_path / 'tensorboard').iterdir())
    assert b'traversals' in content.read_bytes()
    assert b'reconstructions' not in content.read_bytes()


def test_a_missing_package_is_told_before_anything(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, 'tensorboardX', None)
    config = _small(sprites.get_config())
    config.train.tensorboard = True
    with pytest.raises(keys.SettingsError, match=r"'\.\[tensorboard\]'"):
        run.run(config, str(tmp_path / 'run'))
    assert not (tmp_path / 'run').exists()


def test_other_loggers_as_documented(tmp_path, monkeypatch, no_pictures):
    text = (ROOT / 'docs' / 'training.md').read_text()
    block, = [b for b in re.findall(r'```\{code-block\} python\n(.*?)```', text,
                                    re.DOTALL) if 'wandb' in b]
    rows = []
    wandb = types.SimpleNamespace(
        init=lambda project, config: json.dumps(config),
        log=lambda row, step: rows.append((step, dict(row))),
        finish=lambda: rows.append('finished'))
    monkeypatch.setitem(sys.modules, 'wandb', wandb)
    monkeypatch.chdir(tmp_path)
    small = _small(sprites.get_config())
    monkeypatch.setattr(sprites, 'get_config', lambda: small)
    exec(block.replace('12_000', '20'), {})
    assert rows.pop() == 'finished'
    logged = workfolder.read_rows('runs/sprites/metrics.jsonl')
    assert [row for _, row in rows[:-1]] == logged
    assert rows[-1][0] == 20 and 'mig' in rows[-1][1]['scores']
