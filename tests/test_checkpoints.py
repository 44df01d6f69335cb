"""Checkpoints: latest and best, whole or not there."""

import shutil

import chex
import numpy as np

from tests import training_cases as cases
from topdis_jax.training.checkpoints import Checkpoints


def _state(step):
    state, _ = cases.make(cases.config())
    return state._replace(step=np.asarray(step, np.int32))


def test_nothing_to_restore(tmp_path):
    checkpoints = Checkpoints(tmp_path)
    assert checkpoints.restore(_state(0)) is None
    assert checkpoints.latest_step() is None
    checkpoints.close()


def test_the_latest_and_the_best_are_kept(tmp_path):
    checkpoints = Checkpoints(tmp_path)
    for step, value in ((1, 0.3), (2, 0.9), (3, 0.5), (4, 0.1)):
        checkpoints.save(_state(step))
        checkpoints.save_if_best(_state(step), value)
    checkpoints.close()
    checkpoints = Checkpoints(tmp_path)
    assert checkpoints.restore(_state(0)).step == 4
    assert checkpoints.restore(_state(0), best=True).step == 2
    checkpoints.close()


def test_restores_every_bit(tmp_path):
    checkpoints = Checkpoints(tmp_path)
    checkpoints.save(_state(7))
    checkpoints.close()
    checkpoints = Checkpoints(tmp_path)
    chex.assert_trees_all_equal(checkpoints.restore(_state(0)), _state(7))
    checkpoints.close()


def test_a_half_deleted_checkpoint_is_passed_over(tmp_path):
    checkpoints = Checkpoints(tmp_path)
    checkpoints.save(_state(1))
    checkpoints.save(_state(2))
    checkpoints.close()
    for path in (tmp_path / 'latest' / '2').iterdir():
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    checkpoints = Checkpoints(tmp_path)
    assert checkpoints.restore(_state(0)).step == 1
    checkpoints.close()
