"""index.html of a run and of a study: complete, escaped, self-contained."""

import html.parser
import json
import os
import urllib.parse

import pytest

from experiments import run
from experiments.configs import sprites
from topdis_jax.training import page


class _Parser(html.parser.HTMLParser):
    """Links and text of a page."""

    def __init__(self):
        super().__init__()
        self.links, self.text = [], []

    def handle_starttag(self, tag, attrs):
        self.links += [value for name, value in attrs
                       if name in ('href', 'src')]

    def handle_data(self, data):
        self.text.append(data.strip())


def _parsed(folder):
    text = (folder / 'index.html').read_text()
    parser = _Parser()
    parser.feed(text)
    assert '<script' not in text and 'http' not in text
    return parser


def _run(folder, **scores):
    folder.mkdir(parents=True)
    (folder / 'config.json').write_text(json.dumps({
        'seed': 3, 'model': {'family': 'beta_vae'}, 'train': {'steps': 20},
        'data': {'name': 'own', 'root': '<script>alert(1)</script> & more'}}))
    if scores:
        (folder / 'scores.json').write_text(json.dumps(
            {**scores, 'settings': {'step': 20}}))
    return folder


def test_a_run(tmp_path):
    folder = _run(tmp_path / 'run', mig=0.25, reconstruction=40.5)
    (folder / 'metrics.jsonl').write_text(
        '{"step": 10, "loss": 7.5}\n{"step": 20, "loss": 6.25}\n'
        '{"step": 20, "scores": {"mig": 0.25}}\n')
    (folder / 'loss_curves.png').write_bytes(b'')
    page.write(str(folder))
    parser = _parsed(folder)
    assert set(parser.links) == {'loss_curves.png'}
    for text in ('beta_vae on own, seed 3', '20 of 20 steps.', 'MIG', '0.25',
                 'reconstruction', '40.5', 'The log at step 20', '6.25',
                 'data.root', '<script>alert(1)</script> & more'):
        assert text in parser.text, text


def test_a_run_without_scores(tmp_path):
    page.write(str(_run(tmp_path / 'run')))
    parser = _parsed(tmp_path / 'run')
    assert '0 of 20 steps.' in parser.text
    assert 'No final scores yet.' in parser.text and not parser.links


def test_a_run_that_goes_on(tmp_path):
    folder = _run(tmp_path / 'run', mig=0.25)
    (folder / 'metrics.jsonl').write_text(
        '{"step": 20, "loss": 7.5}\n{"step": 30, "scores": {"mig": 0.75}}\n')
    page.write(str(folder))
    text = _parsed(folder).text
    assert 'Scores at step 30' in text and '0.75' in text and '0.25' not in text
    (folder / 'scores.json').unlink()
    page.write(str(folder))
    text = _parsed(folder).text
    assert {'No final scores yet.', 'Scores at step 30', '0.75'} <= set(text)


def test_a_run_that_is_interrupted_has_its_page(tmp_path, monkeypatch):
    def interrupt(*args):
        raise KeyboardInterrupt

    monkeypatch.setattr(run.loop, 'train', interrupt)
    config = sprites.get_config()
    config.data.name, config.topdis.weight = 'sprites_upright', 0.0
    with pytest.raises(KeyboardInterrupt):
        run.run(config, str(tmp_path / 'run'))
    assert '0 of 12000 steps.' in _parsed(tmp_path / 'run').text


@pytest.mark.parametrize('scores', ['', '[1]', '3', '{"settings": {}}'])
def test_scores_that_cannot_be_read(tmp_path, scores):
    folder = _run(tmp_path / 'run', mig=0.25)
    (folder / 'scores.json').write_text(scores)
    page.write(str(folder))
    assert 'No final scores yet.' in _parsed(folder).text


def test_a_configuration_without_its_keys(tmp_path):
    (tmp_path / 'config.json').write_text('{}')
    page.write(str(tmp_path))
    assert 'run on ?, seed ?' in _parsed(tmp_path).text


def test_names_of_any_kind(tmp_path):
    """Links lead to the pages, also where a browser unquotes them."""
    names = ['a b', 'größe-\U0001f600', '<i>&"\'', '50%23', 'a#b?c=d', 'c:d',
             os.fsdecode(b'raw-\xff')]
    for name in names:
        page.write(str(_run(tmp_path / name, mig=0.5)))
    page.write_study(str(tmp_path), [
        page.Run(name, str(tmp_path / name)) for name in names])
    moved = tmp_path.rename(tmp_path.parent / f'{tmp_path.name} moved')
    links = _parsed(moved).links
    assert len(links) == len(names)
    for name, link in zip(names, links):
        parts = urllib.parse.urlsplit(link)
        assert link == parts.path  # no scheme, query or fragment
        found = os.fsencode(moved) + b'/' + urllib.parse.unquote_to_bytes(link)
        assert os.path.samefile(found, moved / name / page.NAME)


def test_a_study(tmp_path):
    _run(tmp_path / 'own/<b>/on/1', mig=0.5)
    _run(tmp_path / 'own/vae/off/1')
    damaged = _run(tmp_path / 'own/vae/on/1', mig=0.5)
    (damaged / 'scores.json').write_text('')
    names = ('own/<b>/on/1', 'own/vae/off/1', 'own/vae/on/1')
    for name in names[:2]:
        page.write(str(tmp_path / name))
    page.write_study(str(tmp_path), [
        page.Run(name, str(tmp_path / name)) for name in names])
    parser = _parsed(tmp_path)
    # The last run has no page yet.
    assert parser.links == ['own/%3Cb%3E/on/1/index.html',
                            'own/vae/off/1/index.html']
    assert '1 of 3 runs have their final scores.' in parser.text
    assert {'MIG', '0.5', 'own/<b>/on/1'} <= set(parser.text)
    assert 'settings' not in parser.text
