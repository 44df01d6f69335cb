"""index.html of a run and of a study: complete, escaped, self-contained."""

import html.parser
import json

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


def test_a_study(tmp_path):
    _run(tmp_path / 'own/<b>/on/1', mig=0.5)
    _run(tmp_path / 'own/vae/off/1')
    damaged = _run(tmp_path / 'own/vae/on/1', mig=0.5)
    (damaged / 'scores.json').write_text('')
    names = ('own/<b>/on/1', 'own/vae/off/1', 'own/vae/on/1')
    page.write_study(str(tmp_path), [
        page.Run(name, str(tmp_path / name)) for name in names])
    parser = _parsed(tmp_path)
    assert parser.links == [f'{name}/index.html' for name in names]
    assert '1 of 3 runs have their final scores.' in parser.text
    assert {'MIG', '0.5', 'own/<b>/on/1'} <= set(parser.text)
    assert 'settings' not in parser.text
