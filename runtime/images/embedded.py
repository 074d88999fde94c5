"""Find pictures embedded in metadata, in binary or encoded as text."""

import re
from typing import Final

# JPEG, PNG, WebP, GIF, TIFF, JPEG 2000, JPEG XL, HEIF and AVIF.
_PICTURES: Final = re.compile(
    rb"\xff\xd8\xff|\x89PNG\r\n|RIFF....WEBP|GIF8[79]a|II\*\0\x08\0|MM\0\*\0\0"
    rb"|\0\0\0\x0c(?:jP  |JXL )|ftyp(?:avi[fs]|hei[cxms]|hev[cx]|mif1|msf1)",
    re.DOTALL,
)
# The shortest of these also occur in tables of numbers by chance.
_PICTURES_IN_NUMBERS: Final = re.compile(
    rb"\xff\xd8\xff[\xc0-\xfe]..(?:JFIF|Exif|.{65})\0|\x89PNG\r\n|RIFF....WEBP|GIF8[79]a", re.DOTALL
)
# The same in base64 and in hexadecimal digits, from their first bytes on.
_WRITTEN_PICTURES: Final = re.compile(
    r"(?:/9j/|iVBORw0KGgo|R0lGOD[dl]h|UklGR|AAAA..Z0eXBhdm|AAAADGpQ|SUkqAA|TU0AKg)[\w+/-]{40}"
    r"|data:image/|(?i:ffd8ff[c-f][0-9a-f]|89504e470d0a|52494646|474946383[79]61)[0-9a-f]{40}"
)
# Runs of letters as long as in base64; words, names and addresses are shorter, and seldom mix
# capitals and digits.
_RUNS: Final = re.compile(r"[A-Za-z0-9+/=_-]{32,}")
_MIXED: Final = re.compile(r"(?=.*[a-z])(?=.*[A-Z])(?=.*[0-9])")
_RUN_LETTERS: Final = 60  # base64 is often cut into lines of 64 or 76
_BLOCK_LETTERS: Final = 512  # in all runs together
_BASE85_RUNS: Final = re.compile(r"[!#-&(-+\--9;-Z^-z{|}~]{512,}")  # without quotes, commas, colons
_PUNCTUATION: Final = re.compile(r"[!#$%&*;<>?@^`|~]")
_ESCAPES: Final = re.compile(r"\\x|\\u00|%|&#x?|0x")
_NUMBER: Final = re.compile(r"[0-9A-Fa-f.]+")
_NUMBERS: Final = re.compile(r"(?:[0-9A-Fa-f.]{1,8}[\s,;\[\](){}]+)+")
_LEAST_NUMBERS: Final = 256  # in a row
_LINE_ENDS: Final = re.compile(  # linear in spaces, with which files are padded
    r"(?:(?<!\s)\s+)?(?:\n|\r|\\[nr]|&#(?:10|13|[xX]0*[aAdD]);)\s*"
)
_CONTROLS: Final = re.compile(r"[\x01-\x08\x0b\x0c\x0e-\x1a\x1c-\x1f]")  # but ESC, of ISO-2022-JP
_MOST_CONTROLS: Final = 16
_ENCODINGS: Final = ("utf-8", "utf-16-le", "utf-16-be")


def holds_picture(value: bytes | str) -> bool:
    """Report whether a value may hold a picture, in binary or encoded as letters or numbers."""
    data = value.encode("latin-1", "replace") if isinstance(value, str) else value
    if _PICTURES.search(data) or _is_binary(value):
        return True
    if isinstance(value, str):
        data = value.encode("utf-8", "surrogateescape")
    text = _LINE_ENDS.sub("", data.replace(b"\0", b"").decode("latin-1"))
    return bool(_WRITTEN_PICTURES.search(text)) or _is_block(text) or _is_list(text)


def profile_holds_picture(profile: bytes) -> bool:
    """Report whether a colour profile, which is mostly numbers, holds a picture."""
    return bool(_PICTURES_IN_NUMBERS.search(profile))


def _is_binary(value: bytes | str) -> bool:
    """Report whether a value is no text in any encoding."""
    texts = [value] if isinstance(value, str) else [value.decode("latin-1")]
    if isinstance(value, bytes):
        for encoding in _ENCODINGS:
            try:
                texts.append(value[: len(value) & ~1].decode(encoding))
            except UnicodeDecodeError:
                continue
    return all(len(_CONTROLS.findall(text)) >= _MOST_CONTROLS for text in texts)


def _is_block(text: str) -> bool:
    """Report whether a text has enough base64 or base85 for a picture."""
    runs = [run[0] for run in _RUNS.finditer(text)]
    letters = sum(len(run) for run in runs if len(run) >= _RUN_LETTERS or _MIXED.match(run))
    return letters >= _BLOCK_LETTERS or any(
        len(_PUNCTUATION.findall(run[0])) > len(run[0]) // 16 for run in _BASE85_RUNS.finditer(text)
    )


def _is_list(text: str) -> bool:
    """Report whether a text has enough numbers in a row for a picture."""
    runs = _NUMBERS.finditer(_ESCAPES.sub(" ", text))
    return any(len(_NUMBER.findall(run[0])) >= _LEAST_NUMBERS for run in runs)
