"""Converts requests of Ray's client to submissions."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice
from typing import Any

from api import validation
from api.body import read_object
from api.context import principal, services
from api.native.fields import MAX_TAGS, tag_problem
from api.ray import mapping, submission_id, yuanrong
from api.ray.schemas import SubmitRequest, YuanrongSubmitRequest
from api.ray.status import ENTRYPOINT, NODE_ID_LABEL
from jobqueue.entrypoints.spec import RuntimeEnv
from jobqueue.errors import InvalidInput
from jobqueue.model.needs import HOSTNAME_LABEL, Needs
from jobqueue.model.selector import Selector
from jobqueue.model.submission import Submission

_schema = SubmitRequest()
#: Characters of a field's name that an error repeats.
_SHOWN = 80
_yuanrong_schema = YuanrongSubmitRequest()


def submission(*, without_slash: bool) -> Submission:
    """This request's body as a submission; ``without_slash``: only openYuanrong's own path has none.

    Raises ``InvalidInput`` for what does not fit, packages that were never uploaded included. A job whose needs no
    agent meets waits for one that does.
    """
    # Ray's server drops what is null, so that newer clients can name options which it does not know yet
    fields = {name: value for name, value in read_object().items() if value is not None}
    is_likely = not yuanrong.is_kuberay() and yuanrong.is_submission(fields)
    is_yuanrong = without_slash or yuanrong.is_spoken() or is_likely
    if is_yuanrong:
        yuanrong.speak()
    loaded = validation.load(_yuanrong_schema, fields) if is_yuanrong else _loaded(fields)
    if is_yuanrong:
        loaded["runtime_env"] = yuanrong.runtime_env(loaded["runtime_env"])
    needs = _needs(loaded)
    hosts = services().placement.candidates(ENTRYPOINT, needs) if needs.are_any else ()
    return Submission(
        operation=ENTRYPOINT,
        data=_data(loaded, needs),
        tags=_tags(loaded["metadata"]),
        origin=mapping.YUANRONG if is_yuanrong else mapping.RAY,
        principal=principal(),
        alias=_name(loaded, is_yuanrong=is_yuanrong),
        among=hosts,
        needs=needs if needs.are_any and not hosts else None,
    )


def _loaded(fields: Mapping[str, Any]) -> dict[str, Any]:
    try:
        return validation.load(_schema, fields)
    except InvalidInput as error:
        unknown = sorted(fields.keys() - _schema.fields.keys())
        if not unknown:
            raise
        # scripts recognise an unknown field by the wording of Ray's server
        words = f"TypeError: __init__() got an unexpected keyword argument {unknown[0][:_SHOWN]!r}"
        raise InvalidInput(f"{error.message} ({words})", error.details) from error


def _name(loaded: Mapping[str, Any], *, is_yuanrong: bool) -> str:
    names, older = loaded.get("submission_id"), loaded.get("job_id")
    if names is not None and older is not None and names != older:
        sentence = "Differs from submission_id, of which it is the former name; give submission_id only."
        raise InvalidInput.of("job_id", sentence)
    name: str | None = names if names is not None else older
    if name is not None:
        return yuanrong.checked_id(name) if is_yuanrong else submission_id.check(name)
    return yuanrong.new_id() if is_yuanrong else submission_id.new()


def _needs(loaded: Mapping[str, Any]) -> Needs:
    selectors = tuple(
        Selector.parse(HOSTNAME_LABEL if key == NODE_ID_LABEL else key, text)
        for key, text in loaded["entrypoint_label_selector"].items()
    )
    resources = tuple((name, amount) for name, amount in loaded["entrypoint_resources"].items() if amount)
    return Needs(selectors, loaded["entrypoint_num_cpus"], loaded["entrypoint_memory"], resources)


def _data(loaded: Mapping[str, Any], needs: Needs) -> dict[str, Any]:
    environment = loaded["runtime_env"]
    data: dict[str, Any] = {"entrypoint": loaded["entrypoint"]}
    if environment:
        data["runtime_env"] = environment
        if names := RuntimeEnv.parse(environment).packages:
            data["packages"] = services().package_resolver(names)
    if loaded["metadata"]:
        data["metadata"] = loaded["metadata"]
    if needs.num_cpus:
        data["num_cpus"] = needs.num_cpus
    if needs.memory:
        data["memory"] = needs.memory
    if needs.resources:
        data["resources"] = dict(needs.resources)
    return data


def _tags(metadata: Mapping[str, str]) -> dict[str, str]:
    """The metadata that can be tags, so that jobs can be found by it."""
    fit = ((key, text) for key, text in metadata.items() if tag_problem(key, text) is None)
    return dict(islice(fit, MAX_TAGS))
