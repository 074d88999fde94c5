import sys

import pytest
from csakit.plugins.architectures import devices
from csakit.plugins.errors import ContractError, LibraryError
from csakit.runtime.device import open_device as device_choice
from csakit.runtime.device.open_device import BindingName, Choice, choose_binding, open_device


def let_installed(monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
    monkeypatch.setattr(device_choice, "_is_installed", lambda name: name in names)
    monkeypatch.setattr(device_choice, "installed", lambda _: "1.2")


BOTH = ("pycuda", "cuda-python")


@pytest.mark.parametrize(
    ("installed", "requested", "binding", "reason"),
    [
        (BOTH, None, "pycuda", "preferred to cuda-python, which is installed too"),
        (BOTH, "cuda-python", "cuda-python", "as asked for"),
        (BOTH[1:], None, "cuda-python", "the only one installed"),
    ],
)
def test_the_first_that_is_installed_is_taken_or_the_one_that_is_asked_for(
    *,
    monkeypatch: pytest.MonkeyPatch,
    installed: tuple[str, ...],
    requested: str | None,
    binding: BindingName,
    reason: str,
) -> None:
    let_installed(monkeypatch, *installed)

    assert choose_binding(requested) == Choice(binding, "1.2", reason)
    with pytest.raises(ContractError, match="one of pycuda, cuda-python; got 'cupy'"):
        choose_binding("cupy")


@pytest.mark.parametrize(
    ("wish", "message"),
    [
        (None, "neither PyCUDA nor cuda-python is installed: pip install cuda-python"),
        ("pycuda", "pycuda is not installed: pip install pycuda"),
    ],
)
def test_what_is_not_installed_is_named(
    monkeypatch: pytest.MonkeyPatch, wish: str | None, message: str
) -> None:
    let_installed(monkeypatch)

    assert choose_binding(wish).binding is None
    with pytest.raises(LibraryError, match=f"needs a CUDA binding for Python: {message}"):
        open_device(binding=wish)


def test_choosing_imports_no_binding(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.split(".")[0] in ("cuda", "pycuda")]:
        monkeypatch.delitem(sys.modules, name)

    choose_binding()

    assert "pycuda" not in sys.modules
    assert "cuda.bindings.driver" not in sys.modules


def test_a_machine_without_driver_says_so() -> None:
    pytest.importorskip("cuda.bindings.driver")
    if devices():
        pytest.skip("there is a GPU")

    with pytest.raises(LibraryError, match=r"finds no NVIDIA driver(.|\n)*csakit doctor"):
        open_device(binding="cuda-python")
    with pytest.raises(LibraryError, match="finds no NVIDIA driver"):  # the same again
        open_device(binding="cuda-python")
