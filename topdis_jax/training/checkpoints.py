"""Checkpoints of a run: the latest and the best."""

import contextlib
import errno
import functools
import json
import math
import os
import sys
import zlib

import jax
import numpy as np
import orbax.checkpoint as ocp
from orbax.checkpoint import checkpoint_managers as policies

from topdis_jax.training.state import TrainState


class CheckpointError(RuntimeError):
    """Checkpoints that cannot be saved, or of which none can be read."""


class Checkpoints:
    """The folders `latest` and `best` of a run's checkpoints.

    Two folders, because the latest state is saved before it is evaluated: a
    long evaluation that is cut off loses no training. Saving goes on in the
    background and is atomic: a process that is killed while it saves leaves
    the checkpoint before.
    """

    def __init__(self, folder: str, read_only: bool = False) -> None:
        """Opens `folder`, an absolute path, creating it if need be.

        With `read_only` nothing is changed in it, not even what another
        process that is saving there has begun.

        Raises:
          CheckpointError: the folder cannot be written to.
        """
        self._folder, self._read_only = os.fspath(folder), read_only
        self._ranks = ''  # the name of what ranks states
        if not read_only:
            self._latest, self._best  # opened now, not at the first save

    @functools.cached_property
    def _latest(self):
        return self._open('latest', policies.LatestN(n=2))

    @functools.cached_property
    def _best(self):
        if not self._read_only:
            self._set_unreadable_values_aside()
        return self._open(
            'best', policies.BestN(get_metric_fn=self._rank, n=1),
            best_fn=self._rank)

    def _rank(self, values):
        """A state's place among those that the same score ranks.

        One that another score ranked is below them all. Earlier versions did
        not say which it was.
        """
        return values.get(self._ranks, values.get('value', -math.inf))

    def save(self, state: TrainState) -> None:
        """Saves a state as the latest, in the background.

        Raises:
          CheckpointError: this save or one before it failed.
        """
        with _translating_errors(self._folder, 'save'):
            self._latest.save(int(state.step), args=_to_save(state))

    def save_if_best(self, state: TrainState, name: str,
                     value: float) -> None:
        """Saves a state if no earlier one had a larger value of that name."""
        self._ranks = name
        with _translating_errors(self._folder, 'save'):
            self._best.save(int(state.step), args=_to_save(state),
                            metrics={name: float(value)})

    def restore(self, like: TrainState,
                best: bool = False) -> TrainState | None:
        """The latest (or the best) whole state, or None if there is none.

        A damaged one is reported, and moved into the folder `damaged` once an
        earlier one is found to be whole.

        Args:
          like: a state of the same structure, shapes and types.

        Raises:
          CheckpointError: there are some, but none can be read.
        """
        name = 'best' if best else 'latest'
        manager = self._best if best else self._latest
        damaged = []
        for step in sorted(manager.all_steps(), reverse=True):
            try:
                state = _read(manager, step, like)
            except (MemoryError, CheckpointError):
                raise
            except Exception as error:  # each damaged file has its own
                damaged.append(step)
                _report(self._path(name, step), error)
                continue
            if damaged and not self._read_only:
                self._set_aside(name, damaged)
                manager.reload()
            return state
        if damaged:
            raise CheckpointError(
                f'none of the checkpoints in {self._path(name)} can be read '
                f'(steps {", ".join(map(str, damaged))}). Nothing was '
                'changed. Put a copy back, or begin anew with another '
                '--workdir.')
        return None

    def latest_step(self) -> int | None:
        """The step that was saved last, or None."""
        return self._latest.latest_step()

    def wait(self) -> None:
        """Waits for the saves under way.

        Raises:
          CheckpointError: one of them failed.
        """
        with _translating_errors(self._folder, 'save'):
            for manager in self._opened():
                manager.wait_until_finished()

    def close(self) -> None:
        """Waits for the saves under way, whose failure it raises."""
        with contextlib.ExitStack() as stack:
            stack.enter_context(_translating_errors(self._folder, 'save'))
            for manager in self._opened():
                stack.callback(manager.close)

    def _opened(self):
        return [vars(self)[name] for name in ('_latest', '_best')
                if name in vars(self)]

    def _open(self, name, kept, **options):
        changing = not self._read_only
        with _translating_errors(self._folder, 'open'):
            return ocp.CheckpointManager(
                self._path(name), options=ocp.CheckpointManagerOptions(
                    create=changing, cleanup_tmp_directories=changing,
                    preservation_policy=kept, **options),
                handler_registry=_handlers())

    def _path(self, *names):
        return os.path.join(self._folder, *map(str, names))

    def _set_unreadable_values_aside(self):
        """Of best checkpoints, whose values the manager reads when opened."""
        folder = self._path('best')
        steps = os.listdir(folder) if os.path.isdir(folder) else ()
        for step in filter(str.isdigit, steps):
            path = self._path('best', step, 'metrics', 'metrics')
            with contextlib.suppress(FileNotFoundError):  # half deleted
                try:
                    with open(path) as file:
                        [value] = json.load(file).values()
                        float(value)
                except (ValueError, AttributeError, TypeError) as error:
                    _report(self._path('best', step), error)
                    self._set_aside('best', [step])

    def _set_aside(self, name, steps):
        """Moves steps out of the way of new ones; deletes nothing."""
        if jax.process_index() > 0:
            return
        os.makedirs(self._path('damaged'), exist_ok=True)
        for step in steps:
            target = self._path('damaged', f'{name}_{step}')
            while os.path.exists(target):
                target += '_'
            os.rename(self._path(name, step), target)


