"""What a job needs of a host: what fits, and its form in a signed document."""

from __future__ import annotations

import json

import pytest

from jobqueue.errors import InvalidInput
from jobqueue.model.needs import Needs, declared
from jobqueue.model.selector import Selector

LABELS = {"zone": "a", "tpu": "4", "odd": "x", "none": "-1", "endless": "inf"}


@pytest.mark.parametrize(
    ("needs", "fits"),
    [
        (Needs(), True),
        (Needs(num_cpus=8), True),
        (Needs(num_cpus=8.1), False),
        (Needs(memory=1000), True),
        (Needs(memory=1001), False),
        (Needs(resources=(("tpu", 4.0),)), True),
        (Needs(resources=(("tpu", 4.5),)), False),
        (Needs(resources=(("unknown", 0.1),)), False),
        (Needs(resources=(("odd", 1.0),)), False),
        (Needs((Selector.parse("zone", "in(a, b)"),)), True),
        (Needs((Selector.parse("zone", "!a"),)), False),
        (Needs((Selector.parse("jobqueue/hostname", "web1"),)), True),
    ],
)
def test_what_fits(needs: Needs, fits: bool) -> None:
    assert needs.fit("web1", LABELS, 8, 1000) is fits
    assert needs.are_any is (needs != Needs())


def test_a_fact_that_is_not_known_counts_as_nothing() -> None:
    assert not Needs(num_cpus=0.1).fit("web1", {}, None, None)
    assert not Needs(memory=1).fit("web1", {}, 8, "much")


@pytest.mark.parametrize(
    ("name", "amount"), [("tpu", 4.0), ("odd", 0.0), ("none", 0.0), ("missing", 0.0), ("endless", 0.0)]
)
def test_what_a_label_declares(name: str, amount: float) -> None:
    assert declared(LABELS, name) == amount


@pytest.mark.parametrize("selector", ["a", "!a", "in(a, b)", "!in(a, b)"])
def test_a_document_is_read_as_it_was_written(selector: str) -> None:
    needs = Needs((Selector.parse("zone", selector),), 0.5, 2**40, (("tpu", 1.5),))
    assert Needs.read(json.loads(json.dumps(needs.document()))) == needs
    assert needs.document()["labels"] == {"zone": selector}


def test_a_document_holds_only_what_is_needed() -> None:
    assert Needs().document() == {}
    assert Needs(num_cpus=2).document() == {"num_cpus": 2}
    assert Needs.read({}) == Needs()


@pytest.mark.parametrize("document", [{"gpus": 1}, {"labels": {"zone": "in("}}])
def test_a_document_of_something_else_is_refused(document: dict[str, object]) -> None:
    with pytest.raises(InvalidInput):
        Needs.read(document)


def test_the_words() -> None:
    needs = Needs((Selector.parse("zone", "!in(a,b)"),), 4, 1000, (("tpu", 1.0),))
    assert needs.text == "4 CPUs, 1000 bytes of memory, 1 of the resource tpu, the label zone is not a or b"
