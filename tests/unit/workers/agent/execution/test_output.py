"""Live output: from an operation through the agent into the ledger, and out of it again."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from jobqueue.errors import AgentNotFound, InvalidInput, JobNotFound, LedgerUnavailable
from jobqueue.ledger.executions import Claim
from jobqueue.ledger.ledger import Ledger
from jobqueue.ledger.output import Output, Piece
from jobqueue.model.agent import Registration
from jobqueue.model.job import Job
from jobqueue.model.output import OutputPage
from jobqueue.model.states import ExecutionState
from jobqueue.services.output import OutputReader
from jobqueue.settings import Settings
from tests.unit.workers.conftest import HOST, Submitter
from workers.agent.execution.output import LiveOutput, OutputPump


@pytest.fixture
def claim(ledger: Ledger, submit: Submitter) -> Claim:
    found = ledger.executions.claim(submit("test.echo.get"), HOST, HOST, "token")
    assert isinstance(found, Claim)
    return found


@pytest.fixture
def reader(ledger: Ledger) -> OutputReader:
    return OutputReader(ledger.jobs, ledger.executions, ledger.output, ledger.job_slots, sleep=lambda _: None)


NUMBERS = itertools.count(1)


def append(ledger: Ledger, claim: Claim, *added: Piece) -> bool:
    return ledger.output.append(claim, next(NUMBERS), list(added))


def end(ledger: Ledger, claim: Claim) -> None:
    ledger.executions.finish(claim, ExecutionState.COMPLETED, out='{"data":null,"changed":false}')


def pieces(page: OutputPage) -> list[tuple[str, bytes]]:
    return [(chunk.stream, chunk.data) for chunk in page.chunks]


def test_order_streams_and_offsets_are_kept(ledger: Ledger, claim: Claim, reader: OutputReader) -> None:
    assert append(ledger, claim, Piece("stdout", b"one\n"), Piece("stderr", b"oh\n"))
    assert append(ledger, claim, Piece("stdout", b"two\n"))
    page = reader.page(claim.job_id, None, 0)
    assert pieces(page) == [("stdout", b"one\n"), ("stderr", b"oh\n"), ("stdout", b"two\n")]
    assert (page.next_offset, page.complete, page.state, page.hostname) == (11, False, "started", HOST)
    assert pieces(reader.page(claim.job_id, HOST, 5)) == [("stderr", b"h\n"), ("stdout", b"two\n")]
    assert pieces(reader.page(claim.job_id, HOST, 11)) == []
    end(ledger, claim)
    assert reader.page(claim.job_id, None, 0).complete
    assert reader.page(claim.job_id, None, 11).complete


def test_bytes_that_are_no_text_survive(ledger: Ledger, claim: Claim, reader: OutputReader) -> None:
    binary = bytes(range(256))
    append(ledger, claim, Piece("stdout", binary), Piece("stdout", "ä\0€".encode()))
    page = reader.page(claim.job_id, None, 0)
    assert b"".join(chunk.data for chunk in page.chunks) == binary + "ä\0€".encode()
    assert page.chunks[0].document()["base64"]
    assert "base64" not in page.chunks[1].document()


def test_only_the_newest_bytes_are_kept_and_the_cut_is_marked(ledger: Ledger, claim: Claim) -> None:
    output = Output(ledger.client, ledger.keys, ledger.scripts, cap_bytes=100)
    for number in range(50):
        output.append(claim, number + 1, [Piece("stdout", f"line {number:03}\n".encode())])
    page = OutputReader(ledger.jobs, ledger.executions, output, ledger.job_slots).page(claim.job_id, None, 0)
    assert page.next_offset == 50 * 9
    assert page.cut == 50 * 9 - sum(len(chunk.data) for chunk in page.chunks)
    assert 90 <= sum(len(chunk.data) for chunk in page.chunks) <= 109
    assert page.chunks[-1].data == b"line 049\n"


@pytest.mark.parametrize("size", [1000, 60_000, 400_000])
def test_a_page_is_bounded_and_the_next_one_goes_on(
    ledger: Ledger, claim: Claim, reader: OutputReader, size: int
) -> None:
    """A reader whose client does not receive it holds it in memory."""
    printed = [bytes([65 + number % 26]) * size for number in range(max(4, 1_000_000 // size))]
    for piece in printed:
        append(ledger, claim, Piece("stdout", piece))
    end(ledger, claim)
    pages = list(reader.everything(claim.job_id))
    assert b"".join(data for page in pages for _, data in pieces(page)) == b"".join(printed)
    assert [page.cut for page in pages] == [0] * len(pages)
    assert max(sum(len(data) for _, data in pieces(page)) for page in pages) <= max(256 * 1024, size)


def test_a_stale_holder_cannot_add(ledger: Ledger, claim: Claim, reader: OutputReader) -> None:
    stale = Claim(claim.job_id, HOST, "another token", 1, "")
    assert not append(ledger, stale, Piece("stdout", b"forged\n"))
    end(ledger, claim)
    assert not append(ledger, claim, Piece("stdout", b"late\n"))
    assert reader.page(claim.job_id, None, 0).chunks == ()


def test_deleting_a_job_deletes_its_output_also_that_of_earlier_hosts(
    ledger: Ledger, submit: Submitter, claim: Claim
) -> None:
    before = set(ledger.client.keys())
    ledger.agents.register(Registration("db1", "boot", {}, {}, ("test.echo.get",)))
    job_id = submit("test.echo.get", target="_any", idempotent=True)
    for host in (HOST, "db1"):
        found = ledger.executions.claim(job_id, "_any", host, host)
        assert isinstance(found, Claim)
        append(ledger, found, Piece("stdout", b"x"))
        if host == HOST:
            ledger.executions.finish(found, ExecutionState.FAILED, retry_in=0.0)
            ledger.executions.promote(10, "")
    end(ledger, found)
    assert len(ledger.client.keys("*log:*:" + job_id)) == 2
    ledger.jobs.delete(job_id)
    assert [key for key in set(ledger.client.keys()) - before if job_id in key] == []


@pytest.mark.parametrize(("hostname", "error"), [("db1", AgentNotFound), (None, None)])
def test_unknown_hosts_and_jobs_are_reported(
    claim: Claim, reader: OutputReader, hostname: str | None, error: type[Exception] | None
) -> None:
    if error:
        with pytest.raises(error, match="db1"):
            reader.page(claim.job_id, hostname, 0)
    with pytest.raises(JobNotFound):
        reader.follow("00000000-0000-4000-8000-000000000000", hostname, 0)


def test_a_job_on_several_agents_needs_a_hostname(ledger: Ledger, submit: Submitter, reader: OutputReader) -> None:
    ledger.agents.register(Registration("db1", "boot", {}, {}, ("test.echo.get",)))
    job_id = submit("test.echo.get", target="_all")
    with pytest.raises(InvalidInput, match=r"2 agents.*db1"):
        reader.page(job_id, None, 0)
    assert reader.page(job_id, "db1", 0).state == "submitted"


HOSTS = ("db1", "db2", HOST)


@pytest.fixture
def shared(ledger: Ledger, submit: Submitter) -> str:
    """A job on three hosts, each of which has printed its name; db1 has failed, db2 has ended, the third goes on."""
    for host in HOSTS[:2]:
        ledger.agents.register(Registration(host, f"boot {host}", {}, {}, ("test.echo.get",)))
    job_id = submit("test.echo.get", target="_all")
    for host in HOSTS:
        claim = ledger.executions.claim(job_id, host, host, f"token {host}")
        assert isinstance(claim, Claim)
        append(ledger, claim, Piece("stdout", f"{host}\n".encode()))
        if host == "db1":
            ledger.executions.finish(claim, ExecutionState.FAILED, note="broken")
        elif host == "db2":
            end(ledger, claim)
    return job_id


def test_the_output_of_several_hosts_in_pages(shared: str, reader: OutputReader) -> None:
    first = reader.of_hosts(shared, limit=2)
    assert first is not None
    assert [(page.hostname, pieces(page), page.state) for page in first.pages] == [
        ("db1", [("stdout", b"db1\n")], "failed"),
        ("db2", [("stdout", b"db2\n")], "completed"),
    ]
    assert (first.total, first.next_cursor) == (3, "db2")
    last = reader.of_hosts(shared, "db2", limit=2)
    assert last is not None
    assert ([page.hostname for page in last.pages], last.next_cursor) == ([HOST], None)
    failed = reader.of_hosts(shared, only_failed=True)
    assert failed is not None
    assert ([page.hostname for page in failed.pages], failed.total, failed.next_cursor) == (["db1"], 1, None)


def test_no_execution_is_read_for_the_output_of_several_hosts(
    ledger: Ledger, shared: str, reader: OutputReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A job may have ten thousand hosts with answers of a megabyte each."""
    read: list[Job] = []
    get = ledger.jobs.get
    monkeypatch.setattr(ledger.jobs, "get", lambda *args: read.append(get(*args)) or read[-1])
    monkeypatch.setattr(ledger.jobs, "executions", lambda *_: pytest.fail("executions are read"))
    reader.of_hosts(shared)
    assert len(list(reader.everything(shared, only_failed=True))) == 1
    followed = reader.follow_hosts(shared)
    assert followed is not None
    assert next(followed) is not None
    assert [(len(job.executions), job.total) for job in read] == [(0, 3)] * 3


