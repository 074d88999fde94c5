"""Forms are found by name, and what one needs is said before anything is timed."""

import pytest
from csakit.benchmarks.attention.forms import GPU, HOST, NAMES, find_forms
from csakit.plugins.errors import ContractError, LibraryError


def test_forms_come_in_the_order_of_the_tables_whatever_is_asked_for() -> None:
    forms = find_forms(["ort", "oracle", "torch"], threads=1)

    assert [form.name for form in forms] == ["oracle", "torch", "ort"]
    assert not any(form.on_gpu for form in forms)


def test_every_form_of_a_processor_is_there_and_described() -> None:
    forms = find_forms(HOST, threads=1)

    assert [form.name for form in forms] == list(HOST)
    assert len({form.what for form in forms}) == len(HOST)


def test_names_that_need_a_gpu_are_the_rest() -> None:
    assert {*HOST, *GPU} == {*NAMES}
    assert all("cuda" in name for name in GPU)


@pytest.mark.parametrize("names", [[], ["torch", "cudda"]])
def test_unknown_names_are_refused_with_those_that_there_are(names: list[str]) -> None:
    with pytest.raises(ContractError, match="rivals must be of oracle, python-loop, torch, ort"):
        find_forms(names, threads=1)


def test_no_threads_are_refused() -> None:
    with pytest.raises(ContractError, match="threads must be at least 1; got 0"):
        find_forms(["oracle"], threads=0)


@pytest.mark.parametrize("name", GPU)
def test_a_form_of_a_gpu_is_refused_where_there_is_none(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)

    with pytest.raises(LibraryError, match=f"the rivals {name} must have an NVIDIA GPU"):
        find_forms([name], threads=1)
