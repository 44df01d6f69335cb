"""A work folder is locked against a second run, while the first lives."""

import errno
import fcntl
import os
import subprocess
import sys

import pytest

from topdis_jax.training import lock, workfolder

_HOLD = """
import sys, time
from topdis_jax.training import lock
with lock.locked(sys.argv[1]):
    print('held', flush=True)
    time.sleep(600)
"""


def _holder(folder):
    process = subprocess.Popen([sys.executable, '-c', _HOLD, str(folder)],
                               stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == 'held\n'
    return process


def test_a_second_process_is_refused_until_the_first_is_gone(tmp_path):
    process = _holder(tmp_path)
    try:
        with pytest.raises(workfolder.WorkFolderError) as error:
            with lock.locked(tmp_path):
                pass
        assert str(process.pid) in str(error.value)
        assert str(tmp_path) in str(error.value)
        # The refused one has not taken the other's name away.
        assert str(process.pid) in (tmp_path / lock.NAME).read_text()
    finally:
        process.kill()
        process.wait()
    with lock.locked(tmp_path):
        assert str(os.getpid()) in (tmp_path / lock.NAME).read_text()
    with lock.locked(tmp_path):
        pass


def test_a_folder_that_cannot_be_made(tmp_path):
    (tmp_path / 'taken').write_text('')
    with pytest.raises(workfolder.WorkFolderError, match='cannot write'):
        with lock.locked(tmp_path / 'taken'):
            pass


def test_a_file_system_without_locks(tmp_path, monkeypatch, capsys):
    def flock(file, operation):
        raise OSError(errno.ENOLCK, 'No locks available')

    monkeypatch.setattr(fcntl, 'flock', flock)
    with lock.locked(tmp_path):
        assert 'cannot be locked' in capsys.readouterr().err
