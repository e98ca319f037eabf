from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import click
import pytest

from jobqueue.cli.declared.loading import yaml_values
from jobqueue.cli.imports import rundeck
from jobqueue.cli.imports.imported import Imported
from jobqueue.cli.imports.rundeck import RundeckOptions, import_rundeck

OPTIONS = RundeckOptions(target="web1", tag_label="group")
#: As Rundeck exports them: many values are text.
YAML = r"""
- defaultTab: nodes
  description: |
    Installs a release

    and restarts
  executionEnabled: true
  group: shop/web
  id: 5a4b5c6d-0000-4000-8000-000000000001
  loglevel: INFO
  maxMultipleExecutions: '3'
  multipleExecutions: true
  name: Deploy
  nodeFilterEditable: true
  nodefilters:
    dispatch:
      excludePrecedence: true
      keepgoing: true
      rankOrder: ascending
      successOnEmptyNodeFilter: false
      threadcount: '2'
    filter: 'tags: web+prod !name: web9'
  nodesSelectedByDefault: true
  notification:
    onfailure:
      recipients: ops@example.org
  notifyAvgDurationThreshold: null
  options:
  - description: The release
    label: Release
    name: version
    regex: '[0-9]+(\.[0-9]+)*'
    required: true
    value: '1.4'
  - enforced: true
    name: channel
    value: stable
    values: [stable, testing]
  - name: token
    secure: true
    storagePath: keys/shop/token
    valueExposed: true
  plugins:
    ExecutionLifecycle: {}
  retry:
    delay: 1m
    retry: '2'
  schedule:
    dayofmonth:
      day: '*'
    month: '*'
    time:
      hour: 05,17
      minute: 0/30
      seconds: '0'
    year: '*'
  scheduleEnabled: false
  sequence:
    commands:
    - args: ${option.version} --channel=${option.channel} "two words"
      description: deploys
      fileExtension: .sh
      interpreterArgsQuoted: false
      script: |-
        echo "$RD_OPTION_TOKEN {{ x }}"
      scriptInterpreter: /bin/bash -e
    keepgoing: false
    strategy: node-first
  timeZone: Europe/Berlin
  timeout: 1h 30m
  uuid: 5a4b5c6d-0000-4000-8000-000000000001
"""
XML = r"""<?xml version="1.0" encoding="UTF-8"?>
<joblist>
  <job>
    <context>
      <options preserveOrder='true'>
        <option name='version' regex='[0-9]+(\.[0-9]+)*' required='true' value='1.4'>
          <description>The release</description>
          <label>Release</label>
        </option>
        <option enforcedvalues='true' name='channel' value='stable' values='stable,testing' />
        <option name='token' secure='true' storagePath='keys/shop/token' valueExposed='true' />
      </options>
    </context>
    <defaultTab>nodes</defaultTab>
    <description><![CDATA[Installs a release

and restarts]]></description>
    <dispatch>
      <excludePrecedence>true</excludePrecedence>
      <keepgoing>true</keepgoing>
      <rankOrder>ascending</rankOrder>
      <successOnEmptyNodeFilter>false</successOnEmptyNodeFilter>
      <threadcount>2</threadcount>
    </dispatch>
    <executionEnabled>true</executionEnabled>
    <group>shop/web</group>
    <id>5a4b5c6d-0000-4000-8000-000000000001</id>
    <loglevel>INFO</loglevel>
    <maxMultipleExecutions>3</maxMultipleExecutions>
    <multipleExecutions>true</multipleExecutions>
    <name>Deploy</name>
    <nodeFilterEditable>true</nodeFilterEditable>
    <nodefilters>
      <filter>tags: web+prod !name: web9</filter>
    </nodefilters>
    <nodesSelectedByDefault>true</nodesSelectedByDefault>
    <notification>
      <onfailure>
        <email recipients='ops@example.org' />
      </onfailure>
    </notification>
    <plugins />
    <retry delay='1m'>2</retry>
    <schedule>
      <dayofmonth day='*' />
      <month month='*' />
      <time hour='05,17' minute='0/30' seconds='0' />
      <year year='*' />
    </schedule>
    <scheduleEnabled>false</scheduleEnabled>
    <sequence keepgoing='false' strategy='node-first'>
      <command>
        <description>deploys</description>
        <fileExtension>.sh</fileExtension>
        <script><![CDATA[echo "$RD_OPTION_TOKEN {{ x }}"]]></script>
        <scriptargs>${option.version} --channel=${option.channel} "two words"</scriptargs>
        <scriptinterpreter>/bin/bash -e</scriptinterpreter>
      </command>
    </sequence>
    <timeZone>Europe/Berlin</timeZone>
    <timeout>1h 30m</timeout>
    <uuid>5a4b5c6d-0000-4000-8000-000000000001</uuid>
  </job>
</joblist>
"""
SAVED = {
    "kind": "saved-job",
    "name": "shop-web-Deploy",
    "title": "Deploy",
    "description": "Installs a release and restarts",
    "operation": {
        "type": "script.shell.execute",
        "data": {
            "script": "#!/bin/bash -e\necho \"$RD_OPTION_TOKEN {{ '{{' }} x }}\"",
            "args": ["{{ version }}", "--channel={{ channel }}", "two words"],
            "env": {
                "RD_OPTION_VERSION": "{{ version }}",
                "RD_OPTION_CHANNEL": "{{ channel }}",
                "RD_OPTION_TOKEN": "{{ token }}",
            },
        },
    },
    "target_hostname": "group:web and group:prod and not web9",
    "rollout": {"batch": 2, "max_failures": "100%"},
    "target_override": True,
    "timeout_seconds": 5400,
    "retries": {"max_attempts": 3, "backoff_seconds": 60, "backoff_max_seconds": 60, "jitter": 0},
    "parameters": {
        "version": {
            "title": "Release",
            "description": "The release",
            "default": "1.4",
            "pattern": r"^(?:[0-9]+(\.[0-9]+)*)$",
        },
        "channel": {"required": False, "enum": ["stable", "testing"], "default": "stable"},
        "token": {"required": False, "secret": True},
    },
    "concurrency": {"key": "saved-shop-web-Deploy", "limit": 3, "policy": "refuse"},
}
SCHEDULE = {
    "kind": "schedule",
    "name": "shop-web-Deploy",
    "cron": "*/30 05,17 * * *",
    "time_zone": "Europe/Berlin",
    "paused": "disabled in Rundeck",
    "job": {"saved": "shop-web-Deploy"},
    "overlap": "allow",
    "catch_up": "never",
}
MINIMAL: dict[str, Any] = {"name": "j", "sequence": {"commands": [{"exec": "true"}]}}
A_STEP = {"exec": "true"}


