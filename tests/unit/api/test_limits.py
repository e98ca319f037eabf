"""How many values a body may have: counted before anything is built, and only where JSON has them."""

from __future__ import annotations

import json
import random
import time
from pathlib import Path
from typing import Any

import pytest

from api import limits
from api.app import create_app
from jobqueue.errors import InvalidInput
from jobqueue.model.principal import system
from jobqueue.settings import Settings
from tests.unit.api.conftest import TOKEN, Ask
from tests.unit.api.fakes import FakeServices
from tests.unit.api.shapes import GOOD, error, good


def values(document: Any) -> int:
    """Counted by hand: a container's own members and itself; an empty one counts as two."""
    if isinstance(document, dict):
        return 1 + sum(values(item) for item in document.values()) if document else 2
    if isinstance(document, list):
        return 1 + sum(values(item) for item in document) if document else 2
    return 1


def fits(raw: bytes, most: int) -> bool:
    try:
        limits.check_size(raw, most=most)
    except InvalidInput as refused:
        assert f"more than {most} values" in refused.message  # noqa: PT017 (the words of one of two outcomes)
        return False
    return True


TEXTS = ["", ",", "[[[", '"', "\\", '\\"', '\\\\"', "\\\\", ',"\\', "{", "\u20ac,", '\\",[', "\n,\t"]


def random_document(random_: random.Random, depth: int = 0) -> Any:
    kind = random_.randrange(6 if depth < 5 else 3)
    if kind >= 4:
        return [random_document(random_, depth + 1) for _ in range(random_.randrange(6))]
    if kind == 3:
        names = [random_.choice(TEXTS) + str(n) for n in range(random_.randrange(6))]
        return {name: random_document(random_, depth + 1) for name in names}
    return random_.choice([random_.choice(TEXTS), 1, -1.5, None, True])


@pytest.mark.parametrize("seed", range(20))
def test_only_what_is_outside_of_texts_counts(seed: int) -> None:
    random_ = random.Random(seed)
    for _ in range(100):
        document = random_document(random_)
        raw = json.dumps(document, ensure_ascii=random_.random() < 0.5).encode()
        exact = values(document)
        assert fits(raw, exact), raw
        assert not fits(raw, exact - 1), raw


@pytest.mark.parametrize(
    "script",
    ["a,b;" * 400_000, "[" * 1_000_000, '"' * 500_000, "\\" * 500_000, '\\",' * 200_000],
    ids=["commas", "brackets", "quotes", "backslashes", "all"],
)
def test_a_large_script_is_one_value(post: Ask, services: FakeServices, script: str) -> None:
    raw = json.dumps({"script": script}).encode()
    assert limits.decode(raw)[0] == {"script": script}


MANY = limits.MAX_VALUES
COSTLY = {
    "unknown keys": "{" + ",".join(f'"k{n}":1' for n in range(MANY * 2)) + "}",
    "lists": "[" + ",".join(["[]"] * MANY) + "]",
    "objects": "[" + ",".join(["{}"] * MANY) + "]",
    "numbers": "[" + ",".join(["1"] * (MANY + 1)) + "]",
    "texts": "[" + ",".join(['""'] * (MANY + 1)) + "]",
    "never closed": "[" * (MANY + 1),
}


@pytest.mark.parametrize("raw", COSTLY.values(), ids=COSTLY)
def test_nothing_is_built_of_too_many(monkeypatch: pytest.MonkeyPatch, raw: str) -> None:
    def build(text: str) -> Any:
        raise AssertionError("it was decoded")

    monkeypatch.setattr(limits._FAST, "decode", build)
    with pytest.raises(InvalidInput, match="JOBQUEUE_MAX_BODY_VALUES"):
        limits.decode(raw.encode())


def test_the_largest_that_passes_is_taken(post: Ask, services: FakeServices) -> None:
    data = {"list": [1] * (MANY - 10)}
    answer = post(good(operation={"type": "node.hostname.get", "data": data}))
    assert "more than" not in answer.text  # it goes as far as the operation, which does not know the field
    refused = post(good(operation={"type": "x", "data": {"list": [1] * MANY}}))
    error(refused, 400, f"more than {MANY} values", "JOBQUEUE_MAX_BODY_VALUES")


