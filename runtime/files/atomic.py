"""Outputs that are never half written, and hashes that name inputs."""

import contextlib
import hashlib
import secrets
from collections.abc import Iterator
from pathlib import Path

from ...plugins.errors import ContractError

_HASH_BLOCK_BYTES = 1 << 20


@contextlib.contextmanager
def staged(output: Path) -> Iterator[Path]:
    """Lend a temporary path that becomes ``output`` when the block ends without an error.

    The temporary file lies in the folder of the output, so that the move is atomic, and
    keeps its suffix, because writers choose formats by it. An error or an interrupt
    removes it.

    Args:
        output: the target file. An existing one is replaced.

    Yields:
        The path to write to.

    Raises:
        ContractError: the folder does not exist or cannot be written, or the output is a
            folder.
    """
    if output.is_dir():
        raise ContractError(f"the output must be a file; {output} is a folder")
    temporary = output.with_name(f".{output.stem}.{secrets.token_hex(4)}{output.suffix}")
    try:
        temporary.touch(exist_ok=False)
    except OSError as error:
        raise ContractError(
            f"cannot write {output}: {error.strerror}\n"
            f"Choose an existing folder with write permission (here: {output.parent})."
        ) from error
    mode = temporary.stat().st_mode  # what the user's umask gives; some writers make files private
    try:
        yield temporary
        temporary.chmod(mode)
        temporary.replace(output)
    finally:
        temporary.unlink(missing_ok=True)


def sha256(path: Path) -> str:
    """Hash a file.

    Args:
        path: an existing file.

    Returns:
        64 hexadecimal digits.
    """
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_HASH_BLOCK_BYTES):
            digest.update(block)
    return digest.hexdigest()
