"""Pictures for the documents: ``python -m tests.acceptance.screenshots docs/images``.

With ``--all``, every page at every width in both colour schemes, to be looked at.
The fleet and most of its jobs stand in a ledger only, with times up to an hour back; one agent is real.
"""

from __future__ import annotations

import base64
import json
import random
import shutil
import sys
import tempfile
import time
import uuid
from pathlib import Path
from typing import Any

from nacl.signing import SigningKey

from benchmarks.site import TOKEN, Site
from jobqueue.ledger.executions import Claim
from jobqueue.ledger.ledger import Ledger
from jobqueue.ledger.new_jobs import NewJob
from jobqueue.model.agent import Heartbeat, Registration
from jobqueue.model.alert import AGENTS_LOST, CONNECTIONS_SCARCE
from jobqueue.model.states import ExecutionState
from jobqueue.model.submission import Submission
from jobqueue.model.target import Target
from jobqueue.operations.registry import Registry
from jobqueue.trust.signing import certificate as certificates
from jobqueue.trust.signing import pem
from jobqueue.trust.signing.signer import Signer
from tests.acceptance.support.api import Api
from tests.acceptance.support.browser import DESKTOP, PHONE, TABLET, Browser

HEAD = "Reading package lists...\nBuilding dependency tree...\n"
NEWER = "The following packages will be upgraded:\n  libssl3 openssl curl\n"
HOSTS = 180
JOBS = 700
SECOND = 1_000_000
VIEWS = (
    ("desktop", DESKTOP, "light"),
    ("phone", PHONE, "light"),
    ("dark", DESKTOP, "dark"),
    ("tablet", TABLET, "light"),
    ("tablet-dark", TABLET, "dark"),
    ("phone-dark", PHONE, "dark"),
)
#: The pictures that the documents show.
SHOWN = {
    *((page, "desktop") for page in ("overview", "jobs", "job", "broadcast", "compare", "agents", "submit")),
    *((page, "phone") for page in ("overview", "jobs", "broadcast", "agents")),
    ("overview", "dark"),
}
GIB = 1024**3
#: Signs the messages of a rule that sends none.
KEY = "whsec_" + base64.b64encode(bytes(32)).decode()


class Clock:
    """A clock that can be set back."""

    now = time.time_ns() // 1000

    def __call__(self) -> str:
        return str(self.now)


