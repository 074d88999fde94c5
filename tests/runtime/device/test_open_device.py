import sys

import pytest
from csakit.plugins.architectures import devices
from csakit.plugins.errors import ContractError, LibraryError
from csakit.runtime.device import open_device as device_choice
from csakit.runtime.device.open_device import choose_binding, open_device


def let_installed(monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
    monkeypatch.setattr(device_choice, "_is_installed", lambda name: name in names)
    monkeypatch.setattr(device_choice, "installed", lambda _: "1.2")


def test_pycuda_is_preferred_where_both_are_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    let_installed(monkeypatch, "pycuda", "cuda-python")

    choice = choose_binding()

    assert (choice.binding, choice.version) == ("pycuda", "1.2")
    assert choice.reason == "preferred to cuda-python, which is installed too"


def test_what_is_installed_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    let_installed(monkeypatch, "cuda-python")

    choice = choose_binding()

    assert (choice.binding, choice.reason) == ("cuda-python", "the only one installed")


def test_a_wish_is_followed(monkeypatch: pytest.MonkeyPatch) -> None:
    let_installed(monkeypatch, "pycuda", "cuda-python")

    assert choose_binding("cuda-python").binding == "cuda-python"
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
