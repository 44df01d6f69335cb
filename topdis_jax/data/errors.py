"""What a user can put right about data."""


class DataError(ValueError):
    """A data set that cannot be had; the message says what to do."""


def damaged(path, error):
    """DataError for a file that its library cannot read."""
    return DataError(
        f'{path} cannot be read ({error}); it is damaged, cut short or not '
        'the file that its name says: get it again, and compare its size '
        'with the one of its page')