class Fleet:
    """Hosts that never were, and what they did."""

    def __init__(self, site: Site) -> None:
        self.rng = random.Random(11)
        self.clock = Clock()
        self.ledger = Ledger(site.redis, site.settings(), now=self.clock)
        kinds = (("web", 0.6), ("db", 0.25), ("cache", 0.15))
        self.hosts = []
        for kind, share in kinds:
            self.hosts += [f"{kind}{number:03d}" for number in range(1, round(HOSTS * share) + 1)]
        self.api = Signer.open(site.settings())
        self.keys = {host: Signer(SigningKey.generate()) for host in self.hosts}

    def register(self) -> None:
        operations = Registry.load().types()
        for number, host in enumerate(self.hosts):
            group = f"{host[:-3]}.{'prod' if number % 4 else 'dev'}"
            labels = {"group": group, "rack": f"r{number % 12 + 1}"}
            facts = {"os": {"name": "Debian GNU/Linux 12"}, "cpus": 8, "memory": {"total": 32 * GIB}}
            key = self.keys[host].public_key
            public = certificates.public_text(key)
            certificate = certificates.certify(self.api, host, public, self.clock.now, "ann")
            self.ledger.agents.register(
                Registration(host, "boot", labels, facts, operations, "0.1.0", 8, public, certificate),
                pem.key_id(key),
            )
            self.beat(host)
        for host in self.hosts[3:6]:
            self.ledger.agents.leave(host, "boot")

    def beat(self, host: str) -> None:
        percent = min(97.0, abs(self.rng.gauss(45, 20)))
        memory = {"total": 32 * GIB, "available": round(32 * GIB * (1 - percent / 100)), "percent": percent}
        conditions = ("MemoryPressure",) if percent > 90 else ()
        load = abs(self.rng.gauss(2, 1.5))
        vitals = Heartbeat((load, load * 0.8, load * 0.7), memory, self.rng.randrange(4), conditions)
        self.ledger.agents.beat(host, "boot", vitals)

    def job(self, operation: str, data: dict[str, Any], target: str, **options: Any) -> str:
        document = {"operation": operation, "data": data, "target": target, "submitted_by": "ann", **options}
        job_id = str(uuid.uuid4())
        tags, alias = options.get("tags"), options.get("alias")
        new = NewJob(
            job_id,
            json.dumps(document),
            Submission(operation, data, target, tags=tags or {}, alias=alias),
            Target.parse(target),
            is_idempotent=False,
        )
        self.ledger.new_jobs.create(new, "")
        return job_id

    def run(self, job_id: str, host: str, outcome: tuple[ExecutionState, Any, str] | None, slot: str = "") -> None:
        """Claim and finish; no outcome: it still runs."""
        self.clock.now += self.rng.randrange(5_000, 60_000)
        claim = self.ledger.executions.claim(job_id, slot or host, host, "token")
        if not isinstance(claim, Claim) or outcome is None:
            return
        self.clock.now += self.rng.randrange(20_000, 900_000)
        state, data, note = outcome
        out = json.dumps({"data": data, "changed": True}) if data is not None else ""
        signed = certificates.result_bytes(job_id, host, claim.attempt, state.value, note, out)
        signature = certificates.sign_result(self.keys[host], signed)
        self.ledger.executions.finish(claim, state, out=out, note=note, signature=signature)

    def live(self) -> str:
        """An hour of work; returns the job of a large broadcast that is nearly through."""
        end = self.clock.now
        for number in range(JOBS):
            share = number / JOBS
            self.clock.now = end - 3600 * SECOND + round(3500 * SECOND * share ** (0.8 + 0.1 * self.rng.random()))
            operation = self.rng.choice(("node.load.get", "node.memory.get", "file.status.get", "network.dns.get"))
            host = self.rng.choice(self.hosts[6:])
            job_id = self.job(operation, {}, host)
            if self.rng.random() < 0.05:
                self.run(job_id, host, (ExecutionState.FAILED, None, "No answer within 5 s."))
            else:
                self.run(job_id, host, (ExecutionState.COMPLETED, {"ok": True}, ""))
        self.clock.now = end - 40 * SECOND
        for number in range(3):
            entry = {"entrypoint": f"python train.py --fold {number}"}
            run = self.job("entrypoint.run", entry, self.hosts[20], alias=f"raysubmit_fold{number}", origin="ray")
            self.run(run, self.hosts[20], (ExecutionState.COMPLETED, {"exit_code": 0}, "") if number else None)
        upgrade = self.job("command.shell.execute", {"command": "apt-get -q -y upgrade"}, "_all", tags={"team": "base"})
        for host in self.hosts[6:]:
            self.clock.now = end - 39 * SECOND
            chance = self.rng.random()
            plain = {"stderr": "", "exit_code": 0}
            if chance < 0.04:
                self.run(upgrade, host, (ExecutionState.FAILED, None, "No space left on device: /var/cache/apt"))
            elif chance < 0.06:
                self.run(upgrade, host, (ExecutionState.FAILED, None, "timed out after 30s"))
            elif chance < 0.1:
                self.run(upgrade, host, None)
            elif chance < 0.25:
                upgraded = {"stdout": f"{HEAD}{NEWER}3 upgraded, 0 newly installed\n", **plain}
                self.run(upgrade, host, (ExecutionState.COMPLETED, upgraded, ""))
            else:
                same = {"stdout": f"{HEAD}0 upgraded, 0 newly installed\n", **plain}
                self.run(upgrade, host, (ExecutionState.COMPLETED, same, ""))
        self.clock.now = end
        return upgrade

    def alert(self) -> None:
        """Two kinds of alerts."""
        self.ledger.executions.alert(
            CONNECTIONS_SCARCE, "", "", "8,120 of 10,000 connections to Redis are in use (maxclients)."
        )
        rack = "36 of 180 agents have stopped answering since 09:14, all with the label rack:r7."
        self.ledger.outages.report(self.clock.now - 300 * SECOND, AGENTS_LOST, rack)


