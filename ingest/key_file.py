"""Files of secret keys: made once of fresh randomness, mode 0600, whole or not there at all."""

import os
from contextlib import suppress
from pathlib import Path
from tempfile import NamedTemporaryFile


def make_file(path: Path, content: bytes) -> None:
    """Make a file that is its owner's alone, unless it is there. Survives power loss. Raises `OSError`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with NamedTemporaryFile(dir=path.parent, prefix=path.name) as unfinished:
        unfinished.write(content)
        unfinished.flush()
        os.fsync(unfinished.fileno())
        with suppress(FileExistsError):
            path.hardlink_to(unfinished.name)


def replace_file(path: Path, content: bytes) -> None:
    """Put a file that is its owner's alone in the place of another. Survives power loss. Raises `OSError`."""
    with NamedTemporaryFile(dir=path.parent, prefix=path.name, delete=False) as unfinished:
        unfinished.write(content)
        unfinished.flush()
        os.fsync(unfinished.fileno())
    Path(unfinished.name).replace(path)
