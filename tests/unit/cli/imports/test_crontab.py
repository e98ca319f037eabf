from __future__ import annotations

from typing import Any

import pytest

from jobqueue.cli.imports.crontab import CrontabOptions, import_crontab
from jobqueue.cli.imports.imported import Imported, Names, literal
from jobqueue.services.saved.template import render

OPTIONS = CrontabOptions("web1", "web1")
SYSTEM = CrontabOptions("web1", "web1", user="root")
#: What cron sets itself.
SURROUNDINGS = {"PATH": "/usr/bin:/bin", "SHELL": "/bin/sh"}


def read(text: str | bytes, options: CrontabOptions = OPTIONS) -> Imported:
    return import_crontab(text.encode() if isinstance(text, str) else text, "tab", options)


def remarks(imported: Imported) -> list[str]:
    return list(map(str, imported.remarks))


def data_of(imported: Imported, number: int = 0) -> dict[str, Any]:
    """The data of a saved job as an agent gets it."""
    saved = imported.files[number].records[0]
    return render(saved["operation"]["data"], {}, "data")


def test_a_line_becomes_a_saved_job_and_a_schedule() -> None:
    (file,) = read("# nightly\n\n 5\t4 * * Mon-Fri   /opt/shop/report.sh --all  # all shops\n").files
    assert file.name == "web1-report.sh"
    assert file.origin == "tab:3: 5 4 * * Mon-Fri /opt/shop/report.sh --all # all shops"
    assert file.records == (
        {
            "kind": "saved-job",
            "name": "web1-report.sh",
            "operation": {
                "type": "command.shell.execute",
                "data": {"command": "/opt/shop/report.sh --all  # all shops", "env": SURROUNDINGS},
            },
            "target_hostname": "web1",
        },
        {
            "kind": "schedule",
            "name": "web1-report.sh",
            "cron": "5 4 * * Mon-Fri",
            "time_zone": "UTC",
            "job": {"saved": "web1-report.sh"},
            "overlap": "allow",
            "catch_up": "never",
        },
    )


@pytest.mark.parametrize(
    ("line", "command", "stdin"),
    [
        ("mail -s hi root%Dear root,%% bye", "mail -s hi root", "Dear root,\n\n bye\n"),
        (r"date +\%Y-\%m", "date +%Y-%m", None),
        (r"cat%100\% sure%", "cat", "100% sure\n"),
        ("cat%", "cat", None),
        (r"printf 'a\tb\n' | tr 'a' \x", r"printf 'a\tb\n' | tr 'a' \x", None),
        (r"docker ps --format '{{.Names}} {\%' %{{x}}", "docker ps --format '{{.Names}} {%' ", "{{x}}\n"),
    ],
)
def test_percent_signs_begin_the_input_and_break_its_lines(line: str, command: str, stdin: str | None) -> None:
    data = data_of(read(f"@daily {line}\n"))
    assert data["command"] == command
    assert data.get("stdin") == stdin


def test_environment_lines_count_for_the_lines_behind_them() -> None:
    imported = read(
        "0 1 * * * one\nSHELL=/bin/bash\nPATH = \"/opt/bin:/bin\"\n'GREETING'='a = b '\nHOME=/srv\nEMPTY=\nUSER=x\n"
        "0 2 * * * two\nSHELL=/bin/sh\n@daily FOO=1 three\n"
    )
    assert remarks(imported) == []
    assert data_of(imported) == {"command": "one", "env": SURROUNDINGS}
    environment = {"PATH": "/opt/bin:/bin", "GREETING": "a = b ", "HOME": "/srv", "EMPTY": "", "USER": "x"}
    bash = {"argv": ["/bin/bash", "-c", "two"], "env": {"SHELL": "/bin/bash", **environment}, "cwd": "/srv"}
    assert data_of(imported, 1) == bash
    assert data_of(imported, 2) == {
        "command": "FOO=1 three",
        "env": {"SHELL": "/bin/sh", **environment},
        "cwd": "/srv",
    }
    assert imported.files[1].records[0]["operation"]["type"] == "command.exec.execute"


def test_mail_and_delays_are_noted() -> None:
    text = 'MAILTO=""\nMAILTO=ops@example.org\nMAILFROM=cron\nLOGNAME=joe\nRANDOM_DELAY=5\n@daily x\n'
    assert remarks(read(text)) == [
        "tab:2: note: mail to ops@example.org is not sent; the output is kept with each job.",
        "tab:4: note: cron sets LOGNAME itself; the line is left out.",
        "tab:5: note: RANDOM_DELAY has no counterpart; a schedule's `jitter` delays its times.",
    ]


