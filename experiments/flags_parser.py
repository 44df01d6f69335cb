"""The command line of a program that takes --config: one message each.

absl and ml_collections report a wrong flag in their own words, some in several
lines or as the traceback of a parser. Here each is one message that says what
was received and what is expected.
"""

import glob
import os
import re
import sys

from absl import flags

from topdis_jax import suggestions
from topdis_jax.training import families, workfolder

FOLDER = 'experiments/configs'
ALL_KEYS = 'topdis_jax/training/config.py'
FAMILY_KEYS = 'topdis_jax/training/families/FAMILY.py'
_OTHERS = ('base', 'study')  # not configurations to begin with
_WHOLE = 'invalid literal for int() with base 10'


def config_names():
    """The names of the configurations of experiments.run, sorted."""
    folder = os.path.join(os.path.dirname(__file__), 'configs')
    names = (os.path.basename(path)[:-3]
             for path in glob.glob(os.path.join(folder, '[a-z]*.py')))
    return sorted(set(names) - set(_OTHERS))


def config_help():
    """What --help says of --config."""
    return (f'Configuration file, {FOLDER}/NAME.py or your own; NAME is one '
            f'of {", ".join(config_names())}. A family may follow a colon: '
            f'{", ".join(families.FAMILIES)}. Keys are set with '
            f'--config.KEY=VALUE; {ALL_KEYS} has all of them, with their '
            f'meaning, but for those of a family, {FAMILY_KEYS}.')


def with_files(argv):
    """Parses the flags of a program that takes files; returns these as well.

    Ends the program with one message if a flag is wrong.
    """
    try:
        return flags.FLAGS(argv)
    except flags.Error as error:
        sys.exit(f'Error: {_readable(str(error))}')


def plain(argv):
    """The same of a program that takes flags alone."""
    rest = with_files(argv)
    if len(rest) > 1:
        sys.exit(f'Error: unexpected argument {rest[1]!r}; flags are given '
                 'as --NAME=VALUE, and --help names them')
    return rest


def with_config(config, key, names):
    """A parser like `plain`, for a program that takes a configuration file.

    Args:
      config: the flag of the configuration file.
      key: one that every file for this program has, and no other file.
      names: of the configurations that this program takes.
    """
    def parse(argv):
        _check_file(argv, names)
        try:
            rest = plain(argv)
            fits = key in config.value
        except (AttributeError, KeyError) as error:
            sys.exit(f'Error: {_unknown_key(argv) or _text(error)}')
        except (ImportError, OSError, TypeError) as error:
            sys.exit(f'Error in --config: {_text(error)}')
        if not fits:
            sys.exit(f'Error in --config: this program needs {key!r}, which '
                     'the file does not have; experiments.run takes the '
                     'configuration of a run, experiments.study takes '
                     f'{FOLDER}/study.py')
        return rest

    return parse


def _check_file(argv, names):
    """Ends the program if --config names no configuration file."""
    if any(re.fullmatch('--?help(short|full|xml)?', arg) for arg in argv):
        return
    path = _value(argv, 'config').split(':')[0]
    if not path:
        sys.exit(f'Error: --config is missing. {_choice(names)}')
    if os.path.isdir(path):
        problem = 'is a folder'
    elif not os.path.exists(path):
        problem = 'is not there'
    elif not path.endswith('.py'):
        problem = 'is not a Python file'
    else:
        return
    sys.exit(f'Error: --config={path} {problem}. {_choice(names, path)}')


def _choice(names, path=''):
    """What to give for --config, with a hint for a name like a known one."""
    paths = [f'{FOLDER}/{name}.py' for name in names]
    name = os.path.basename(path).removesuffix('.py')
    near = suggestions.nearest(name, names)
    if near:
        return f'Did you mean {FOLDER}/{near}.py?'
    if len(paths) == 1:
        return f'Give --config={paths[0]}'
    return (f'Give --config={FOLDER}/NAME.py, NAME one of '
            f'{", ".join(names)}; sprites needs no files')


def _value(argv, name):
    """The value of a flag in argv, given as --name=value or --name value."""
    found = ''
    for place, arg in enumerate(argv[1:], 1):
        match = re.fullmatch(rf'--?{name}(?:=(.*))?', arg, re.DOTALL)
        if match:
            found = match[1] if match[1] is not None else (
                argv[place + 1] if place + 1 < len(argv) else '')
    return found


def _unknown_key(argv):
    """A message that names the key of argv which the configuration lacks."""
    # The flag itself has no value yet: it was refused.
    file = flags.FLAGS['config'].parser.parse(_value(argv, 'config'))
    known = list(workfolder.flatten(file))
    sections = {key.rpartition('.')[0] for key in known}
    for arg in argv[1:]:
        match = re.match(r'--?(?:no)?config\.([^=]+)', arg)
        if not match or match[1] in known or match[1] in sections:
            continue
        last = match[1].rpartition('.')[2]
        same = [key for key in known if key.rpartition('.')[2] == last]
        hint = (f'. Did you mean {" or ".join(same)}?' if same else
                suggestions.did_you_mean(match[1], known) or '.')
        return (f'--config.{match[1]}: there is no key {match[1]!r}{hint} '
                f'All keys, with their meaning, are in {ALL_KEYS}'
                + _of_family(arg))
    return None


def _of_family(arg):
    """Where the keys of a family are, if one of them was asked for."""
    if 'config.objective' not in arg:
        return ''
    return (f' and, of the family that --config=FILE:FAMILY chooses, in '
            f'{FAMILY_KEYS}')


def _text(error):
    """An exception's text; str() of a KeyError escapes it."""
    return str(error.args[0] if error.args else error)


def _readable(text):
    text = re.sub(r'flag (--\S+)=None: .* must have a value other than None\.',
                  r'\1 is missing; --help says what it is', text)
    text = re.sub(rf'{re.escape(_WHOLE)}: (.*)$',
                  r'must be a whole number, received \1', text)
    text = re.sub(r'could not convert string to float: (.*)$',
                  r'must be a number, received \1', text)
    text = re.sub(r"\('Non-boolean argument to boolean flag', (.*)\)$",
                  r'must be true or false, received \1', text)
    return text
