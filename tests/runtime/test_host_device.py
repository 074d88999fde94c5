import pytest
from csakit.plugins.errors import ContractError
from csakit.runtime.host import parse_device


def test_names_of_processors_are_read() -> None:
    names = {"cpu": ("cpu", 0), "cuda": ("cuda", 0), "cuda:0": ("cuda", 0), "cuda:12": ("cuda", 12)}

    assert {name: parse_device(name) for name in names} == names


@pytest.mark.parametrize("name", ["", "gpu", "cuda:", "cuda:x", "cuda:-1", "CUDA", "cuda:1 ", "1"])
def test_other_names_are_refused(name: str) -> None:
    with pytest.raises(ContractError, match="device must be cpu, cuda or cuda:N; got"):
        parse_device(name)
