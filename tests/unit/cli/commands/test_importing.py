"""`jobqueue import`, whose files `jobqueue apply` checks against the API itself, in this process."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import fakeredis
import pytest
from click.testing import CliRunner, Result

from api.app import create_app
from api.auth import gate
from jobqueue import extras
from jobqueue.cli.commands import apply as apply_command
from jobqueue.cli.commands.importing import import_jobs
from jobqueue.cli.main import main
from jobqueue.client import Client
from jobqueue.ledger.ledger import Ledger
from jobqueue.model.principal import Principal
from jobqueue.operations.registry import Registry
from jobqueue.services import Services
from jobqueue.settings import Settings
from tests.unit.cli.commands.test_apply import InProcess

Apply = Callable[..., Result]
#: In the forms that Debian's packages use.
SYSTEM_CRONTAB = r"""
# system-wide jobs
SHELL=/bin/sh
PATH=/usr/local/sbin:/usr/local/bin:/sbin:/bin:/usr/sbin:/usr/bin

17 *	* * *	root	cd / && run-parts --report /etc/cron.hourly
25 6	* * *	root	test -x /usr/sbin/anacron || { cd / && run-parts --report /etc/cron.daily; }
30 7-23 * * *   root	[ -x /etc/init.d/anacron ] && if [ ! -d /run/systemd/system ]; then /usr/sbin/invoke-rc.d anacron start >/dev/null; fi
30 3 * * 0 root test -e /run/systemd/system || SERVICE_MODE=1 /usr/lib/x86_64-linux-gnu/e2fsprogs/e2scrub_all_cron
09,39 *     * * *     root   [ -x /usr/lib/php/sessionclean ] && if [ ! -d /run/systemd/system ]; then /usr/lib/php/sessionclean; fi
5-55/10 * * * * root command -v debian-sa1 > /dev/null && debian-sa1 1 1
59 23 * * * root command -v debian-sa1 > /dev/null && debian-sa1 60 2
57 0 * * 0 root if [ -x /usr/share/mdadm/checkarray ] && [ $(date +\%d) -le 7 ]; then /usr/share/mdadm/checkarray --cron --all --idle --quiet; fi
0 */12 * * * root test -x /usr/bin/certbot -a \! -d /run/systemd/system && perl -e 'sleep int(rand(43200))' && certbot -q renew
@reboot root /usr/local/bin/warm-cache
*/5 * * * * www-data /usr/bin/php /srv/shop/cron.php
"""  # noqa: E501 - lines as they are in such files
NAMES = [
    *("system-cron.hourly", "system-anacron", "system-anacron-2", "system-e2scrub_all_cron", "system-sessionclean"),
    *("system-debian-sa1", "system-debian-sa1-2", "system-checkarray", "system-certbot"),
]


@pytest.fixture
def apply(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Apply:
    """``jobqueue apply`` against an API with an empty ledger."""
    settings = Settings(state_dir=tmp_path_factory.mktemp("state"), token="t" * 32, redis_url="redis://127.0.0.1:1/0")
    ledger = Ledger(fakeredis.FakeRedis(server=fakeredis.FakeServer(), decode_responses=True), settings)
    app = create_app(settings, Services.over(ledger, settings, Registry.load(())))
    gate.of(app).authenticate = lambda _environ: Principal("alice", frozenset({"*"}))
    client = Client("http://127.0.0.1:1", "token")
    monkeypatch.setattr(client, "_http", InProcess(app.test_client()))
    monkeypatch.setattr(apply_command, "connect", lambda: client)
    return lambda *arguments, stdin=None: CliRunner().invoke(apply_command.apply, list(arguments), input=stdin)


def run(*arguments: str, stdin: str | None = None) -> Result:
    return CliRunner().invoke(import_jobs, list(arguments), input=stdin)


def test_a_system_crontab_becomes_files_that_apply_takes(apply: Apply, tmp_path: Path) -> None:
    source, output = tmp_path / "system", tmp_path / "jobs"
    source.write_text(SYSTEM_CRONTAB)
    arguments = ("crontab", str(source), "--user-column", "--on", "web1", "--time-zone", "Europe/Berlin")
    result = run(*arguments, "--output", str(output))
    assert result.exit_code == 1
    assert result.stdout.splitlines() == [
        *(f"{output / name}.yaml  written" for name in NAMES),
        "9 imported, 2 not imported, 0 notes",
    ]
    assert [line.partition(": ")[2] for line in result.stderr.splitlines()] == [
        "not imported: @reboot runs at the start of the host; schedules have times only. Use a systemd unit.",
        "not imported: it runs as www-data, and the agents as root (--agent-user); jobs cannot name a user.",
    ]
    assert sorted(path.name for path in output.iterdir()) == sorted(f"{name}.yaml" for name in NAMES)
    checked = apply("-f", str(output), "--dry-run")
    assert checked.exit_code == 0, checked.output
    assert checked.stdout.splitlines()[-1].startswith("18 created, 0 changed")
    assert apply("-f", str(output)).exit_code == 0
    assert apply("-f", str(output)).stdout == "0 created, 0 changed, 18 unchanged, 0 deleted\n"


def test_a_dry_run_prints_what_apply_reads(apply: Apply, tmp_path: Path) -> None:
    crontab = "0 3 * * 1-5 cat%one%two\n@daily docker ps --format '{{.Names}}'\n"
    result = run("crontab", "-", "--on", "group:web", "--output", str(tmp_path / "none"), "--dry-run", stdin=crontab)
    assert result.exit_code == 0
    assert not (tmp_path / "none").exists()
    assert result.stderr.splitlines() == [
        "standard input: note: times are in UTC; --time-zone names the zone of the hosts' clocks.",
        "2 imported, 0 not imported, 1 note (dry run; nothing was written)",
    ]
    assert apply("-f", "-", "--dry-run", stdin=result.stdout).stdout.splitlines()[-1].startswith("4 created")


def test_files_with_other_content_are_kept(tmp_path: Path) -> None:
    arguments = ("crontab", "-", "--on", "web1", "--time-zone", "UTC", "--output", str(tmp_path), "--prefix", "x")
    assert run(*arguments, stdin="@daily a\n").exit_code == 0
    kept = (tmp_path / "x-a.yaml").read_text()
    assert run(*arguments, stdin="@daily a\n").stdout == "1 imported, 0 not imported, 0 notes\n"
    refused = run(*arguments, stdin="@hourly a\n@daily b\n")
    assert refused.exit_code == 1
    assert "x-a.yaml: the file exists with other content; --replace overwrites it" in refused.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["x-a.yaml"]
    assert (tmp_path / "x-a.yaml").read_text() == kept
    assert run(*arguments, "--replace", stdin="@hourly a\n").exit_code == 0
    assert "'@hourly'" in (tmp_path / "x-a.yaml").read_text()


def test_bad_options_and_files_are_refused(tmp_path: Path) -> None:
    (tmp_path / "utf16").write_bytes(b"\xff\xfex")
    (tmp_path / "large").write_bytes(b"#" * (1024 * 1024 + 1))
    for arguments, sentence in (
        ((str(tmp_path / "none"), "--on", "x"), "it cannot be read: No such file or directory."),
        ((str(tmp_path / "utf16"), "--on", "x"), "it cannot be read: byte 2 is not valid UTF-16-LE"),
        ((str(tmp_path / "large"), "--on", "x"), "it has more than 1048576 bytes."),
        (("-",), "Missing option '--on'"),
        (("-", "--on", " "), "'--on': it is empty"),
        (("-", "--on", "x", "--prefix", "a b"), "'a b' has characters other than letters, digits and . _ -"),
    ):
        result = run("crontab", *arguments, stdin="")
        assert result.exit_code in (1, 2)
        assert sentence in result.stderr, arguments


def test_the_missing_package_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(extras, "_is_installed", lambda module: module != "yaml")
    arguments = ["import", "crontab", "-", "--on", "x", "--output", str(tmp_path)]
    result = CliRunner().invoke(main, arguments, input="@daily x\n")
    assert result.exit_code == 2
    assert (
        "Writing the files of an import needs yaml, not installed here: pip install 'jobqueue[apply]'" in result.stderr
    )


RUNDECK = r"""
- name: Deploy
  group: shop
  sequence:
    commands:
    - script: |
        deploy "$RD_OPTION_VERSION" --token "$RD_OPTION_TOKEN"
      args: ${option.version} --channel=${option.channel}
      scriptInterpreter: bash
  options:
  - {name: version, required: true, regex: '[0-9.]+'}
  - {name: channel, enforced: true, values: [stable, testing], value: stable}
  - {name: token, secure: true, valueExposed: true, storagePath: keys/shop}
  nodefilters:
    filter: '.*'
    dispatch: {threadcount: '3', keepgoing: 'true'}
  retry: {retry: '1', delay: 30s}
