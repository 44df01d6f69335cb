"""Compiled programs are kept between starts, where the user lets them be."""

import os
import subprocess
import sys

import jax
import pytest

from experiments import compiled
from tests.helpers import quick
from tests.helpers.places import ROOT


@pytest.fixture
def unset():
    """JAX without a folder for compiled programs."""
    before = jax.config.jax_compilation_cache_dir
    jax.config.update('jax_compilation_cache_dir', None)
    yield
    jax.config.update('jax_compilation_cache_dir', before)


def test_the_folder(unset, tmp_path, monkeypatch):
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path))
    compiled.keep()
    assert jax.config.jax_compilation_cache_dir == str(
        tmp_path / 'topdis_jax' / 'compiled')


def test_the_users_folder_comes_first(unset):
    jax.config.update('jax_compilation_cache_dir', '/elsewhere')
    compiled.keep()
    assert jax.config.jax_compilation_cache_dir == '/elsewhere'


def test_no_folder_is_no_error(unset, tmp_path, monkeypatch):
    (tmp_path / 'file').write_text('')
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'file'))
    compiled.keep()
    assert jax.config.jax_compilation_cache_dir is None


def test_a_second_start_compiles_nothing_and_trains_alike(tmp_path):
    environment = quick.environment(
        PYTHONPATH=str(ROOT), XDG_CACHE_HOME=str(tmp_path / 'cache'),
        JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS='0',
        JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES='-1')
    del environment['JAX_COMPILATION_CACHE_DIR']

    def start(name):
        done = subprocess.run(
            [sys.executable, '-m', 'experiments.run',
             f'--config={ROOT}/experiments/configs/sprites.py',
             '--config.data.name=sprites_upright', f'--workdir={name}',
             '--config.train.batch_size=16', '--config.model.hidden=(8,)',
             '--config.model.decoder_hidden=(8,)', '--config.topdis.delay=1',
             '--config.train.steps=3', '--config.train.log_every=1',
             '--config.train.eval_every=0', '--config.eval.scores=("mig",)'],
            capture_output=True, text=True, cwd=tmp_path, timeout=300,
            env=environment)
        assert done.returncode == 0, done.stderr
        folder = tmp_path / 'cache' / 'topdis_jax' / 'compiled'
        return (sorted(name for name in os.listdir(folder)
                       if name.endswith('-cache')),
                (tmp_path / name / 'metrics.jsonl').read_bytes())

    first, second = start('one'), start('two')
    assert any('step' in name for name in first[0])
    assert second == first
