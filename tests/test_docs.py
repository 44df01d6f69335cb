"""The site: its examples run, it builds without warnings, nothing is missing.
"""

import html.parser
import importlib
import importlib.util
import inspect
import os
import re
import shutil
import subprocess
import sys

import pytest

from tests.helpers.places import ROOT

DOCS = ROOT / 'docs'
PAGES = sorted(DOCS.glob('*.md'))
EXAMPLES = [(page.name, heading, code) for page in PAGES
            for heading, code in re.findall(
                r'^#+ ([^\n]*)\n(?:(?!^#).)*?```python\n(.*?)```',
                page.read_text(), re.DOTALL | re.MULTILINE)]
# The public names: __all__ of the first, functions and classes of the others.
PACKAGES = ('topdis_jax.topology', 'topdis_jax.losses', 'topdis_jax.metrics',
            'topdis_jax.plots')
MODULES = ('topdis_jax.models',)


@pytest.mark.parametrize('code', [
    pytest.param(code, id=f'{page}: {heading}')
    for page, heading, code in EXAMPLES])
def test_an_example_runs_as_printed(code, tmp_path):
    if 'import equinox' in code:
        pytest.importorskip('equinox', reason='needs equinox')
    env = os.environ | {'PYTHONPATH': str(ROOT)}
    if 'sources.load' in code:  # leaves nothing in the user's cache
        env['XDG_CACHE_HOME'] = str(tmp_path)
    done = subprocess.run([sys.executable, '-c', code], capture_output=True,
                          text=True, cwd=tmp_path, env=env)
    assert done.returncode == 0, done.stderr
    assert done.stdout, 'an example prints something'


def test_no_example_is_left_out():
    blocks = sum(page.read_text().count('```python') for page in PAGES)
    assert len(EXAMPLES) == blocks


@pytest.mark.parametrize('change', re.findall(
    '```diff\n(.*?)```', (DOCS / 'extending.md').read_text(), re.DOTALL))
def test_a_change_applies_to_the_code_as_it_is(change):
    if shutil.which('git') is None or not (ROOT / 'topdis_jax').is_dir():
        pytest.skip('needs git and a checkout')
    done = subprocess.run(['git', 'apply', '--check', '-'], input=change,
                          capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr


def test_the_tutorial_runs(tmp_path):
    command = [sys.executable, str(DOCS / 'tutorial.py'), '--seeds=0',
               '--steps=4', '--delay=2', '--points=900', f'--out={tmp_path}']
    done = subprocess.run(command, capture_output=True, text=True,
                          env=os.environ | {'PYTHONPATH': str(ROOT)})
    assert done.returncode == 0, done.stderr
    assert len(re.findall('^seed 0, with', done.stdout, re.M)) == 2
    made = {path.name for path in tmp_path.glob('*.png')}
    assert made == {path.name for path in (DOCS / 'images').glob('*.png')}


@pytest.fixture(scope='module')
def site(tmp_path_factory):
    """The built pages; a warning is an error."""
    if any(importlib.util.find_spec(name) is None
           for name in ('sphinx', 'myst_parser', 'furo')):
        pytest.skip("the site needs pip install -e '.[docs]'")
    out = tmp_path_factory.mktemp('site')
    done = subprocess.run(
        [sys.executable, '-m', 'sphinx', '-q', '-W', '--keep-going', '-b',
         'html', str(DOCS), str(out / 'html'), '-d', str(out / 'doctrees')],
        capture_output=True, text=True,
        env=os.environ | {'PYTHONPATH': str(ROOT)})
    assert done.returncode == 0, done.stderr
    return out / 'html'


def _public_names():
    for name in PACKAGES:
        module = importlib.import_module(name)
        for member in module.__all__:
            yield f'{name}.{member}', inspect.ismodule(getattr(module, member))
    for name in MODULES:
        module = importlib.import_module(name)
        for member, value in vars(module).items():
            if (not member.startswith('_')
                    and getattr(value, '__module__', None) == name
                    and (inspect.isfunction(value) or inspect.isclass(value))):
                yield f'{name}.{member}', False


def test_every_public_name_has_its_place(site):
    # What other sites may link to: all names that are described.
    from sphinx.util import inventory
    described = inventory.InventoryFile.loads(
        (site / 'objects.inv').read_bytes(), uri='')
    kinds = [kind for kind in described.data if kind.startswith('py:')]
    names = {name for kind in kinds for name in described.data[kind]}
    missing = {name for name, _ in _public_names()} - names
    assert not missing, f'add them to docs/api: {sorted(missing)}'


class _Links(html.parser.HTMLParser):
    """Targets of a page's links and pictures, and its anchors."""

    def __init__(self, path):
        super().__init__()
        self.links, self.anchors = [], set()
        self.feed(path.read_text())

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        self.anchors.add(attrs.get('id'))
        link = attrs.get('href' if tag == 'a' else 'src')
        if link and not re.match(r'\w+:', link):
            self.links.append(link)


def test_no_link_is_dead(site):
    pages = {path: _Links(path) for path in site.rglob('*.html')}
    dead = []
    for path, page in pages.items():
        for link in page.links:
            name, _, anchor = link.partition('#')
            target = (path.parent / name.partition('?')[0]).resolve() \
                if name else path
            known = pages.get(target)
            if not target.exists() or (
                    anchor and known and anchor not in known.anchors):
                dead.append(f'{path.relative_to(site)}: {link}')
    assert not dead


def test_commands_that_it_names_are_there():
    text = ''.join(page.read_text() for page in PAGES)
    for module in set(re.findall(r'python -m (experiments[.\w]+)', text)):
        path = ROOT / module.replace('.', '/')
        assert any(file.exists() for file in (
            path.with_suffix('.py'), path / '__main__.py')), module
    for name in set(re.findall(r'--config=(experiments/\S+?\.py)', text)):
        assert name.endswith('NAME.py') or (ROOT / name).exists(), name