- name: Report
  sequence:
    commands:
    - {exec: 'report --to ${option.to} | tee {{x}}'}
  options:
    to: {value: ops, required: true}
  schedule: {crontab: '0 15 6 ? * MON-FRI *'}
  timeout: '90'
- name: Both
  sequence: {commands: [{exec: a, description: 'show {{ a }}', errorhandler: {exec: c}}, {exec: b}]}
- name: Chain
  sequence: {commands: [{exec: a}, {jobref: {name: Both}}]}
"""


def test_definitions_of_rundeck_become_files_that_apply_takes(apply: Apply, tmp_path: Path) -> None:
    source = tmp_path / "jobs.yaml"
    source.write_text(RUNDECK)
    result = run("rundeck", str(source), "--on", "web1", "--output", str(tmp_path / "out"), "--time-zone", "UTC")
    assert result.exit_code == 1
    assert result.stdout.splitlines() == [
        f"{tmp_path}/out/shop-Deploy.yaml  written",
        f"{tmp_path}/out/Report.yaml  written",
        f"{tmp_path}/out/Both.yaml  written",
        "3 imported, 1 not imported, 4 notes",
    ]
    assert result.stderr.splitlines()[-1] == (
        f"{source}: Chain: not imported: step 2: its step is another job (jobref); a job runs operations on hosts."
    )
    checked = apply("-f", str(tmp_path / "out"))
    assert checked.exit_code == 0, checked.output
    assert checked.stdout.splitlines()[-1].startswith("4 created")
    assert apply("-f", str(tmp_path / "out")).stdout == "0 created, 0 changed, 4 unchanged, 0 deleted\n"


def test_an_export_without_jobs_is_refused(tmp_path: Path) -> None:
    for text, sentence in (("a: 1", "it is not a list"), ("<a/>", "it is not a <joblist>"), ("<", "not valid XML")):
        result = run("rundeck", "-", "--output", str(tmp_path), stdin=text)
        assert (result.exit_code, sentence in result.stderr) == (1, True)
    assert run("rundeck", "-", "--tag-label", "a b", stdin="").exit_code == 2