def read(text: str | bytes, options: RundeckOptions = OPTIONS) -> Imported:
    return import_rundeck(text.encode() if isinstance(text, str) else text, "jobs", options)


def one(terms: RundeckOptions = OPTIONS, /, **fields: Any) -> Imported:
    """The import of one job that has these fields."""
    return read(json.dumps([{**MINIMAL, **fields}]), terms)


def saved(imported: Imported) -> Any:
    assert imported.left_out == 0, imported.remarks
    return imported.files[0].records[0]


@pytest.mark.parametrize("text", [YAML, XML], ids=["YAML", "XML"])
def test_a_job_is_taken_over_from_both_formats(text: str) -> None:
    imported = read(text)
    (file,) = imported.files
    assert file.records == (SAVED, SCHEDULE)
    assert file.origin == "jobs: shop/web/Deploy (5a4b5c6d-0000-4000-8000-000000000001)"
    assert [str(remark).partition(": note: ")[2] for remark in imported.remarks] == [
        "its notification onfailure is left out.",
        "the option token names a secret of the agents; store one for keys/shop/token, and name it as the default.",
        "threadcount: hosts run in batches of 2; a batch begins when the last one has ended.",
        "timeout: it counts for each host, from the start of its run.",
        "retry: each host that failed is tried again, not the whole job.",
    ]


@pytest.mark.parametrize(
    ("command", "becomes"),
    [
        ("uptime", "uptime"),
        ("echo ${HOME} ${x%.*} '{{.N}}'", "echo ${HOME} ${x%.*} '{{ '{{' }}.N}}'"),
        ("fetch --to=${option.to-dir} 'a b'", "fetch --to={{ to_dir | quote }} 'a b'"),
    ],
)
def test_commands(command: str, becomes: str) -> None:
    imported = one(sequence={"commands": [{"exec": command}]}, options=[{"name": "to-dir"}])
    data = saved(imported)["operation"]["data"]
    assert data == {"command": becomes, "env": {"RD_OPTION_TO_DIR": "{{ to_dir }}"}}