def test_a_page_takes_no_further_host_once_it_is_full(
    shared: str, reader: OutputReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jobqueue.services.output._FULL_PAGE_BYTES", 6)
    found = reader.of_hosts(shared)
    assert found is not None
    assert ([page.hostname for page in found.pages], found.next_cursor) == (["db1", "db2"], "db2")


def test_a_single_execution_is_not_in_a_fanout(claim: Claim, reader: OutputReader) -> None:
    assert reader.of_hosts(claim.job_id) is None
    assert reader.follow_hosts(claim.job_id) is None
    with pytest.raises(JobNotFound):
        reader.of_hosts("00000000-0000-4000-8000-000000000000")


def test_several_hosts_are_followed_until_the_last_has_ended(ledger: Ledger, shared: str, reader: OutputReader) -> None:
    pages = reader.follow_hosts(shared)
    assert pages is not None
    printed: dict[str, bytes] = dict.fromkeys(HOSTS, b"")
    complete = []
    turns = 0
    for page in pages:
        if page is None:
            turns += 1
            assert turns < 100
            if turns == 2:
                claim = Claim(shared, HOST, f"token {HOST}", 1, "")
                append(ledger, claim, Piece("stdout", b"more\n"))
                end(ledger, claim)
            continue
        printed[page.hostname] += b"".join(chunk.data for chunk in page.chunks)
        if page.complete:
            complete.append((page.hostname, page.state))
    assert printed == {"db1": b"db1\n", "db2": b"db2\n", HOST: f"{HOST}\nmore\n".encode()}
    assert sorted(complete) == sorted([("db1", "failed"), ("db2", "completed"), (HOST, "completed")])


def test_everything_host_by_host(shared: str, reader: OutputReader, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jobqueue.ledger.output._MOST_ENTRIES", 1)  # pages of one piece
    found = [(page.hostname, pieces(page)) for page in reader.everything(shared)]
    assert found == [(host, [("stdout", f"{host}\n".encode())]) for host in HOSTS]
    assert [page.hostname for page in reader.everything(shared, only_failed=True)] == ["db1"]
    with pytest.raises(JobNotFound):
        reader.everything("00000000-0000-4000-8000-000000000000")


def test_too_many_hosts_are_not_followed(shared: str, reader: OutputReader, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jobqueue.services.output.MAX_FOLLOWED_HOSTS", 2)
    with pytest.raises(InvalidInput, match="The job has 3 hosts, and at most 2 can be followed at once"):
        reader.follow_hosts(shared)


def collect(pages: Iterator[OutputPage]) -> tuple[bytes, OutputPage]:
    data, page = b"", None
    for page in pages:
        data += b"".join(chunk.data for chunk in page.chunks)
    assert page is not None
    return data, page


def test_a_follower_gets_everything_once_and_an_end(ledger: Ledger, claim: Claim, reader: OutputReader) -> None:
    with ThreadPoolExecutor(1) as pool:
        following = pool.submit(collect, reader.follow(claim.job_id, None, 0))
        expected = b""
        for number in range(200):
            line = f"line {number}\n".encode()
            expected += line
            assert append(ledger, claim, Piece("stdout", line))
        end(ledger, claim)
        data, last = following.result(30)
    assert data == expected
    assert last.complete
    assert last.state == "completed"


def test_a_follower_of_any_goes_along_to_the_agent_and_its_next_attempt(
    ledger: Ledger, submit: Submitter, reader: OutputReader, claim: Claim
) -> None:
    ledger.agents.register(Registration("db1", "boot", {}, {}, ("test.echo.get",)))
    job_id = submit("test.echo.get", target="_any", idempotent=True)
    pages = reader.follow(job_id, None, 0)
    assert next(pages).hostname == ""
    first = ledger.executions.claim(job_id, "_any", HOST, "one")
    assert isinstance(first, Claim)
    append(ledger, first, Piece("stdout", b"first\n"))
    seen = next(page for page in pages if page.chunks)
    assert (seen.hostname, pieces(seen)) == (HOST, [("stdout", b"first\n")])
    ledger.executions.finish(first, ExecutionState.FAILED, retry_in=0.0)
    assert next(pages).hostname == ""  # it waits for its next attempt, wherever that will be
    ledger.executions.promote(10, "")
    second = ledger.executions.claim(job_id, "_any", "db1", "two")
    assert isinstance(second, Claim)
    append(ledger, second, Piece("stdout", b"second\n"))
    seen = next(page for page in pages if page.chunks)
    assert (seen.hostname, pieces(seen), seen.chunks[0].attempt) == ("db1", [("stdout", b"second\n")], 2)
    end(ledger, second)
    assert collect(pages)[1].complete
    # who comes back with an offset in the first host's output gets all of the second's
    assert collect(reader.follow(job_id, None, 4, HOST))[0] == b"second\n"
    assert collect(reader.follow(job_id, None, 4, "db1"))[0] == b"nd\n"


# -- the agent's side ------------------------------------------------------------------------------------------------


class Sent:
    def __init__(self) -> None:
        self.pieces: list[Piece] = []
        self.is_away = False
        self.is_broken = False
        self.numbers: list[int] = []

    def __call__(self, claim: Claim, number: int, pieces: list[Piece]) -> bool:
        if self.is_broken:
            raise ValueError("a bug")
        if number not in self.numbers:
            self.numbers.append(number)
            self.pieces += pieces
        if self.is_away:
            raise LedgerUnavailable  # it was stored, and the answer was lost
        return True

    @property
    def data(self) -> bytes:
        return b"".join(piece.data for piece in self.pieces)


def test_characters_are_not_torn(claim: Claim) -> None:
    sent = Sent()
    live = LiveOutput(claim, sent, 1000)
    for byte in "grün €😀".encode():
        live.write("stdout", bytes([byte]))
        live.flush()
    live.close()
    assert sent.data.decode() == "grün €😀"
    for piece in sent.pieces:
        piece.data.decode()


def test_a_torn_end_is_sent_at_last(claim: Claim) -> None:
    sent = Sent()
    live = LiveOutput(claim, sent, 1000)
    live.write("stdout", "ok €".encode()[:-1])
    live.close()
    assert sent.data == "ok €".encode()[:-1]


def test_small_writes_become_few_pieces_in_order(claim: Claim) -> None:
    sent = Sent()
    live = LiveOutput(claim, sent, 10**6)
    for number in range(1000):
        live.write("stdout", b"%d\n" % number)
    live.write("stderr", b"!\n")
    live.write("stdout", b"end\n")
    live.close()
    assert [piece.stream for piece in sent.pieces] == ["stdout", "stderr", "stdout"]
    assert sent.pieces[0].data == b"".join(b"%d\n" % number for number in range(1000))


def test_an_outage_holds_the_output_and_cuts_the_oldest(claim: Claim) -> None:
    sent = Sent()
    live = LiveOutput(claim, sent, 300_000)
    sent.is_away = True
    live.write("stdout", b"first ")
    assert not live.flush()
    for number in range(10):
        live.write("stdout", bytes([48 + number]) * 60_000)
        assert not live.flush()
    sent.is_away = False
    live.close()
    assert sent.pieces[0].data == b"first "  # once, though its answer was lost
    assert sent.pieces[1].stream == "agent"
    assert b"bytes cut while the ledger was unavailable" in sent.pieces[1].data
    kept = b"".join(piece.data for piece in sent.pieces[2:])
    assert len(kept) <= 300_000
    assert kept.endswith(b"9" * 60_000)
    assert int(sent.pieces[1].data.split()[1]) + len(kept) == 600_000


def test_a_batch_that_is_sent_again_is_not_added_again(ledger: Ledger, claim: Claim, reader: OutputReader) -> None:
    for number in (1, 1, 2, 2, 1):
        assert ledger.output.append(claim, number, [Piece("stdout", b"%d" % number)])
    assert b"".join(chunk.data for chunk in reader.page(claim.job_id, None, 0).chunks) == b"12"


def test_a_bug_costs_the_log_and_not_the_command(claim: Claim) -> None:
    sent = Sent()
    sent.is_broken = True
    live = LiveOutput(claim, sent, 1000)
    live.write("stdout", b"lost")
    assert live.flush()
    sent.is_broken = False
    live.write("stdout", b"kept")
    live.close()
    assert sent.data == b"kept"


def test_the_pump_sends_within_its_interval_and_survives_an_outage(
    ledger: Ledger, claim: Claim, reader: OutputReader, settings: Settings, outage: threading.Event
) -> None:
    pump = OutputPump(ledger.output, settings.max_log_bytes)
    pump.start()
    try:
        live, write = pump.open(claim)
        outage.set()
        write("stdout", b"held\n")
        assert not live.flush()  # as the pump finds, too
        outage.clear()
        deadline = time.monotonic() + 10
        while not (page := reader.page(claim.job_id, None, 0)).chunks and time.monotonic() < deadline:
            time.sleep(0.01)
        assert pieces(page) == [("stdout", b"held\n")]
        write("stdout", b"last\n")
        pump.close(live)
        assert pieces(reader.page(claim.job_id, None, 5)) == [("stdout", b"last\n")]
    finally:
        pump.stop()
        pump.join(10)
    assert not pump.is_alive()


@pytest.mark.parametrize("shift", range(4))
@pytest.mark.parametrize("char", ["é", "€", "😀"])
def test_pieces_end_at_whole_characters(char: str, shift: int) -> None:
    """However much is written at once: no piece has a part of a character."""
    sent: list[Piece] = []

    def send(_claim: Claim, _number: int, pieces: list[Piece]) -> bool:
        sent.extend(pieces)
        return True

    live = LiveOutput(Claim.__new__(Claim), send, 10_000_000)
    object.__setattr__(live._claim, "job_id", "j")
    text = "x" * shift + char * 60_000
    live.write("stdout", text.encode())
    live.close()
    assert len(sent) > 1
    assert "".join(piece.data.decode("utf-8", "strict") for piece in sent) == text


def test_pieces_of_binary_data() -> None:
    sent: list[Piece] = []
    live = LiveOutput(Claim.__new__(Claim), lambda _claim, _number, pieces: sent.extend(pieces) or True, 10_000_000)
    object.__setattr__(live._claim, "job_id", "j")
    live.write("stdout", b"\xc3" * 200_000)
    live.close()
    assert b"".join(piece.data for piece in sent) == b"\xc3" * 200_000
