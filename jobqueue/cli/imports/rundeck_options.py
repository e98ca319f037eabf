"""Rundeck's options as parameters of saved jobs."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from jobqueue.cli.imports.imported import NotTakenOver
from jobqueue.cli.imports.rundeck_values import as_flag, as_line, check_fields
from jobqueue.cli.views.text import one_line

#: Fields that only concern Rundeck's form.
_OF_THE_FORM = {"sortIndex", "hidden", "dateFormat", "multivalueAllSelected", "delimiter", "valuesListDelimiter"}
_FIELDS = {
    *("name", "label", "description", "value", "values", "required", "enforced", "regex", "valuesUrl", "multivalued"),
    *("secure", "valueExposed", "storagePath", "isDate", "type", "optionType", "valuesType", "optionValuesPluginType"),
    *_OF_THE_FORM,
}
_REMOTE = ("valuesUrl", "valuesType", "optionValuesPluginType")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")
#: What Java's regular expressions have and RE2 does not: look-around, back-references, possessive quantifiers, atoms.
_NOT_RE2 = re.compile(r"\(\?(?!:|P?<[A-Za-z]|[imsU]+[:)])|\\[1-9kGZ]|[*+?}]\+|&&")
_LONGEST = {"title": 200, "description": 2000}


@dataclass
class Options:
    """``parameters`` as a saved job has them; ``names``: the parameter of each option that steps may use."""

    parameters: dict[str, dict[str, Any]] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)
    secrets: set[str] = field(default_factory=set)
    notes: list[str] = field(default_factory=list)

    def without_value(self) -> str | None:
        """A parameter that a run must give and that has no default."""
        schemas = self.parameters.items()
        return next(
            (name for name, one in schemas if one.get("required", "default" not in one) and "default" not in one), None
        )

    def environment(self) -> dict[str, str]:
        """The variables in which Rundeck gives options to scripts."""
        return {
            f"RD_OPTION_{re.sub('[^A-Za-z0-9_]', '_', name).upper()}": f"{{{{ {parameter} }}}}"
            for name, parameter in self.names.items()
        }


def options_of(value: Any) -> Options:
    """The options of a job. Raises ``NotTakenOver``."""
    options = Options()
    for option in _listed(value):
        _add(option, options)
    if len(options.environment()) < len(options.names):
        raise NotTakenOver("two of its options have the same environment variable.")
    return options


def _listed(value: Any) -> Iterator[Mapping[str, Any]]:
    """The options of a list, or of an object by name."""
    if isinstance(value, Mapping):
        value = [{"name": name, **(one or {})} for name, one in value.items() if name != "preserveOrder"]
    if not isinstance(value or [], list):
        raise NotTakenOver("its options are neither a list nor an object.")
    for option in value or []:
        if not isinstance(option, Mapping) or not isinstance(option.get("name"), str):
            raise NotTakenOver("one of its options is not an object with a name.")
        yield option


def _add(option: Mapping[str, Any], options: Options) -> None:
    name = option["name"]
    shown = f"the option {one_line(name)}"
    check_fields(option, _FIELDS, shown)
    parameter = re.sub(r"[^A-Za-z0-9_]", "_", name)
    if not _NAME.fullmatch(parameter) or parameter in options.parameters:
        raise NotTakenOver(f"{shown} cannot be the name of a parameter, or another one becomes the same name.")
    if parameter != name:
        options.notes.append(f"{shown} is the parameter {parameter}.")
    if as_flag(option.get("multivalued"), f"multivalued of {shown}"):
        raise NotTakenOver(f"{shown} takes several values (multivalued).")
    if option.get("type", option.get("optionType", "text")) not in ("text", ""):
        raise NotTakenOver(f"{shown} has the type {one_line(option.get('type', option.get('optionType')))}.")
    schema: dict[str, Any] = {}
    for keyword, source in (("title", "label"), ("description", "description")):
        text = as_line(option.get(source), _LONGEST[keyword])
        if text:
            schema[keyword] = text
    if not as_flag(option.get("required"), f"required of {shown}"):
        schema["required"] = False
    if as_flag(option.get("secure"), f"secure of {shown}"):
        if not as_flag(option.get("valueExposed"), f"valueExposed of {shown}"):
            options.notes.append(
                f"{shown} is for Rundeck's sign-in to nodes, which agents do not need; it is left out."
            )
            return
        path = f" for {one_line(option['storagePath'])}" if option.get("storagePath") else ""
        options.notes.append(f"{shown} names a secret of the agents; store one{path}, and name it as the default.")
        schema["secret"] = True
        options.secrets.add(name)
    else:
        _add_values(option, shown, schema, options)
    options.parameters[parameter] = schema
    options.names[name] = parameter


def _add_values(option: Mapping[str, Any], shown: str, schema: dict[str, Any], options: Options) -> None:
    default = option.get("value")
    values = option.get("values") or []
    if not isinstance(values, str | list):
        raise NotTakenOver(f"the values of {shown} are not a list.")
    values = [values] if isinstance(values, str) else [str(value) for value in values]
    is_enforced = as_flag(option.get("enforced"), f"enforced of {shown}")
    remote = next((name for name in _REMOTE if option.get(name)), None)
    if remote and is_enforced:
        raise NotTakenOver(f"{shown} takes only values of a server ({remote}).")
    if remote or (values and not is_enforced):
        options.notes.append(f"{shown} suggests values; a parameter has none to suggest.")
    if is_enforced and values:
        schema["enum"] = values
    if default not in (None, ""):
        if "${" in str(default):
            raise NotTakenOver(f"the default of {shown} has a variable: {one_line(default)}.")
        if "enum" in schema and str(default) not in values:
            raise NotTakenOver(f"the default of {shown} is not one of its values.")
        schema["default"] = str(default)
    regex = option.get("regex")
    if regex not in (None, ""):
        if _NOT_RE2.search(str(regex)):
            raise NotTakenOver(
                f"the regular expression of {shown} has parts that RE2 does not know: {one_line(regex)}."
            )
        schema["pattern"] = f"^(?:{regex})$"
    if as_flag(option.get("isDate"), f"isDate of {shown}"):
        options.notes.append(f"{shown} is a date, whose form a parameter does not check.")