@pytest.mark.parametrize(
    ("filters", "target", "rollout"),
    [
        (None, "web1", None),
        ({"dispatch": {"threadcount": 1}}, "web1", None),
        ({"filter": ".*"}, "_all", {"batch": 1, "max_failures": 1}),
        ({"filter": "name: web9", "dispatch": {"rankOrder": "descending"}}, "web9", None),
        ({"filter": "web1,web2"}, "web1,web2", {"batch": 1, "max_failures": 1}),
        ({"filter": "name:web-.* !tags: old"}, "web-* and not group:old", {"batch": 1, "max_failures": 1}),
        ({"filter": "tags: a+b,c"}, "(group:a and group:b or group:c)", {"batch": 1, "max_failures": 1}),
        ({"filter": "a.*", "filterExclude": "tags: x"}, "a* and not group:x", {"batch": 1, "max_failures": 1}),
        ({"include": {"tags": "web"}, "exclude": {"name": "web1,web2"}}, "group:web and not (web1,web2)", None),
    ],
)
def test_node_filters(filters: Any, target: str, rollout: Any) -> None:
    record = saved(one(nodefilters=filters))
    assert record["target_hostname"] == target
    assert record.get("rollout") == (rollout or record.get("rollout"))


@pytest.mark.parametrize(
    ("schedule", "cron"),
    [
        ({"crontab": "0 30 */6 ? Jan Mon *"}, "30 */6 * JAN 1"),
        ({"crontab": "0 0 6 ? * 2-6"}, "0 6 * * 1-5"),
        ({"crontab": "0 10/15 * * * ? *"}, "10-59/15 * * * *"),
        ({"crontab": "0 0 0 L * ?"}, "0 0 L * *"),
        ({"crontab": "0 0 0 ? * 6L"}, "0 0 * * 5L"),
        ({"crontab": "0 0 0 ? * MON#2"}, "0 0 * * 1#2"),
        ({"crontab": "0 0 0 ? * L"}, "0 0 * * 6"),
        ({"crontab": "0 0 0 ? * 1,SAT"}, "0 0 * * 0,6"),
        ({"crontab": "0 0 0 1 2/3 ?"}, "0 0 1 2-12/3 *"),
        ({"time": {"hour": "05", "minute": "01", "seconds": "0"}, "month": "APR,MAR", "year": "*",
          "weekday": {"day": "FRI,MON"}}, "01 05 * APR,MAR 5,1"),
        ({"weekday": {"day": "2/2"}}, "0 0 * * 1-6/2"),
    ],
)  # fmt: skip
def test_schedules(schedule: Any, cron: str) -> None:
    imported = one(schedule=schedule)
    assert imported.left_out == 0, imported.remarks
    assert imported.files[0].records[1] == {
        "kind": "schedule",
        "name": "j",
        "cron": cron,
        "time_zone": "UTC",
        "job": {"saved": "j"},
        "overlap": "skip",
        "catch_up": "never",
    }


