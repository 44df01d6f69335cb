"""The files of a run: config.json, metrics.jsonl and their like."""

from collections.abc import Callable, Iterator, Mapping
import contextlib
import json
import os
import sys
from typing import Any

from topdis_jax import files

# Keys that may change between two parts of one run: they say how long it goes
# on and what is looked at, not what is computed of finite numbers.
_FREE = ('train.steps', 'train.log_every', 'train.checkpoint_every',
         'train.eval_every', 'train.skip_nonfinite', 'eval.', 'data.root',
         'data.source', 'data.download', 'train.tensorboard')
# Keys of _FREE that do say, for these data sets, which images there are.
_TELLING: dict[str, tuple[str, ...]] = {
    'own': ('data.root',), 'celeba': ('data.source',)}


# Keys that earlier versions had not, and what they did.
_ADDED: dict[str, Any] = {
    'topdis.divergence': 'rtd', 'published': False, 'model.channels': [],
    'objective.discriminator_width': 0}


class WorkFolderError(ValueError):
    """The work folder cannot serve this configuration."""


def prepare(folder: str, config: Mapping[str, Any]) -> None:
    """Creates a run's folder, or checks that it belongs to this run.

    Args:
      folder: its path.
      config: nested dict of plain values, written to config.json.

    Raises:
      WorkFolderError: not writable, or of another configuration.
    """
    with _translating_errors(folder):
        os.makedirs(folder, exist_ok=True)
        check(folder, config)
        files.write_json(os.path.join(folder, 'config.json'), config)


def check(folder: str, config: Mapping[str, Any]) -> None:
    """Raises WorkFolderError if a folder belongs to another run."""
    path = os.path.join(folder, 'config.json')
    with _translating_errors(folder):
        if os.path.exists(path):
            _check_same(_read(path), config, folder)
        elif os.path.isdir(folder) and (
                set(os.listdir(folder)) & {'metrics.jsonl', 'checkpoints'}):
            raise WorkFolderError(
                f'{folder} holds a run without its config.json; give another '
                '--workdir')


def prepare_data(folder: str, facts: Mapping[str, Any]) -> None:
    """Writes data.json, what `data.digest.describe` says of a run's data.

    Raises:
      WorkFolderError: not writable, or the run began with other data.
    """
    check_data(folder, facts)
    with _translating_errors(folder):
        files.write_json(os.path.join(folder, 'data.json'), facts)


def check_data(folder: str, facts: Mapping[str, Any]) -> None:
    """Raises WorkFolderError if a run began with other data.

    A folder without data.json, of an earlier version, passes.
    """
    path = os.path.join(folder, 'data.json')
    if not os.path.exists(path):
        return
    before = _read(path)
    if before == facts:
        return
    lines = [f'  {key}: {before.get(key)} there, {facts[key]} now'
             for key in facts if before.get(key) != facts[key]]
    raise WorkFolderError(
        f'the data of the run in {folder} have changed since it began:\n'
        + '\n'.join(lines) + '\nGive another --workdir, or put the data of '
        'before back in their place.')


@contextlib.contextmanager
def _translating_errors(folder):
    """Turns what the file system says within into a WorkFolderError."""
    try:
        yield
    except OSError as error:
        raise WorkFolderError(
            f'cannot write to the work folder {folder} ({error.strerror}); '
            'give another --workdir') from error


def _read(path):
    """What a JSON file of a run holds, a dict.

    Raises:
      WorkFolderError: it cannot be read.
    """
    try:
        with open(path) as file:
            found = json.load(file)
        if not isinstance(found, dict):
            raise ValueError('no JSON object')
    except (OSError, ValueError) as error:  # no JSON, or no text
        raise WorkFolderError(f'{path} cannot be read ({error}); put a copy '
                              'back, or give another --workdir') from error
    return found


@contextlib.contextmanager
def writing(folder: str) -> Iterator[None]:
    """Within a run: its folder can no longer be written to.

    Raises:
      WorkFolderError: for any OSError within, as of a full disk.
    """
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        if error.filename:  # it may be another one, as of shared memory
            reason += f': {error.filename}'
        raise WorkFolderError(
            f'cannot write to the work folder {folder} ({reason}). The '
            'checkpoints that are there are intact: once this is put right, '
            'the same command goes on from the last of them.') from error


