"""The mirror in Python equals the header, name by name and number by number."""

import ctypes
import re
from enum import IntEnum

import pytest
from csakit.plugins import abi
from csakit.plugins.abi import (
    PROTOTYPES,
    AttentionDesc,
    Chain,
    Direction,
    Dtype,
    Layout,
    Status,
    attention_desc,
)
from csakit.plugins.locations import INCLUDE
from csakit.plugins.spec import SIMILARITIES

HEADER = re.sub(r"/\*.*?\*/", "", (INCLUDE / "csakit.h").read_text(), flags=re.DOTALL)
C_TYPES = {"int32_t": ctypes.c_int32, "size_t": ctypes.c_size_t, "const char*": ctypes.c_char_p}


def enumerators(name: str) -> dict[str, int]:
    """The members of one enum of the header, without their prefix."""
    block = re.search(rf"typedef enum {name} \{{(.*?)\}} {name};", HEADER, re.DOTALL)
    assert block is not None
    members = re.findall(r"CSAKIT_(\w+) = (\d+)", block[1])
    return {member: int(value) for member, value in members}


def argument_type(declared: str) -> object:
    """The type in ctypes of an argument as the header declares it."""
    kind = re.sub(r"\s*\w+$", "", declared.strip())
    if kind == "const csakit_attention_desc*":
        return ctypes.POINTER(AttentionDesc)
    if kind == "size_t*":
        return ctypes.POINTER(ctypes.c_size_t)
    return ctypes.c_void_p if kind.endswith("*") else C_TYPES[kind]


@pytest.mark.parametrize(
    ("name", "mirror"),
    [
        ("csakit_status", Status),
        ("csakit_dtype", Dtype),
        ("csakit_layout", Layout),
        ("csakit_chain", Chain),
        ("csakit_direction", Direction),
    ],
)
def test_the_enumerators_are_those_of_the_header(name: str, mirror: type[IntEnum]) -> None:
    assert enumerators(name) == {member.name: member.value for member in mirror}


def test_the_similarities_are_numbered_as_in_the_header() -> None:
    numbered = {name.upper(): number for number, name in enumerate(SIMILARITIES)}

    assert enumerators("csakit_similarity") == numbered


@pytest.mark.parametrize("name", ["ABI_VERSION", "MAX_CHANNELS", "MAX_POSITIONS", "MAX_BATCH"])
def test_the_limits_are_those_of_the_header(name: str) -> None:
    defined = re.search(rf"#define CSAKIT_{name} (\d+)", HEADER)

    assert defined is not None
    assert getattr(abi, name) == int(defined[1])


def test_the_fields_of_the_descriptor_are_those_of_the_header() -> None:
    block = re.search(r"typedef struct csakit_attention_desc \{(.*?)\}", HEADER, re.DOTALL)

    assert block is not None
    declared = re.findall(r"(\w+) (\w+);", block[1])
    mirrored = [(kind.__name__, name) for name, kind in AttentionDesc._fields_]
    assert [(C_TYPES[kind].__name__, name) for kind, name in declared] == mirrored
    assert ctypes.sizeof(AttentionDesc) == 4 * len(declared) == 40


def test_every_function_is_declared_as_in_the_header() -> None:
    found = re.findall(
        r"CSAKIT_API (int32_t|const char\*) (\w+)\((.*?)\);", HEADER, flags=re.DOTALL
    )

    declared = {
        name: (
            C_TYPES[result],
            tuple(argument_type(part) for part in arguments.split(",") if part != "void"),
        )
        for result, name, arguments in found
    }
    assert declared == dict(PROTOTYPES)


def test_a_descriptor_holds_what_it_is_given() -> None:
    desc = attention_desc(
        (2, 3, 4, 5),
        dtype=Dtype.BFLOAT16,
        hole_dtype=Dtype.FLOAT16,
        similarity="cosine",
        layout=Layout.NHWC,
        chain=Chain.SEQUENTIAL,
    )

    values = {name: getattr(desc, name) for name, _ in AttentionDesc._fields_}
    assert values == {
        **{"struct_bytes": 40, "batch": 2, "channels": 3, "height": 4, "width": 5},
        **{"dtype": 2, "hole_dtype": 1, "similarity": 1, "layout": 1, "chain": 1},
    }
