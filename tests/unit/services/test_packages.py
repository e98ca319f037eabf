"""What a job's packages are is settled when it is submitted."""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import fakeredis
import pytest

from jobqueue.errors import InvalidInput, PackageTooLarge
from jobqueue.ledger.ledger import Ledger
from jobqueue.operations.registry import Registry
from jobqueue.services import Services
from jobqueue.settings import Settings

NAME = "_ray_pkg_0123456789abcdef.zip"
OTHER = "my_module-1.0-py3-none-any.whl"


@pytest.fixture
def services(tmp_path: Path) -> Iterator[Services]:
    settings = Settings(state_dir=tmp_path, max_package_bytes=2000)
    with fakeredis.FakeRedis(decode_responses=True) as client:
        yield Services.over(Ledger(client, settings), settings, Registry([]))


def test_a_pin_is_the_digest_of_the_bytes(services: Services) -> None:
    for name in (NAME, OTHER):
        services.packages.store(name, [name.encode()])
    assert services.package_resolver([NAME, OTHER, NAME]) == {
        name: sha256(name.encode()).hexdigest() for name in (NAME, OTHER)
    }
    assert services.package_resolver([]) == {}


def test_what_was_never_uploaded_is_named(services: Services) -> None:
    services.packages.store(NAME, [b"x"])
    with pytest.raises(InvalidInput, match=f"The package {OTHER} is not stored.*Upload it") as found:
        services.package_resolver([NAME, OTHER])
    assert found.value.details == {"runtime_env": [found.value.message]}
    third = NAME.replace("zip", "tgz")
    with pytest.raises(InvalidInput, match=f"The packages {third}, {OTHER} are not stored"):
        services.package_resolver([third, NAME, OTHER])


def test_looking_for_one_keeps_it(services: Services) -> None:
    assert services.packages.find(NAME) is None
    stored = services.packages.store(NAME, [b"x"], 1)
    found = services.packages.find(NAME)
    assert found is not None
    assert (found.sha256, found.size) == (stored.sha256, 1)
    assert found.kept_until >= stored.kept_until


def test_names_and_sizes_are_checked(services: Services) -> None:
    for call in (services.packages.find, lambda name: services.package_resolver([name])):
        with pytest.raises(InvalidInput, match="is not the name of a package"):
            call("../x.zip")
    with pytest.raises(PackageTooLarge):
        services.packages.store(NAME, [bytes(2001)])