def test_many_unknown_fields_are_not_each_looked_at(post: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    """marshmallow takes 10 us for each: it never sees them."""

    def refuse(self: Any, *args: Any, **kwargs: Any) -> Any:
        raise AssertionError("marshmallow saw it")

    monkeypatch.setattr("marshmallow.Schema.load", refuse)
    many = {f"k{n}": 1 for n in range(10_000)}
    body = error(post({**GOOD, **many}), 400, "k0: Unknown field; the known ones are", "and 9999 more problems")
    assert len(body["details"]) == 8
    body = error(post(good(operation={"type": "x", **many})), 400, "operation.k0: Unknown field")
    assert len(body["details"]) == 8


@pytest.mark.parametrize(
    ("path", "document"),
    [
        ("/job/batch", {"jobs": [1] * 20_000}),
        ("/key", {"name": "n", "roles": [1] * 20_000}),
        ("/key", {"name": "n", "permissions": [[]] * 20_000}),
        ("/job/123e4567-e89b-12d3-a456-426614174000/retry", {"only": [1] * 20_000}),
    ],
)
def test_the_items_of_a_list_that_is_too_long_are_not_looked_at(post: Ask, path: str, document: Any) -> None:
    body = error(post(document, path=path), 400)
    assert len(body["details"]) == 1


def test_errors_do_not_grow_with_what_is_wrong(post: Ask) -> None:
    """Ray's maps of texts, in their own dialect."""
    answer = post({"entrypoint": "x", "metadata": {f"k{n}": n for n in range(10_000)}}, path="/api/jobs/")
    assert answer.status_code == 400
    assert len(answer.data) < 20_000


def test_wrong_items_of_a_batch_are_explained_up_to_a_number(post: Ask) -> None:
    """The others are refused as well: that takes a fraction of the time."""
    wrong, right = {"operation": 1, "priority": "x", "tags": 2}, GOOD
    answer = post({"jobs": [*[wrong] * 200, right]}, path="/job/batch")
    items = answer.get_json()["items"]
    assert [item["code"] for item in items[:200]] == [400] * 200
    assert ["priority" in (item["details"] or {}) for item in items[:200]] == [True] * 20 + [False] * 180
    assert "like earlier jobs of this batch" in items[199]["error"]
    assert "job_id" in items[200]


def test_a_selector_of_many_labels_is_refused_before_agents_are_looked_at(post: Ask) -> None:
    answer = post(
        {"entrypoint": "x", "entrypoint_label_selector": {f"k{number}": "v" for number in range(65)}}, path="/api/jobs/"
    )
    assert answer.status_code == 400
    assert "at most 64 entries" in answer.text


def test_a_single_job_has_a_smaller_limit_than_many(client: Any, ask: Ask, app: Any) -> None:
    app.config["JOBQUEUE_MAX_JOB_BYTES"], before = 10_000, app.config["JOBQUEUE_MAX_JOB_BYTES"]
    try:
        job = good(operation={"type": "x", "data": {"text": "x" * 11_000}})
        error(ask("POST", "/job", json=job), 413, "10000 bytes", "JOBQUEUE_MAX_JOB_BYTES")
        assert ask("POST", "/job/batch", json={"jobs": [job]}).status_code == 201
    finally:
        app.config["JOBQUEUE_MAX_JOB_BYTES"] = before


def test_a_body_is_read_only_after_its_route_is_permitted(tmp_path: Path, services: FakeServices) -> None:
    """Permissions first: a principal that may only read costs no decoding."""

    class Unread:
        def read(self, size: int = -1) -> bytes:
            raise AssertionError("the body was read")

    _, key = services.credentials.create_key(system("test"), "reader", permissions=["job:read"])
    settings = Settings(state_dir=tmp_path, token=TOKEN)
    client = create_app(settings, services).test_client()  # type: ignore[arg-type]
    answer = client.post(
        "/job",
        headers={"Authorization": f"Bearer {key}"},
        content_type="application/json",
        environ_overrides={"wsgi.input": Unread(), "CONTENT_LENGTH": "100"},
    )
    error(answer, 403, "job:write")


def test_the_whole_cost_of_a_body_is_bounded() -> None:
    """Generous, for a busy machine: the benchmark of bodies measures it."""
    raw = ("[" + ",".join(["123456789012345678901"] * (MANY - 1)) + "]").encode()
    begin = time.process_time()
    value, suspect = limits.decode(raw)
    assert suspect
    with pytest.raises(InvalidInput):
        limits.check(value)
    assert time.process_time() - begin < 2