def _handlers():
    """Of the parts of a checkpoint, also for reading what they are."""
    registry = ocp.DefaultCheckpointHandlerRegistry()
    for name, handler, args in (
            ('state', ocp.StandardCheckpointHandler(),
             (ocp.args.StandardSave, ocp.args.StandardRestore)),
            ('check', ocp.JsonCheckpointHandler(),
             (ocp.args.JsonSave, ocp.args.JsonRestore))):
        for arg in args:
            registry.add(name, arg, handler)
    return registry


@contextlib.contextmanager
def _translating_errors(folder, what):
    """Turns whatever goes wrong within into a CheckpointError."""
    try:
        yield
    except Exception as error:  # tensorstore's have no class of their own
        raise CheckpointError(
            f'cannot {what} checkpoints in {folder}: {_brief(error)}\n'
            'Those before are intact: once this is put right, the same '
            'command goes on from the last of them.') from error


def _report(path, error):
    print(f'Checkpoint {path} is damaged and is passed over: {_brief(error)}',
          file=sys.stderr)


def _brief(error):
    """What is of use to a user in a message of a thousand characters."""
    full = os.strerror(errno.ENOSPC)
    while full not in str(error) and error.__cause__ is not None:
        error = error.__cause__  # what wraps it quotes code
    if full in str(error):
        return f'the disk is full ({full})'
    text = str(error).split(' [tensorstore_spec=')[0].split(' [source')[0]
    return f'{type(error).__name__}: {" ".join(text.split())[:400]}'


def _to_save(state):
    tree = state._asdict()
    return ocp.args.Composite(
        state=ocp.args.StandardSave(tree),
        check=ocp.args.JsonSave({'crc32': _crc32(tree)}))


def _read(manager, step, like):
    """The whole state of a step, or an exception of any class.

    Fields that were not saved, by an earlier version, are those of `like`.
    """
    items = manager.item_metadata(step)
    _check_shapes(items['state'], like)
    fields = {name: value for name, value in like._asdict().items()
              if name in items['state']}
    fields = jax.tree.map(ocp.utils.to_shape_dtype_struct, fields)
    asked = {'state': ocp.args.StandardRestore(fields)}
    if 'check' in items:
        asked['check'] = ocp.args.JsonRestore()
    found = manager.restore(step, args=ocp.args.Composite(**asked))
    # A flipped bit in an array is read without complaint.
    if 'check' in items and found['check']['crc32'] != _crc32(found['state']):
        raise ValueError('the arrays are not those that were saved')
    return like._replace(**found['state'])


def _check_shapes(saved, like):
    """Raises CheckpointError if arrays have other shapes than was saved.

    Then the checkpoint is whole, and belongs to another model or other images.
    """
    there = {jax.tree_util.keystr(path): getattr(leaf, 'shape', None)
             for path, leaf in jax.tree_util.tree_leaves_with_path(saved)}
    for path, leaf in jax.tree_util.tree_leaves_with_path(like._asdict()):
        name, shape = jax.tree_util.keystr(path), np.shape(leaf)
        if there.get(name) is not None and tuple(there[name]) != shape:
            raise CheckpointError(
                f'the checkpoints are of another model, or of images of '
                f'another size: {name} has shape {tuple(there[name])} there '
                f'and {shape} now. Nothing was changed. Give another '
                '--workdir, or the data and the configuration of before.')


def _crc32(tree):
    """A checksum of the bits of all arrays."""
    check = 0
    for leaf in jax.tree.leaves(tree):
        check = zlib.crc32(np.ascontiguousarray(leaf).tobytes(), check)
    return check
