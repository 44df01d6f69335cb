"""What a key of a configuration holds at first, and what it may hold."""

from collections.abc import Callable, Iterable
import math
from typing import Any, NamedTuple

from topdis_jax.suggestions import did_you_mean


class SettingsError(ValueError):
    """A configuration that cannot be run."""


class Key(NamedTuple):
    """One key.

    Attributes:
      default: its value, which also says the type that overrides must have.
      must: what a value must do, as in 'be at least 1'; for messages.
      holds: whether a value does.
      names: that a value is taken from, if it is; for messages.
    """
    default: Any
    must: str = ''
    holds: Callable[[Any], bool] = lambda value: True
    names: tuple[str, ...] = ()


AT_LEAST_ONE = 'be at least 1', lambda value: value >= 1
NOT_NEGATIVE = 'not be negative', lambda value: value >= 0
POSITIVE = 'be positive', lambda value: value > 0
FRACTION = 'lie in [0, 1]', lambda value: 0 <= value <= 1
BETWEEN = 'lie in (0, 1)', lambda value: 0 < value < 1

SIZES = ('hold whole numbers of at least 1',
         lambda values: all(isinstance(value, int) and value >= 1
                            for value in values))


def zero_or_more(zero: str) -> tuple[str, Callable[[Any], bool]]:
    """What a key must do whose 0 has a meaning, as in 'turns it off'."""
    return f'not be negative (0 {zero})', lambda value: value >= 0


def one_of(names: Iterable[str], given_as: str = ''
           ) -> tuple[str, Callable[[Any], bool], tuple[str, ...]]:
    """What a key must do that holds one of some names.

    Args:
      names: the names.
      given_as: how it is given, if not as the key; for the message.
    """
    names = tuple(names)
    how = f', given as {given_as}' if given_as else ''
    return (f'be one of {", ".join(names)}{how}',
            lambda value: value in names, names)


def some_of(names: Iterable[str]
            ) -> tuple[str, Callable[[Any], bool], tuple[str, ...]]:
    """What a key must do that holds one or more of some names, as a tuple."""
    names = tuple(names)
    return (f'be taken from {", ".join(names)}',
            lambda value: bool(value) and not set(value) - set(names), names)


def require(config: Any, key: str, must: str, holds: Callable[[Any], bool],
            names: Iterable[str] = ()) -> None:
    """Raises SettingsError if config.key ('section.name') does not hold."""
    value = config
    for name in key.split('.'):
        value = value[name]
    if isinstance(value, float) and not math.isfinite(value):
        raise SettingsError(f'config.{key} must be a finite number, received '
                            f'{value!r}')
    if not holds(value):
        given = value if isinstance(value, (tuple, list)) else (value,)
        wrong = [name for name in given if name not in names] if names else []
        raise SettingsError(f'config.{key} must {must}, received {value!r}'
                            + (did_you_mean(wrong[0], names) if wrong else ''))