def steps(*commands: Any, **fields: Any) -> Any:
    return {"sequence": {"commands": list(commands), **fields}}


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        (steps(A_STEP, A_STEP, strategy="sequential"), "its strategy is sequential, each step on all nodes before"),
        (steps(A_STEP, A_STEP, strategy="parallel"), "its strategy is parallel, all steps at the same time"),
        (steps({**A_STEP, "enabled": "false"}, {**A_STEP, "enabled": False}), "all of its steps are disabled."),
        (steps(A_STEP, {"exec": "x ${node.name}"}), "step 2: its step uses ${node.name}"),
        (steps({**A_STEP, "errorhandler": {"jobref": {"name": "x"}}}), "step 1: its step is another job (jobref)"),
        (steps({**A_STEP, "errorhandler": {"exec": "x", "enabled": "false"}}), "its error handler is disabled."),
        (steps(*[A_STEP] * 51), "it has 51 steps and error handlers; a job has at most 50."),
        (steps(), "its sequence has no steps."),
        (steps(A_STEP, strategy="ruleset"), "its sequence has the strategy ruleset."),
        (steps({"jobref": {"name": "other"}}), "its step is another job (jobref); a job runs operations on hosts."),
        (steps({"scriptfile": "/x"}), "its step is a file of Rundeck's server (scriptfile)"),
        (steps({"scripturl": "http://x"}), "its step is a script at a URL (scripturl)"),
        (steps({"type": "jenkins", "nodeStep": False, "configuration": {}}), "its step is of the plugin jenkins."),
        (steps({"exec": "x ${node.name}"}), "its step uses ${node.name}, which jobs do not have."),
        (steps({"exec": "x ${option.none}"}), "its step uses ${option.none}, which jobs do not have."),
        (steps({"exec": "x '${option.a}'"}), "${option.a} stands in quotes or near them"),
        (steps({"exec": "x $RD_JOB_NAME"}), "its step uses RD_JOB_NAME, which Rundeck sets and jobs do not."),
        (steps({"script": "x @option.a@"}), "its script has @option.a@, whose value would become code"),
        (steps({"script": "x", "args": "$HOME"}), "the arguments of its script, '$HOME', have characters"),
        (steps({"script": "x", "args": "'a"}), "have an open quote."),
        (steps({"script": "x", "scriptInterpreter": "sudo -u joe"}), "its script has the interpreter 'sudo -u joe'"),
        (steps({**A_STEP, "color": 1}), "its step has the unknown field color."),
        ({"colour": "red"}, "it has the unknown field colour."),
        ({"executionEnabled": "false"}, "it is disabled (executionEnabled)."),
        ({"executionEnabled": "maybe"}, "executionEnabled is 'maybe', neither true nor false."),
        ({"orchestrator": {"type": "x"}}, "it has an orchestrator"),
        ({"plugins": {"ExecutionLifecycle": {"killer": {}}}}, "it has plugins (ExecutionLifecycle)."),
        ({"timeout": "${option.t}"}, "its timeout has a variable"),
        ({"timeout": "soon"}, "timeout is 'soon', not a duration such as 120 or 6h 30m."),
        ({"retry": "-1"}, "retry is '-1', not a number from 0 on."),
        ({"schedule": {"crontab": "15 0 0 * * ?"}}, "its schedule has the seconds '15'"),
        ({"schedule": {"crontab": "0 0 0 1 1 ? 2030"}}, "its schedule has the year '2030'"),
        ({"schedule": {"crontab": "0 0 0 1 * 2"}}, "its schedule has a day of the month and a day of the week"),
        ({"schedule": {"crontab": "0 0 * * *"}}, "has not six or seven fields."),
        ({"schedule": {"crontab": "0 0 0 15W * ?"}}, "W (the nearest weekday) is not part of"),
        (
            {"schedule": {"crontab": "0 0 0 ? * FRI-MON"}},
            "the range '5-1' of the day of the week ends before it begins.",
        ),
        ({"schedule": {"crontab": "0 0 0 ? * 0"}}, "the day of the week '0'; Quartz has 1-7"),
        (
            {"schedule": {"crontab": "0 0 0 ? * *"}, "options": [{"name": "a", "required": True}]},
            "it has a schedule, but",
        ),
        ({"options": [{"name": "a", "multivalued": True}]}, "the option a takes several values (multivalued)."),
        ({"options": [{"name": "a", "regex": "(?=x)"}]}, "has parts that RE2 does not know"),
        ({"options": [{"name": "a", "type": "file"}]}, "the option a has the type file."),
        ({"options": [{"name": "a", "enforced": True, "valuesUrl": "http://x"}]}, "takes only values of a server"),
        ({"options": [{"name": "a", "value": "${job.name}"}]}, "the default of the option a has a variable"),
        ({"options": [{"name": "a-b"}, {"name": "a_b"}]}, "another one becomes the same name."),
        ({"options": ["a"]}, "one of its options is not an object with a name."),
        ({"nodefilters": {"filter": "os-family: unix"}}, "its node filter has os-family: unix"),
        ({"nodefilters": {"filter": "name: web[0-9]+"}}, "the regular expression 'web[0-9]+'"),
        ({"nodefilters": {"filter": "!.*"}}, "its node filter excludes every node."),
        ({"nodefilters": {"filter": "tags: ${option.a}"}}, "has a variable."),
        ({"nodefilters": {"filter": "name: a name: b"}}, "cannot be read."),
        ({"nodefilters": {"filter": ".*", "dispatch": {"rankAttribute": "rank"}}}, "its nodes have an order"),
        (
            {"nodefilters": {"filter": ".*", "dispatch": {"threadcount": "0"}}},
            "threadcount is '0', not a number from 1 on.",
        ),
    ],
)
def test_what_is_not_equal_is_left_out_with_the_reason(fields: dict[str, Any], reason: str) -> None:
    options = [{"name": "a"}]
    imported = one(**{"options": options, **fields})
    assert imported.files == []
    (remark,) = map(str, imported.remarks)
    assert remark.startswith("jobs: j: not imported: ")
    assert reason in remark