def test_a_time_zone_that_only_some_crons_obey_must_be_confirmed() -> None:
    text = "@daily one\nCRON_TZ=Europe/Berlin\n@daily two\nCRON_TZ=UTC\n@daily three\n"
    imported = read(text)
    assert [file.name for file in imported.files] == ["web1-one", "web1-three"]
    (remark,) = remarks(imported)
    assert remark == (
        "tab:3: not imported: line 2 sets CRON_TZ=Europe/Berlin, which cronie obeys and Debian's cron ignores; "
        "import with --time-zone Europe/Berlin, or remove the line."
    )
    confirmed = read(text.replace("CRON_TZ=UTC\n", ""), CrontabOptions("web1", "", "Europe/Berlin"))
    assert [file.records[1]["time_zone"] for file in confirmed.files] == ["Europe/Berlin"] * 3


def test_lines_of_other_users_are_left_out() -> None:
    imported = read("@daily root one\n@daily www-data two\n@daily root\n0 0 * * *\n", SYSTEM)
    assert [file.name for file in imported.files] == ["web1-one"]
    assert remarks(imported) == [
        "tab:2: not imported: it runs as www-data, and the agents as root (--agent-user); jobs cannot name a user.",
        "tab:3: not imported: it has no command after the user.",
        "tab:4: not imported: it has no command after the user.",
    ]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("@reboot x", "@reboot runs at the start of the host"),
        ("61 * * * * x", "the minute '61' is not within 0-59."),
        ("0 0 * * *", "it has no command."),
        ("0 0 * *", "it has 4 fields; a line has five for its times, and a command."),
        ("1 5 cron.daily run-parts /etc/cron.daily", "the day of the month 'cron.daily' is not"),
        ("@daily %input", "its command is empty."),
        (r"@daily sed 's/\\./x/' f", "its command has two backslashes in a row"),
        ("@daily x\x1b[0m", "it has a control character."),
        ("@daily x\r", "it ends with a carriage return"),
        ("x", "it has 1 fields"),
    ],
)
def test_lines_that_cannot_be_taken_over_are_named(line: str, reason: str) -> None:
    imported = read(f"@daily ok\n{line}\n")
    assert [file.name for file in imported.files] == ["web1-ok"]
    (remark,) = remarks(imported)
    assert remark.startswith(f"tab:2: not imported: {reason}")


def test_nothing_is_taken_behind_an_assignment_that_cron_refuses() -> None:
    imported = read('@daily one\nPATH="/opt/bin\n@daily two\n')
    assert [file.name for file in imported.files] == ["web1-one"]
    assert remarks(imported) == [
        "tab:2: note: the value of PATH has an open quote; the lines after it are not imported.",
        "tab:3: not imported: line 2 assigns PATH a value with an open quote, which cron refuses.",
    ]


def test_a_time_zone_does_not_end_the_refusal_of_an_open_quote() -> None:
    imported = read('PATH="/opt/bin\nCRON_TZ=UTC\n@daily one\nCRON_TZ=Europe/Berlin\n@daily two\n')
    assert imported.files == []
    reason = "not imported: line 1 assigns PATH a value with an open quote, which cron refuses."
    assert remarks(imported)[1:] == [f"tab:3: {reason}", f"tab:5: {reason}"]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_texts_of_windows_are_read(encoding: str) -> None:
    imported = read("# Grüße\r\n@daily echo Grüße\r\n@hourly x\r\n".encode(encoding))
    assert remarks(imported) == []
    assert [data_of(imported, number)["command"] for number in (0, 1)] == ["echo Grüße", "x"]


def test_only_lines_that_are_not_utf8_are_left_out() -> None:
    imported = read("# Grüße\n@daily echo Grüße\n@hourly x\n".encode("latin-1"))
    assert [file.name for file in imported.files] == ["web1-x"]
    assert remarks(imported) == [
        "tab:2: not imported: it is not UTF-8 (byte 15); convert the file, for instance by iconv."
    ]


def test_names_come_from_commands_and_are_unique() -> None:
    text = (
        "@daily test -x /usr/sbin/anacron || ( cd / && run-parts --report /etc/cron.daily )\n"
        "@daily command -v debian-sa1 > /dev/null && debian-sa1 1 1\n"
        "@daily [ -d /run/systemd/system ] && exit; /usr/sbin/exim\n@hourly ANACRON\n@hourly anacron\n@hourly 123\n"
    )
    assert [file.name for file in read(text).files] == [
        *("web1-anacron", "web1-debian-sa1", "web1-exim", "web1-ANACRON-2", "web1-anacron-3", "web1-command"),
    ]
    redirected = "@daily backup --all > /var/log/backup-log 2>&1\n@daily 2>>/tmp/err </etc/list sync-all\n"
    assert [file.name for file in read(redirected).files] == ["web1-backup", "web1-sync-all"]
    assert Names().unique("shop", "shop-restart") == "shop-restart"
    long = [Names().unique("x" * 100, "y"), Names().unique("---", "")]
    assert [len(long[0]), long[1]] == [58, "job"]


@pytest.mark.parametrize("text", ["{{", "{%", "a{{{b", "{{{{", "{{ x }}{%{{", "}}", "{# x #}", "'{{'", "{{%"])
def test_texts_are_not_templates(text: str) -> None:
    data = {"env": {"A": text}, "argv": [text], "count": 3}
    assert render(literal(data), {}, "data") == data
