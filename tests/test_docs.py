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
import textwrap

import jax
import pytest

from tests.helpers.places import ROOT

DOCS = ROOT / 'docs'
PAGES = sorted(DOCS.glob('*.md'))
# Programs that an example may need, and that need not be there.
OPTIONAL = ('equinox', 'ripser', 'gph', 'gudhi', 'torch_topological', 'rtd')


def _examples(page):
    """(heading, code) of each block of Python of a page."""
    heading, found = '', []
    for match in re.finditer(r'^#+ ([^\n]*)\n|^```([^\n]*)\n(.*?)^```',
                             page.read_text(), re.DOTALL | re.MULTILINE):
        title, language, code = match.groups()
        if title:
            heading = title
        elif language == 'python':
            found.append((heading, code))
    return found


EXAMPLES = [(page.name, *example) for page in PAGES
            for example in _examples(page)]
# Their __all__ are the public names.
PACKAGES = ('topdis_jax.topology', 'topdis_jax.losses',
            'topdis_jax.directions', 'topdis_jax.metrics', 'topdis_jax.models',
            'topdis_jax.plots', 'topdis_jax.data')


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    """A function of an example: what it prints, in a folder of its own.

    Skips one of a program that is not there. In this process, as most of the
    time of a new one would go into its imports; with JAX as users have it.
    """
    monkeypatch.chdir(tmp_path)

    def printed(code):
        for program in OPTIONAL:
            if re.search(rf'^(import|from) {program}\b', code, re.MULTILINE):
                pytest.importorskip(program, reason=f'needs {program}')
        if 'data.load' in code:  # leaves nothing in the user's cache
            monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path))
        capsys.readouterr()
        with jax.numpy_rank_promotion('allow'):
            exec(code, {'__name__': '__main__'})
        out = capsys.readouterr().out
        assert out, 'an example prints something'
        return out

    return printed


@pytest.mark.parametrize('code', [
    pytest.param(code, id=f'{page}: {heading}')
    for page, heading, code in EXAMPLES])
def test_an_example_runs_as_printed(code, run):
    run(code)


COMING_FROM = [code for page, _, code in EXAMPLES if page == 'coming_from.md']


@pytest.mark.parametrize('theirs,ours', list(zip(COMING_FROM[::2],
                                                 COMING_FROM[1::2])))
def test_our_call_prints_what_the_other_program_does(theirs, ours, run):
    assert run(theirs) == run(ours)


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


@pytest.mark.parametrize('page', ['tutorial', 'autoencoder'])
def test_printed_code_is_that_of_the_script(page):
    blocks = re.findall('```{code-block} python\n(.*?)```',
                        (DOCS / f'{page}.md').read_text(), re.DOTALL)
    script = (DOCS / f'{page}.py').read_text()
    assert blocks
    for block in blocks:
        assert block in script or textwrap.indent(block, '    ') in script


def test_the_tutorial_runs(tmp_path):
    # What DCI takes, it takes for each stage of boosting: here there is one.
    code = ('import runpy; from topdis_jax.metrics import boosting; '
            'boosting.STAGES = 1; '
            f'runpy.run_path({str(DOCS / "tutorial.py")!r}, '
            'run_name="__main__")')
    command = [sys.executable, '-c', code, '--seeds=0', '--steps=4',
               '--delay=2', '--points=300', f'--out={tmp_path}']
    done = subprocess.run(command, capture_output=True, text=True,
                          env=os.environ | {'PYTHONPATH': str(ROOT)})
    assert done.returncode == 0, done.stderr
    assert len(re.findall('^seed 0, with', done.stdout, re.M)) == 2
    assert _pictures(tmp_path) == {
        name for name in _pictures(DOCS / 'images')
        if name.startswith('tutorial_')}


def test_the_autoencoders_train(tmp_path):
    command = [sys.executable, str(DOCS / 'autoencoder.py'), '--seeds=0',
               '--steps=20', f'--out={tmp_path}']
    done = subprocess.run(command, capture_output=True, text=True,
                          env=os.environ | {'PYTHONPATH': str(ROOT)})
    assert done.returncode == 0, done.stderr
    assert len(re.findall(r' rtd \d', done.stdout)) == 6
    assert _pictures(tmp_path) == {'autoencoder.png'}


def _pictures(folder):
    return {path.name for path in folder.glob('*.png')}


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
