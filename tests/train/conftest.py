"""Threads: one. The networks here are too small for two, which on a busy machine cost tenfold.

What needs ONNX is imported late: the operator is tested on GPU machines that have none.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import torch
from csakit.train import CSAInpainter

if TYPE_CHECKING:
    from helpers.exported import Subject


@pytest.fixture(scope="package", autouse=True)
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def fixed_export(
    small_model: CSAInpainter, small_checkpoint: Path, tmp_path_factory: pytest.TempPathFactory
) -> "Subject":
    """The small network as a file: one image of 256x256, bytes."""
    from helpers.exported import export_subject

    form = {"size": 256, "max_batch": 1, "io": "uint8"}
    return export_subject(small_model, small_checkpoint, tmp_path_factory.mktemp("fixed"), **form)
