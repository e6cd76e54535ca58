"""All settings there are, read from the classes that define them ◆"""

from __future__ import annotations

import types
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, Union, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt
from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo

UNITS = ("Seconds", "Milliseconds", "Bytes", "Share")
"""First words of descriptions that are units; for counts the first word says what is counted."""

_PLAIN = {
    bool: "true or false",
    int: "whole number",
    float: "number",
    str: "text",
    SecretStr: "secret",
}


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting. `path` is its place in ``penstock.toml``; `programs` are those that read it."""

    path: str
    kind: str
    unit: str
    bounds: str
    default: object
    sentence: str
    secret: bool
    programs: tuple[str, ...]


def all_settings(classes: Mapping[str, type[BaseModel]]) -> list[Setting]:
    """Return every setting of these classes, by program name, in their order; a shared one appears once."""
    programs: dict[str, list[str]] = {}
    found: dict[str, tuple[FieldInfo, object]] = {}
    for program, kind in classes.items():
        for path, field, default in _walk(kind, ""):
            programs.setdefault(path, []).append(program)
            found.setdefault(path, (field, default))
    return [_setting(path, field, default, tuple(programs[path])) for path, (field, default) in found.items()]


def items_of(kind: type[BaseModel], prefix: str) -> list[Setting]:
    """Return the settings of one item of a list, such as ``[[topics]]``."""
    return [_setting(path, field, default, ()) for path, field, default in _walk(kind, prefix)]


def _walk(kind: type[BaseModel], prefix: str) -> Iterator[tuple[str, FieldInfo, object]]:
    for name, field in kind.model_fields.items():
        path = f"{prefix}.{name}" if prefix else name
        inner = _without_none(field.annotation)
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            yield from _walk(inner, path)
        else:
            yield path, field, field.get_default(call_default_factory=True)


def _setting(path: str, field: FieldInfo, default: object, programs: tuple[str, ...]) -> Setting:
    sentence = field.description or ""
    first = sentence.split(" ", 1)[0]
    return Setting(
        path=path,
        kind=_kind(field.annotation),
        unit=first.lower() if first in UNITS else "",
        bounds=_bounds(field),
        default=None if field.is_required() else default,
        sentence=sentence,
        secret=_is_secret(field.annotation),
        programs=programs,
    )


def _kind(annotation: Any) -> str:
    inner = _without_none(annotation)
    if get_origin(inner) is Literal:
        return " | ".join(map(str, get_args(inner)))
    if get_origin(inner) in (tuple, list):
        return f"list of {_kind(get_args(inner)[0])}"
    if get_origin(inner) in (Union, types.UnionType):
        return "IP network" if all("Network" in part.__name__ for part in get_args(inner)) else "text"
    if isinstance(inner, type) and issubclass(inner, BaseModel):
        return "table"
    return _PLAIN.get(inner, "path" if getattr(inner, "__name__", "") == "Path" else "text")


def _bounds(field: FieldInfo) -> str:
    least = most = ""
    for item in field.metadata:
        match item:
            case Ge(ge):
                least = f"{ge:,}"
            case Gt(gt):
                least = f"more than {gt:,}"
            case Le(le):
                most = f"{le:,}"
            case Lt(lt):
                most = f"less than {lt:,}"
    if least and most:
        return f"{least} to {most}"
    return f"at least {least}".replace("at least more than", "more than") if least else most and f"at most {most}"


def _is_secret(annotation: Any) -> bool:
    return annotation is SecretStr or any(_is_secret(part) for part in get_args(annotation))


def _without_none(annotation: Any) -> Any:
    if get_origin(annotation) in (Union, types.UnionType):
        parts = [part for part in get_args(annotation) if part is not type(None)]
        return parts[0] if len(parts) == 1 else annotation
    return annotation
