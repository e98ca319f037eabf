"""Reads Rundeck's job definitions. Both of its formats become the shape of the YAML format: a list of jobs as objects.

XML with a document type is refused before any of it is read: only document types can declare entities, which make small
files large or name other files.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from xml.etree import ElementTree as ET
from xml.parsers import expat

import click

from jobqueue.cli.declared.loading import yaml_values
from jobqueue.plain_text import decoded

Job = dict[str, Any]


def read_jobs(data: bytes, file: str) -> list[Any]:
    """The jobs of a file; each should be an object. Raises ``ClickException``, ``UnicodeError``."""
    if _is_xml(data):
        return _xml_jobs(data, file)
    jobs: list[Any] = []
    for location, value, _ in yaml_values(file, decoded(data)):
        if not isinstance(value, list):
            raise click.ClickException(f"{location}: it is not a list of Rundeck's jobs.")
        jobs += value
    return jobs


def _is_xml(data: bytes) -> bool:
    # the first characters in any encoding that begins with those of ASCII, or has two bytes for each
    return data.replace(b"\x00", b"").lstrip(b"\xef\xbb\xbf\xff\xfe \t\r\n").startswith(b"<")


def _xml_jobs(data: bytes, file: str) -> list[Any]:
    try:
        _check_document_type(data, file)
        root = ET.fromstring(data)  # noqa: S314 - without a document type there are no entities
    except (expat.ExpatError, ET.ParseError) as error:
        raise click.ClickException(f"{file}: it is not valid XML: {error}.") from error
    except (ValueError, LookupError) as error:  # an encoding that is unknown or wrong
        raise click.ClickException(f"{file}: it cannot be read: {error}.") from error
    jobs = [root] if root.tag == "job" else list(root)
    if root.tag not in ("job", "joblist") or any(job.tag != "job" for job in jobs):
        raise click.ClickException(f"{file}: it is not a <joblist> of Rundeck's jobs.")
    return [_job(job) for job in jobs]


def _check_document_type(data: bytes, file: str) -> None:
    """Raise ``ClickException`` if the text declares a document type; the parser stops where it begins."""

    def refuse(*_: Any) -> None:
        raise click.ClickException(f"{file}: it declares a document type, which Rundeck's exports do not; remove it.")

    parser = expat.ParserCreate()
    parser.StartDoctypeDeclHandler = refuse
    parser.EntityDeclHandler = refuse
    parser.Parse(data, True)


def _job(element: ET.Element) -> Job:
    job: Job = {}
    for child in element:
        if child.tag == "context":
            job |= {"options": [_option(option) for option in child.iterfind("options/option")]}
        elif child.tag == "dispatch":
            job.setdefault("nodefilters", {})["dispatch"] = _texts(child)
        elif child.tag == "nodefilters":
            job.setdefault("nodefilters", {}).update(_filters(child))
        elif child.tag == "logging":
            job["loglimit"] = child.get("limit", "")
        else:
            job[child.tag] = _PARTS.get(child.tag, _text)(child)
    return job


def _text(element: ET.Element) -> str:
    return (element.text or "").strip()


def _texts(element: ET.Element) -> dict[str, str]:
    return {child.tag: _text(child) for child in element}


def _option(element: ET.Element) -> Job:
    option: Job = dict(element.attrib)
    if "enforcedvalues" in option:
        option["enforced"] = option.pop("enforcedvalues")
    if "values" in option:
        option["values"] = option["values"].split(option.get("valuesListDelimiter", ","))
    for child in element:
        option[child.tag] = _text(child)
    return option


def _filters(element: ET.Element) -> Job:
    filters: Job = {}
    for child in element:
        filters[child.tag] = _text(child) if child.tag == "filter" else _texts(child)
    return filters


def _schedule(element: ET.Element) -> Job:
    if "crontab" in element.attrib:
        return dict(element.attrib)
    schedule: Job = {}
    for child in element:
        if child.tag in ("month", "year"):
            schedule[child.tag] = child.get(child.tag, "*")
            if child.get("day") is not None:
                schedule["dayofmonth"] = {"day": child.get("day")}
        else:
            schedule[child.tag] = dict(child.attrib)
    return schedule


def _sequence(element: ET.Element) -> Job:
    sequence: Job = {**element.attrib, "commands": [_step(child) for child in element if child.tag == "command"]}
    for child in element:
        if child.tag != "command":
            sequence[child.tag] = True
    return sequence


def _step(element: ET.Element) -> Job:
    step: Job = {}
    for child in element:
        if child.tag in ("script", "exec"):  # their spaces and breaks count
            step[child.tag] = child.text or ""
        elif child.tag == "scriptargs":
            step["args"] = _text(child)
        elif child.tag == "scriptinterpreter":
            step["scriptInterpreter"] = _text(child)
            step["interpreterArgsQuoted"] = child.get("argsquoted", child.get("argsQuoted", "false"))
        elif child.tag in ("node-step-plugin", "step-plugin"):
            entries = {entry.get("key", ""): entry.get("value", "") for entry in child.iterfind("configuration/entry")}
            step |= {"type": child.get("type", ""), "nodeStep": "true", "configuration": entries}
        elif child.tag == "jobref":
            step["jobref"] = dict(child.attrib)
        elif child.tag == "errorhandler":
            step[child.tag] = {**_step(child), **child.attrib}
        elif child.tag == "plugins":
            step[child.tag] = True
        else:
            step[child.tag] = _text(child)
    return step


def _notification(element: ET.Element) -> Job:
    return {event.tag: {kind.tag: dict(kind.attrib) for kind in event} for event in element}


def _retry(element: ET.Element) -> Job:
    return {"retry": _text(element), **element.attrib}


def _plugins(element: ET.Element) -> Job:
    return {child.tag: {child.get("type", "?"): {}} for child in element}


def _orchestrator(element: ET.Element) -> Job:
    return {"type": element.findtext("type", "?")}


_PARTS = {
    "schedule": _schedule,
    "sequence": _sequence,
    "notification": _notification,
    "retry": _retry,
    "plugins": _plugins,
    "orchestrator": _orchestrator,
}


def walk(jobs: list[Any]) -> Iterator[tuple[str, Job | None]]:
    """Each job with the name by which remarks call it; None for one that is not an object with a name."""
    for number, job in enumerate(jobs, 1):
        if not isinstance(job, dict) or not isinstance(job.get("name"), str) or not job["name"].strip():
            yield f"job {number}", None
        else:
            group = f"{job['group']}/" if job.get("group") else ""
            yield f"{group}{job['name']}", job
