"""What is wrong with settings, in words: a sentence each, with the name that the operator wrote."""

from __future__ import annotations

import itertools
import os
import re
from collections.abc import Mapping
from typing import Any, TypeAlias, get_args

from pydantic import BaseModel, ValidationError

from penstock.effective.origin import perhaps
from penstock.lookup import ENV_PREFIX, env_name, toml_file

Location: TypeAlias = tuple[int | str, ...]
"""The names, and the places in lists, that lead to a value."""


def sentences(error: ValidationError, kind: type[BaseModel], given: Mapping[str, Any]) -> str:
    """Return a sentence for each setting of `kind` that is wrong; `given` are options of the command line."""
    return " ".join(
        _sentence(item["type"], item["loc"], item["msg"], kind, given)
        for item in error.errors(include_input=False, include_url=False)
    )


def unreadable(error: ValueError) -> str:
    """Return what pydantic-settings says of JSON that it cannot read."""
    named = re.search(r'field "(\w+)"', str(error))
    if named is None:
        return f"A setting cannot be read: {error}."
    return f"{env_name(named[1])} cannot be read as JSON: {error.__cause__ or error}."


def _sentence(type_: str, location: Location, message: str, kind: type[BaseModel], given: Mapping[str, Any]) -> str:
    place = _origin(location, given)
    if type_ == "extra_forbidden":
        return _unread(place, location, _model_at(kind, location[:-1]))
    if type_ == "tuple_type" and _model_at(kind, location) is not None:
        if place.startswith(ENV_PREFIX):
            return f"{place}: it is a JSON list: write [{{…}}]."
        return f"{place}: it is a list of tables: write [[{location[-1]}]]."
    return f"{place}: {message.removeprefix('Value error, ')}."


def _unread(place: str, location: Location, model: type[BaseModel] | None) -> str:
    """Say that nobody reads a name; in the words of `effective.origin.strays`, where that sees it, too."""
    known = list(model.model_fields) if model is not None else []
    if any(isinstance(part, int) for part in location):
        return f"Nobody reads {place}{perhaps(str(location[-1]), known)}"
    *table, _ = map(str, location)
    paths = [".".join([*table, name]) for name in known]
    if place.startswith(ENV_PREFIX):
        return f"Nobody reads the variable {place}{perhaps(place, map(env_name, paths))}"
    return f"Nobody reads {place}{perhaps('.'.join(map(str, location)), paths)}"


def _model_at(kind: type[BaseModel], location: Location) -> type[BaseModel] | None:
    """Return what the value there is an instance of, or the items of that list; None where that is no model."""
    model: type[BaseModel] | None = kind
    for name in location:
        if isinstance(name, str):
            field = model.model_fields.get(name) if model is not None else None
            model = _model_in(field.annotation) if field is not None else None
    return model


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next(filter(None, map(_model_in, get_args(annotation))), None)


def _origin(location: Location, given: Mapping[str, Any]) -> str:
    """Return the name of a setting as the operator wrote it, and which item of it is meant where it is a list."""
    names = [str(part) for part in itertools.takewhile(lambda part: isinstance(part, str), location)]
    path, item = ".".join(names), _item(location[len(names) :])
    if names and names[0] in given:
        return "--" + path.replace("_", "-") + item
    variable = env_name(path)
    if names and any(name.upper() in (variable, env_name(names[0])) for name in os.environ):
        return variable + item
    return f"{path}{item} in penstock.toml" if names and names[0] in toml_file() else variable + item


def _item(location: Location) -> str:
    """Return a place within a list: no variable has a name for it. Items count from 0."""
    return "".join(f", item {part}" if isinstance(part, int) else f", {part}" for part in location)
