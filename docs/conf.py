"""Sphinx: python -m sphinx -W -b html docs docs/_build

Sphinx rather than MkDocs, because its autodoc imports the package: a renamed
or missing function breaks the build, and the API pages need no list of their
own.
"""

import collections
import re

import topdis_jax

project = 'topdis_jax'
author = 'the topdis_jax authors'
version = release = topdis_jax.__version__

extensions = ['myst_parser', 'sphinx.ext.autodoc', 'sphinx.ext.napoleon']
exclude_patterns = ['_build']
html_theme = 'furo'
html_title = 'topdis_jax'
html_show_copyright = False
default_role = 'py:obj'  # of `names` in docstrings
highlight_language = 'none'  # of docstrings' equations

myst_enable_extensions = ['dollarmath']
myst_heading_anchors = 3
autodoc_member_order = 'bysource'
autodoc_typehints = 'none'  # docstrings give shapes, which says more
napoleon_numpy_docstring = False
napoleon_custom_sections = [('Attributes', 'params_style')]

_SECTION = re.compile(r'(Args|Attributes|Raises|Returns):$')
# 'DCI.' and 'dataset_size: N.' would begin lists.
_ENUMERATOR = re.compile(r'^( *(?:\w+: )?)(\w+\.)$')
_SHORT_NAME = re.compile(
    r'`((?:topology|losses|directions|metrics|models|plots)\.\w+)`')
_FIELD = type(collections.namedtuple('_', 'field').field)


def as_restructured_text(app, what, name, obj, options, lines):
    """Has a docstring's equations set as they stand, and `*`, `|` be plain.

    In our docstrings an indented block before the first section is an
    equation, a table or a drawing.
    """
    del app, what, name, obj, options
    result, literal, in_section = [], False, False
    for line in lines:
        text = line.lstrip()
        in_section |= bool(_SECTION.match(line))
        indented = text and text != line and not in_section
        if indented and not literal and result and not result[-1]:
            result += ['::', '']
            literal = True
        elif text and not indented:
            literal = False
        if not literal and not text.startswith('>>>'):
            line = re.sub(r'([*|]|(?<=\w)_(?!\w))', r'\\\1', line)
            line = _ENUMERATOR.sub(r'\1\\\2', line)
            line = _SHORT_NAME.sub(r'`\1 <topdis_jax.\1>`', line)
        result.append(line)
    lines[:] = result


def skip_inherited(app, what, name, obj, skip, options):
    """Leaves out a NamedTuple's fields, which its docstring lists, and the
    methods that Flax calls."""
    del app, what, options
    return True if isinstance(obj, _FIELD) or name == 'setup' else skip


def without_flax_fields(app, what, name, obj, options, signature, returns):
    """The signature of a linen module without the fields all of them have."""
    del app, what, name, obj, options
    return re.sub(r', parent=<flax.*', ')', signature or '') or None, returns


def setup(app):
    # Before napoleon, whose priority is 500.
    app.connect('autodoc-process-docstring', as_restructured_text, 400)
    app.connect('autodoc-skip-member', skip_inherited)
    app.connect('autodoc-process-signature', without_flax_fields)
