"""Checkpoints of a run: the latest and the best."""

import os

import jax
import orbax.checkpoint as ocp


class Checkpoints:
    """The folders `latest` and `best` of a run's checkpoints.

    Two folders, because the latest state is saved before it is evaluated: a
    long evaluation that is cut off loses no training. Saving goes on in the
    background and is atomic: a process that is killed while it saves leaves
    the checkpoint before.
    """

    def __init__(self, folder):
        """Opens `folder`, an absolute path, creating it if need be."""
        options = ocp.CheckpointManagerOptions
        self._latest = ocp.CheckpointManager(
            os.path.join(folder, 'latest'),
            options=options(max_to_keep=2, cleanup_tmp_directories=True))
        self._best = ocp.CheckpointManager(
            os.path.join(folder, 'best'),
            options=options(max_to_keep=1, cleanup_tmp_directories=True,
                            best_fn=lambda metrics: metrics['value']))

    def save(self, state):
        """Saves a state as the latest, in the background."""
        self._latest.save(int(state.step), args=_to_save(state))

    def save_if_best(self, state, value):
        """Saves a state if no earlier one had so large a value."""
        self._best.save(int(state.step), args=_to_save(state),
                        metrics={'value': float(value)})

    def restore(self, like, best=False):
        """The latest (or the best) whole state, or None if there is none.

        Args:
          like: a state of the same structure, shapes and types.
        """
        manager = self._best if best else self._latest
        abstract = jax.tree.map(ocp.utils.to_shape_dtype_struct,
                                like._asdict())
        for step in sorted(manager.all_steps(), reverse=True):
            try:
                found = manager.restore(step, args=ocp.args.Composite(
                    state=ocp.args.StandardRestore(abstract)))
            except (FileNotFoundError, KeyError):
                continue  # half deleted when a process was killed
            return type(like)(**found['state'])
        return None

    def latest_step(self):
        """The step that was saved last, or None."""
        return self._latest.latest_step()

    def close(self):
        """Waits for the saves under way."""
        for manager in (self._latest, self._best):
            manager.wait_until_finished()
            manager.close()


def _to_save(state):
    return ocp.args.Composite(
        state=ocp.args.StandardSave(state._asdict()))