def read_config(folder: str) -> dict[str, Any]:
    """The configuration of the run in a folder, a nested dict.

    Raises:
      WorkFolderError: there is none, or it cannot be read.
    """
    path = os.path.join(folder, 'config.json')
    if not os.path.exists(path):
        raise WorkFolderError(f'{folder} holds no run, as there is no {path}; '
                              'give the --workdir of a run')
    return _read(path)


def read_rows(path: str) -> list[dict[str, Any]]:
    """The rows of a log, without lines that are none, as a torn one."""
    return [row for row in _lines(path) if row is not None]


def _lines(path):
    """For each line of a log its row, or None where it is damaged."""
    if not os.path.exists(path):
        return []
    with open(path, errors='replace') as file:
        return list(map(_row, file))


def _row(line):
    try:
        row = json.loads(line)
        return row if row['step'] >= 0 else None
    except (ValueError, TypeError, KeyError):
        return None


class Log:
    """metrics.jsonl: one row for each logged step, whole or not at all.

    Attributes:
      scored: the steps that the log has scores of.
    """

    def __init__(self, path: str, last_step: int, writes: bool = True,
                 on_row: Callable[[Mapping[str, Any]], None] | None = None
                 ) -> None:
        """Opens the log and drops the rows after `last_step`.

        With `writes` False, as in all processes of a run but the first, it
        does nothing at all. on_row is called with each row that is written.
        """
        self._file, self.scored, self._on_row = None, set(), on_row
        if not writes:
            return
        lines = _lines(path)
        # The last one is torn where the program was killed.
        if damaged := lines[:-1].count(None):
            print(f'{path}: {damaged} of {len(lines)} lines are damaged and '
                  'are left out', file=sys.stderr)
        rows = [r for r in lines if r is not None and r['step'] <= last_step]
        with files.replacing(path) as file:
            file.writelines(_line(row) for row in rows)
        self.scored = {row['step'] for row in rows if 'scores' in row}
        self._file = open(path, 'a')

    def write(self, row: Mapping[str, Any]) -> None:
        if self._file is not None:
            self._file.write(_line(row))
            self._file.flush()
            self.tell(row)

    def tell(self, row: Mapping[str, Any]) -> None:
        """Calls on_row with a row that is not written."""
        if self._file is None or self._on_row is None:
            return
        try:
            self._on_row(row)
        except OSError as error:  # not one of the work folder, see `writing`
            raise RuntimeError(f'on_row failed with {type(error).__name__}: '
                               f'{error}') from error

    def close(self) -> None:
        if self._file is not None:
            self._file.close()


def _line(row):
    return json.dumps(row) + '\n'


def differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """What two configurations, nested dicts, differ in: a list of lines."""
    old, new = map(_flat_lists, (old, new))
    if old.keys() & {'topdis.weight'}:  # a run's, of any version
        old = {**_ADDED, **old}
        old = _of_its_family(old, new)
    telling = _TELLING.get(str(new.get('data.name')), ())
    return [f'  {k}: {old.get(k, "absent")!r} there, '
            f'{new.get(k, "absent")!r} now'
            for k in sorted(old.keys() | new.keys())
            if old.get(k) != new.get(k)
            and (k in telling or not k.startswith(_FREE))]


def _flat_lists(tree):
    """As `flatten`; a tuple is a list, as it is in a file."""
    return {key: list(value) if isinstance(value, tuple) else value
            for key, value in flatten(tree).items()}


def _of_its_family(old, new):
    """Without the keys of other families, which version 0.1 kept as well."""
    if old.get('model.family') != new.get('model.family'):
        return old
    return {key: value for key, value in old.items()
            if key in new or not key.startswith('objective.')}


def _check_same(old, new, folder):
    lines = differences(old, new)
    if lines:
        raise WorkFolderError(
            f'the work folder {folder} belongs to another configuration:\n'
            + '\n'.join(lines)
            + '\nGive another --workdir, or the same values.')


def flatten(tree: Any, prefix: str = '') -> dict[str, Any]:
    """{'section.key': value} of a configuration, nested dicts or ConfigDict."""
    flat = {}
    for key, value in tree.items():
        if hasattr(value, 'items'):
            flat.update(flatten(value, f'{prefix}{key}.'))
        else:
            flat[prefix + key] = value
    return flat
