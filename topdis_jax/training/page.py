"""A run's or study's results as one page, index.html, that opens from disk."""

from collections.abc import Iterable, Sequence
import html
import json
import os
from typing import Any, NamedTuple
import urllib.parse

from topdis_jax import files
from topdis_jax.metrics import table
from topdis_jax.training import workfolder

NAME = 'index.html'
_PICTURES = {
    'loss_curves.png': 'Terms of the loss',
    'reconstructions.png': 'Images and their reconstructions',
    'traversals.png': 'Each row changes one latent, sorted by KL',
    'traversals.gif': 'The same, moving',
    'correlation.png': 'Factors that go together in training'}
_STYLE = '''
:root { color-scheme: light dark; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem;
       margin: 2rem auto; padding: 0 1rem; }
h1 { overflow-wrap: anywhere; font-size: 1.5rem; }
h2 { font-size: 1.15rem; margin-top: 2rem; }
table { border-collapse: collapse; display: block; overflow-x: auto; }
th, td { text-align: left; padding: .25rem 1rem .25rem 0;
         border-bottom: 1px solid #8884; vertical-align: top; }
td.number { text-align: right; font-variant-numeric: tabular-nums; }
figure { margin: 1rem 0; }
img { max-width: 100%; background: white; }
'''


class Run(NamedTuple):
    """A run of a study."""
    name: str
    folder: str


def write(folder: str) -> None:
    """Writes a run's page: scores, pictures and configuration.

    What is not there yet is left out.

    Args:
      folder: the work folder, with config.json.

    Raises:
      WorkFolderError: there is no run.
    """
    config = workfolder.flatten(workfolder.read_config(folder))
    rows = workfolder.read_rows(os.path.join(folder, 'metrics.jsonl'))
    steps = max((row['step'] for row in rows), default=0)
    title = (f'{config.get("model.family", "run")} on '
             f'{config.get("data.name", "?")}, seed {config.get("seed", "?")}')
    _save(folder, title, [
        f'<p>{steps} of {config.get("train.steps", "?")} steps.</p>',
        *_scores(folder, rows), *_last_row(rows), *_pictures(folder),
        '<h2>Configuration</h2>',
        _table(('key', 'value'), sorted(config.items()))])


def write_study(folder: str, runs: Iterable[Run]) -> None:
    """Writes a study's page: the scores of its runs, with links to them.

    Args:
      folder: of the study.
      runs: in the order of the table; their folders lie within this one.
    """
    found = [(run, _read_scores(run.folder)[0]) for run in runs]
    names = list(dict.fromkeys(name for _, scores in found for name in scores))
    lines = [(_link(run, folder),
              *(scores.get(name, '') for name in names))
             for run, scores in found]
    finished = sum(bool(scores) for _, scores in found)
    _save(folder, f'Study {os.path.basename(os.path.abspath(folder))}', [
        f'<p>{finished} of {len(found)} runs have their final scores.</p>',
        _table(('run', *map(_label, names)), lines)])


class _Link(NamedTuple):
    text: str
    address: str


def _link(run, folder):
    """A link to a run's page, or its name alone if there is none yet."""
    path = os.path.join(run.folder, NAME)
    if not os.path.exists(path):
        return run.name
    # As it is quoted, a colon does not end a scheme.
    return _Link(run.name, urllib.parse.quote(
        os.fsencode(os.path.relpath(path, folder))))


def _save(folder, title, parts):
    text = ('<!doctype html>\n<html lang="en">\n<meta charset="utf-8">\n'
            '<meta name="viewport" content="width=device-width">\n'
            f'<title>{html.escape(title)}</title>\n<style>{_STYLE}</style>\n'
            f'<h1>{html.escape(title)}</h1>\n' + '\n'.join(parts) + '\n')
    with files.replacing(os.path.join(folder, NAME), 'wb') as file:
        # Names of files need not be valid text.
        file.write(text.encode('utf-8', 'replace'))


def _read_scores(folder):
    """Final scores by name, and their step; none without a readable file.

    A page shows what is there: it stops neither a run nor a study.
    """
    try:
        with open(os.path.join(folder, 'scores.json')) as file:
            scores = json.load(file)
    except (OSError, ValueError):
        return {}, 0
    if not isinstance(scores, dict):
        return {}, 0
    settings = scores.pop('settings', None)
    return scores, (settings.get('step', 0) if isinstance(settings, dict)
                    else 0)


def _scores(folder, rows):
    """The final scores, or later ones of the log."""
    scores, step = _read_scores(folder)
    parts = [] if scores else ['<p>No final scores yet.</p>']
    for row in rows:
        if 'scores' in row and (not scores or row['step'] > step):
            scores, step = row['scores'], row['step']
    if not scores:
        return parts
    return [*parts, f'<h2>Scores at step {step}</h2>', _table(
        ('score', 'value'),
        [(_label(name), value) for name, value in scores.items()])]


def _label(name):
    row = table.SCORES.get(name)
    return row.label if row else name.replace('_', ' ')


def _last_row(rows):
    rows = [row for row in rows if 'loss' in row]
    if not rows:
        return []
    return [f'<h2>The log at step {rows[-1]["step"]}</h2>',
            _table(('term', 'value'), [
                (name, value) for name, value in rows[-1].items()
                if name != 'step'])]


def _pictures(folder):
    return [f'<figure><h2>{title}</h2><a href="{name}"><img src="{name}" '
            f'alt="{title}" loading="lazy"></a></figure>'
            for name, title in _PICTURES.items()
            if os.path.exists(os.path.join(folder, name))]


def _table(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    head = ''.join(f'<th>{html.escape(text)}</th>' for text in header)
    body = '\n'.join('<tr>' + ''.join(map(_cell, row)) + '</tr>'
                     for row in rows)
    return f'<table><tr>{head}</tr>\n{body}\n</table>'


def _cell(value):
    if isinstance(value, _Link):
        return (f'<td><a href="{value.address}">{html.escape(value.text)}</a>'
                '</td>')
    if isinstance(value, float):
        return f'<td class="number">{value:.4g}</td>'
    return f'<td>{html.escape(str(value))}</td>'