def _store(api: Api) -> None:
    """A saved job, schedules, a notification rule and files, as a small team has them."""
    deploy = {
        "title": "Deploy the shop",
        "description": "Installs a version of the shop on its web servers, a quarter of them at a time.",
        "operation": {"type": "command.shell.execute", "data": {"command": "deploy shop {{ version | quote }}"}},
        "target_hostname": "group:web",
        "parameters": {
            "version": {"type": "string", "title": "Version", "description": "A tag of the repository."},
            "channel": {"type": "string", "enum": ["stable", "beta"], "default": "stable"},
        },
    }
    answers = [api.send("PUT", "/saved/deploy", json.dumps(deploy).encode(), {"Content-Type": "application/json"})]
    for name, timing, command in (
        ("nightly-updates", {"cron": "0 3 * * 1-5", "time_zone": "Europe/Berlin"}, "apt-get -q -y upgrade"),
        ("certificates", {"cron": "30 4 * * 0"}, "certbot renew"),
        ("health", {"every": "6h"}, "systemctl is-system-running"),
    ):
        job = {"operation": {"type": "command.shell.execute", "data": {"command": command}}, "target_hostname": "_all"}
        answers.append(api.post("/schedule", {"name": name, "job": job, **timing}))
    rule = {
        "events": ["job.failed", "job.partial_failure"],
        "channel": {"type": "webhook", "url": "https://hooks.example.com/jobs", "secret": {"$secret": "hook-key"}},
        "filter": {"saved": ["deploy"]},
        "description": "Failed deployments, for the team's channel.",
    }
    content_type = {"Content-Type": "application/json"}
    answers.append(api.send("PUT", "/notification/failed-deployments", json.dumps(rule).encode(), content_type))
    raw = {"Content-Type": "application/octet-stream"}
    for workers in (2, 4):
        content = f"worker_processes {workers};\nevents {{ worker_connections 1024; }}\n"
        answers.append(api.send("PUT", "/file/nginx.conf", content.encode(), raw))
    answers.append(api.send("PUT", "/file/motd", b"Welcome\n", raw))
    refused = [answer for answer in answers if answer.status not in (200, 201)]
    assert not refused, refused


def take(directory: Path, *, is_all: bool = False) -> None:
    """Take the pictures of the documents, or of everything."""
    profile = Path(tempfile.mkdtemp(prefix="jqb-"))
    with Site.open() as site:
        fleet = Fleet(site)
        fleet.register()
        upgrade = fleet.live()
        fleet.alert()
        # as if maintenance ran; a real one would find that these leases are not renewed
        site.redis.set(fleet.ledger.keys.kind("leader"), "nobody")
        with (
            site.api(1, JOBQUEUE_SECRET_HOOK_KEY=KEY) as url,
            site.agent("build1", JOBQUEUE_ALLOW="*", JOBQUEUE_LABELS="group=build"),
        ):
            api = Api(url, TOKEN)
            line = (
                "for n in 1 2 3; do echo compiling part $n of 3; sleep 0.4; done; echo 'warning: unused' >&2; echo done"
            )
            build = api.run("command.shell.execute", {"command": line}, "build1", tags={"team": "web"})["id"]
            seen = api.post(f"/alert/{CONNECTIONS_SCARCE}/acknowledge", {"note": "OPS-12, more on Monday"})
            assert seen.status == 200, seen
            _store(api)
            groups = [
                group["hostnames"][0]
                for group in api.get(f"/job/{upgrade}/executions?group=answer").json["groups"]
                if group["status"] == "completed"
            ]
            pages = {
                "overview": "/",
                "jobs": "/ui/jobs",
                "job": f"/ui/jobs/{build}",
                "broadcast": f"/ui/jobs/{upgrade}",
                "compare": f"/ui/jobs/{upgrade}?compare={groups[0]}&with={groups[1]}#answers",
                "agents": "/ui/agents",
                "agent": "/ui/agents/build1",
                "submit": "/ui/submit?operation=network.dns.get&target=group:web",
                "operations": "/ui/submit",
                "runs": "/ui/runs",
                "audit": "/ui/audit",
                "saved": "/ui/saved",
                "saved-job": "/ui/saved/deploy",
                "schedules": "/ui/schedules",
                "schedule": "/ui/schedules/nightly-updates",
                "schedule-form": "/ui/schedule?name=nightly-updates",
                "calendar": "/ui/calendar",
                "notifications": "/ui/notifications",
                "notification": "/ui/notifications/failed-deployments",
                "files": "/ui/files",
                "file": "/ui/files/nginx.conf",
            }
            browser = Browser(url, profile)
            try:
                for name, width, colours in VIEWS if is_all else VIEWS[:3]:
                    browser.prefer(colours)
                    browser.resize(width)
                    if colours == "light":
                        browser.driver.delete_all_cookies()
                        browser.open("/ui/sign-in")
                        if is_all:
                            browser.picture(directory / f"sign-in-{name}.png", width[0])
                        browser.sign_in(TOKEN)
                    for page, path in pages.items():
                        if not is_all and (page, name) not in SHOWN:
                            continue
                        browser.resize(width)
                        browser.open(path)
                        if page == "job":
                            browser.wait_for("#output", "done")
                        browser.picture(directory / f"{page}-{name}.png", width[0], 1700 if width == PHONE else 1500)
            finally:
                browser.close()
                api.close()
                fleet.ledger.close()
                shutil.rmtree(profile, ignore_errors=True)


if __name__ == "__main__":
    target = Path(next(word for word in sys.argv[1:] if word != "--all"))
    target.mkdir(parents=True, exist_ok=True)
    take(target, is_all="--all" in sys.argv)
