"""What authentication, signing and the audit trail cost a request."""

from __future__ import annotations

import statistics
from contextlib import ExitStack

from benchmarks.load import drive, request_bytes
from benchmarks.report import Report, Row, median_ratio, per_second
from benchmarks.scale import Scale
from benchmarks.site import Site
from benchmarks.submit import AUTHORIZATION, CLIENTS, JOB

TITLE = "POST /job with and without security, requests per second, 8 keep-alive clients"
_WHOLE = "all of it"
_PLAIN = "without authentication and signing"
_VARIANTS = {
    "without authentication": "authentication",
    "without signing": "signing",
    _PLAIN: "authentication,signing",
    "without authentication, signing and audit": "authentication,signing,audit",
}


def run(report: Report, scale: Scale) -> None:
    """Rounds of: our API, and the same without some of it. All are up all the time; one is asked."""
    with Site.open() as site, ExitStack() as stack:
        site.register_agents(3)
        loads = {_WHOLE: stack.enter_context(site.api())}
        for name, without in _VARIANTS.items():
            command = ("-m", "benchmarks.peers.open_api")
            loads[name] = stack.enter_context(site.api(None, *command, BENCHMARK_WITHOUT=without))
        rates: dict[str, list[float]] = {name: [] for name in loads}
        for number in range(2 * scale.http_rounds):
            for name, url in loads.items():
                request = request_bytes(url, "POST", "/job", JOB, AUTHORIZATION)
                load = drive(url, request, clients=CLIENTS, seconds=scale.http_seconds, expected=201)
                rates[name].append(load.rate)
            report.say(
                f"round {number + 1}: " + ", ".join(f"{name} {found[-1]:,.0f}/s" for name, found in rates.items())
            )
    for name in _VARIANTS:
        report.add(
            Row(
                f"POST /job : {name}",
                per_second(rates[_WHOLE]),
                per_second(rates[name]),
                median_ratio(rates[_WHOLE], rates[name]),
                least=0.85 if name == _PLAIN else None,
                values={"ours": rates[_WHOLE], "peer": rates[name], "median": statistics.median(rates[name])},
            )
        )
