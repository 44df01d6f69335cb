"""Suggestions for misspelled names, for error messages."""

from collections.abc import Iterable
import difflib


def nearest(received: object, known: Iterable[str]) -> str | None:
    """The known name that is most like the one received; None if none is."""
    near = difflib.get_close_matches(str(received), list(known), n=1)
    return near[0] if near else None


def did_you_mean(received: object, known: Iterable[str]) -> str:
    """The end of a message: '. Did you mean NAME?', or '' for no such name."""
    near = nearest(received, known)
    return f'. Did you mean {near}?' if near else ''
