"""POST /job, against Flower's way to submit and against a Flask view that only sends.

The view is served by our own server, which it then gains from, and by gunicorn with gevent as they come.
"""

from __future__ import annotations

import json
import statistics
from contextlib import ExitStack

from api.server import KEEPALIVE_SECONDS
from benchmarks.load import drive, request_bytes
from benchmarks.peers.celery_app import TASK
from benchmarks.process import Process
from benchmarks.report import Report, Row, median_ratio, per_second
from benchmarks.scale import Scale
from benchmarks.site import TOKEN, Site, answers
from jobqueue.settings import Settings
from jobqueue.standalone.ports import LOOPBACK, free_port

TITLE = "POST /job, requests per second, 8 keep-alive clients"
CLIENTS = 8
JOB = json.dumps({"operation": {"type": "node.hostname.get", "data": {}}, "target_hostname": "_any"}).encode()
AUTHORIZATION = {"Authorization": f"Bearer {TOKEN}"}
_ARGUMENTS = json.dumps({"args": []}).encode()


def run(report: Report, scale: Scale) -> None:
    """Rounds of: our API, the Flask view on both servers, Flower. All four are up all the time; one is asked."""
    with Site.open() as site, ExitStack() as stack:
        site.register_agents(3)
        ours, api = stack.enter_context(site.api_process())
        view, flask = stack.enter_context(site.api_process("-m", "benchmarks.peers.flask_send"))
        plain = f"http://{LOOPBACK}:{free_port()}"
        address = plain.removeprefix("http://")
        gunicorn: Process = stack.enter_context(
            site.process(
                *("-m", "gunicorn", "--worker-class", "gevent", "--workers", str(Settings.from_env().api_workers)),
                *("--keep-alive", str(KEEPALIVE_SECONDS), "--bind", address),
                "benchmarks.peers.flask_send:make_view()",
            )
        )
        gunicorn.wait_until(lambda: answers(plain), "gunicorn answering")
        flower = f"http://{LOOPBACK}:{free_port()}"
        arguments = ("-m", "celery", "-A", "benchmarks.peers.celery_app:app", "flower", "--address=" + LOOPBACK)
        process: Process = stack.enter_context(
            site.process(
                *arguments, "--port=" + flower.rpartition(":")[2], BENCHMARK_PEER="bare", FLOWER_UNAUTHENTICATED_API="1"
            )
        )
        process.wait_until(lambda: answers(flower), "Flower answering")
        loads = {
            "jobqueue": (api, request_bytes(api, "POST", "/job", JOB, AUTHORIZATION), 201),
            "Flask": (flask, request_bytes(flask, "POST", "/send", _ARGUMENTS), 201),
            "gunicorn": (plain, request_bytes(plain, "POST", "/send", _ARGUMENTS), 201),
            "Flower": (flower, request_bytes(flower, "POST", f"/api/task/async-apply/{TASK}", _ARGUMENTS), 200),
        }
        servers = {"jobqueue": ours, "Flask": view, "gunicorn": gunicorn, "Flower": process}
        rates: dict[str, list[float]] = {name: [] for name in loads}
        costs: dict[str, list[float]] = {name: [] for name in loads}
        for number in range(scale.http_rounds):
            for name, (url, request, status) in loads.items():
                before = _cpu_seconds(site, servers[name])
                load = drive(url, request, clients=CLIENTS, seconds=scale.http_seconds, expected=status)
                rates[name].append(load.rate)
                costs[name].append((_cpu_seconds(site, servers[name]) - before) / load.requests)
            report.say(
                f"round {number + 1}: " + ", ".join(f"{name} {values[-1]:,.0f}/s" for name, values in rates.items())
            )
    for name, title, least in (
        ("Flower", "Flower's POST /api/task/async-apply", 3.0),
        ("gunicorn", "a Flask view with send_task, gunicorn as it comes", 1.2),
        ("Flask", "a Flask view with send_task, same server", 1.2),
    ):
        report.add(
            Row(
                f"POST /job : {title}",
                per_second(rates["jobqueue"]),
                per_second(rates[name]),
                median_ratio(rates["jobqueue"], rates[name]),
                least=least,
                values={"ours": rates["jobqueue"], "peer": rates[name]},
            )
        )
    for name in ("Flower", "gunicorn", "Flask"):
        report.add(
            Row(
                f"CPU of a POST /job, with Redis : {name}",
                _microseconds(costs["jobqueue"]),
                _microseconds(costs[name]),
                median_ratio(costs["jobqueue"], costs[name]),
                values={"ours": costs["jobqueue"], "peer": costs[name]},
            )
        )


def _cpu_seconds(site: Site, process: Process) -> float:
    """Of a server and Redis: unlike rates, hardly changed by other load."""
    used = site.redis.info("cpu")
    return process.cpu_seconds() + float(used["used_cpu_user"] + used["used_cpu_sys"])


def _microseconds(seconds: list[float]) -> str:
    return f"{statistics.median(seconds) * 1e6:,.0f} us"
