"""The progress bar of the scores."""

from typing import Any


def progress_bar(shown: bool, total: int, description: str,
                 unit: str = 'it') -> Any:
    """A tqdm bar that disappears when done, or a silent one."""
    from topdis_jax import progress  # needs tqdm, which a score does not
    return progress.Bar(total=total, desc=description, unit=unit, leave=False,
                        disable=not shown)