def test_what_needs_an_option_of_the_command_names_it() -> None:
    bare = RundeckOptions()
    assert "--on names its target" in str(one(bare).remarks[0])
    assert "--tag-label names the label" in str(one(bare, nodefilters={"filter": "tags: a"}).remarks[0])


def test_a_secret_is_used_by_its_variable_only() -> None:
    secret = {"name": "pw", "secure": True, "valueExposed": True}
    assert "uses the secret" in str(one(options=[secret], **steps({"exec": "x ${option.pw}"})).remarks[0])
    hidden = one(options=[{"name": "pw", "secure": True}])
    assert "parameters" not in saved(hidden)
    assert "for Rundeck's sign-in to nodes" in str(hidden.remarks[0])


def test_inline_scripts_of_newer_versions_are_scripts() -> None:
    step = {
        "type": "script-inline",
        "nodeStep": True,
        "configuration": {"adhocLocalString": "echo x", "fileExtension": ".sh", "interpreterArgsQuoted": "false"},
    }
    assert saved(one(**steps(step)))["operation"] == {"type": "script.shell.execute", "data": {"script": "echo x"}}


BOMB = '<!DOCTYPE j [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]><joblist><job><name>&b;</name></job></joblist>'
EXTERNAL = '<!DOCTYPE j [<!ENTITY x SYSTEM "file:///etc/passwd">]><joblist><job><name>&x;</name></job></joblist>'


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (BOMB, "it declares a document type"),
        (EXTERNAL, "it declares a document type"),
        (BOMB.encode("utf-16"), "it declares a document type"),
        ('<!DOCTYPE joblist SYSTEM "http://127.0.0.1/x.dtd"><joblist/>', "it declares a document type"),
        ("<joblist><job></joblist>", "it is not valid XML: mismatched tag"),
        ('<?xml version="1.0" encoding="none"?><joblist/>', "unknown encoding"),
        ("<project/>", "it is not a <joblist> of Rundeck's jobs."),
        ("name: x", "jobs:1: it is not a list of Rundeck's jobs."),
        ("- [", "it is not valid YAML"),
        ("- &a [x]\n- *a\n- {a: 1, a: 2}", "the key a is given twice"),
    ],
)
def test_files_that_cannot_be_read_are_refused(text: str | bytes, sentence: str) -> None:
    with pytest.raises(click.ClickException) as caught:
        read(text)
    assert sentence in caught.value.message


def test_jobs_without_a_name_are_left_out() -> None:
    assert [str(remark) for remark in read("- 3\n- {name: ''}\n- {name: x}").remarks] == [
        "jobs: job 1: not imported: it is not an object with a name.",
        "jobs: job 2: not imported: it is not an object with a name.",
        "jobs: x: not imported: it has no sequence of steps.",
    ]


def test_many_nested_elements_do_not_end_the_import() -> None:
    depth = 100_000
    text = f"<joblist><job><name>x</name>{'<a>' * depth}{'</a>' * depth}</job></joblist>"
    assert "it has the unknown field a." in str(read(text).remarks[0])


def replaced(value: Any, other: Any) -> Iterator[Any]:
    """Every copy of ``value`` with one of its parts replaced by ``other``."""
    yield other
    if isinstance(value, dict):
        for key, member in value.items():
            yield from ({**value, key: copy} for copy in replaced(member, other))
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from ([*value[:number], copy, *value[number + 1 :]] for copy in replaced(item, other))


@pytest.mark.parametrize("other", [None, 3, -1.5, True, "x", "", [], {}, [[3]], {"x": {"y": None}}], ids=repr)
def test_values_of_any_type_are_taken_over_or_left_out(other: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    (job,) = (value for _, values, _ in yaml_values("jobs", YAML) for value in values)
    job["sequence"]["pluginConfig"] = {"LogFilter": [{"type": "mask"}]}
    job["nodefilters"]["exclude"] = {"tags": "old"}
    copies = list(replaced(job, other))
    assert len(copies) > 60
    monkeypatch.setattr(rundeck, "read_jobs", lambda _data, _file: copies)
    imported = read("")
    assert len(imported.files) + imported.left_out == len(copies)
