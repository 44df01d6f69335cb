"""A run that is there already, loaded from its work folder."""

import os
from typing import Any, NamedTuple

import ml_collections
import numpy as np

from topdis_jax import progress
from topdis_jax.data import digest, sources
from topdis_jax.data.factors import FactorDataset
from topdis_jax.training import families, inference, state as states, workfolder
from topdis_jax.training.checkpoints import Checkpoints
from topdis_jax.training.state import TrainState

_AT_ONCE = 500  # images


class Trained(NamedTuple):
    """What a run's checkpoint belongs to, and its state."""
    config: ml_collections.ConfigDict
    dataset: FactorDataset
    model: Any  # flax module
    state: TrainState


def load(folder, best=False):
    """The run in `folder`, at its latest or best checkpoint.

    Raises:
      WorkFolderError: there is no run, or no such checkpoint yet, or its data
        have changed.
      CheckpointError: none of its checkpoints can be read.
      DataError: its data set is not to be had.
    """
    config = ml_collections.ConfigDict(workfolder.read_config(folder))
    dataset = sources.of_config(config.data)
    workfolder.check_data(folder, digest.describe(dataset))
    model = states.make_model(config, dataset.image_shape)
    objective = families.make_objective(config, len(dataset))
    path = os.path.join(os.path.abspath(folder), 'checkpoints')
    state = None
    if os.path.isdir(path):
        checkpoints = Checkpoints(path, read_only=True)
        state = checkpoints.restore(
            states.create_state(config, model, objective), best)
        checkpoints.close()
    if state is None:
        kind = 'best' if best else 'latest'
        raise workfolder.WorkFolderError(
            f'{folder} holds no {kind} checkpoint yet; train it first')
    return Trained(config, dataset, model, state)


def load_all(folders):
    """The runs of several folders: {short name: Trained}; shows a bar.

    Raises:
      WorkFolderError, CheckpointError, DataError: see `load`; or no folder.
    """
    if not folders:
        raise workfolder.WorkFolderError(
            'no run is named; give --workdirs=DIR,DIR')
    with progress.Bar(total=len(folders), desc='Loading', unit='run',
                      leave=False) as bar:
        runs = {}
        for name, folder in zip(short_names(folders), folders):
            runs[name] = load(folder)
            bar.update()
    return runs


def posteriors(run, rows, description='Encoding'):
    """Means and log variances, [n, d] each, of the images `rows` [n].

    Shows a bar, with a description.
    """
    encode = inference.compile_model(run.model)(run.state.params).encode
    found = []
    with progress.Bar(total=len(rows), desc=description, unit='img',
                      leave=False) as bar:
        for part in np.split(rows, range(_AT_ONCE, len(rows), _AT_ONCE)):
            found.append(encode(run.dataset.images[part]))
            bar.update(len(part))
    return tuple(map(np.concatenate, zip(*found)))


def sample(rng, means, log_vars):
    """Codes [n, d] of posteriors, with noise of the NumPy generator `rng`."""
    noise = rng.standard_normal(means.shape).astype(np.float32)
    return means + np.exp(log_vars / 2) * noise


def short_names(folders):
    """The folders, less what their paths begin with in common."""
    paths = [os.path.abspath(folder) for folder in folders]
    common = os.path.commonpath([os.path.dirname(path) for path in paths])
    return [os.path.relpath(path, common) for path in paths]
