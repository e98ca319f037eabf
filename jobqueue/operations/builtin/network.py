"""The network from the host's side: echo requests and name look-ups."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from marshmallow import ValidationError, validate

from jobqueue.errors import OperationFailed
from jobqueue.ip_address import is_ip_address
from jobqueue.operations.base import operation
from jobqueue.operations.builtin.ping import ping
from jobqueue.operations.context import Context
from jobqueue.operations.schema import Match, Number, Schema, Text, Whole

_READ = "agent:read"
_NAME = r"[A-Za-z0-9_](?:[A-Za-z0-9._:-]{0,253}[A-Za-z0-9._:])?|::[0-9A-Fa-f:.]*"


class HostName(Text):
    """A host's name or address; a name with non-ASCII letters becomes its DNS form (xn--...)."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(validate=Match(_NAME, "Must be a host name or an IP address."), **kwargs)

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> str:
        text = super()._deserialize(value, attr, data, **kwargs)
        if text.isascii():
            return text
        import idna  # its tables are large, and such names are rare

        try:
            return idna.encode(text, uts46=True, transitional=False).decode("ascii")
        except (idna.IDNAError, UnicodeError):
            raise ValidationError("Must be a host name or an IP address.") from None


_RECORD_TYPES = ("A", "AAAA", "CAA", "CNAME", "MX", "NS", "PTR", "SOA", "SRV", "TXT")
_DNS_PORT = 53


def check_address(text: str) -> None:
    """Raise ``ValidationError`` unless ``text`` is an IPv4 or IPv6 address."""
    if not is_ip_address(text):
        raise ValidationError("Must be an IP address.")


class PingSchema(Schema):
    address = HostName(required=True)
    count = Whole(load_default=3, validate=validate.Range(1, 20))
    timeout = Number(
        load_default=1.0,
        validate=validate.Range(0.1, 10.0),
        metadata={"description": "Seconds to wait for each answer."},
    )


class DnsSchema(Schema):
    name = HostName()
    type = Text(load_default="A", validate=validate.OneOf(_RECORD_TYPES))
    server = Text(validate=check_address, metadata={"description": "Query this name server; default: the host's own."})
    port = Whole(load_default=_DNS_PORT, validate=validate.Range(1, 65535))
    timeout = Number(load_default=5.0, validate=validate.Range(0.1, 60.0), metadata={"description": "Seconds in all."})


@operation("network.ping.do", schema=PingSchema, permission=_READ)
def ping_do(data: dict[str, Any], context: Context) -> dict[str, Any]:
    """Send echo requests; without any answer, the result has packet_loss 100. Times are in milliseconds."""
    address, times = ping(data["address"], data["count"], data["timeout"], context)
    received = [time for time in times if time is not None]
    return {
        "address": data["address"],
        "ip": address,
        "packets_sent": len(times),
        "packets_received": len(received),
        "packet_loss": round(100 * (len(times) - len(received)) / len(times), 1),
        "min_rtt_ms": round(min(received), 3) if received else None,
        "avg_rtt_ms": round(sum(received) / len(received), 3) if received else None,
        "max_rtt_ms": round(max(received), 3) if received else None,
    }


@operation("network.dns.get", schema=DnsSchema, permission=_READ)
def dns_get(data: dict[str, Any], context: Context) -> dict[str, Any]:
    """The host's name servers and search domains and, for a given name, its records."""
    import dns.exception
    import dns.resolver

    try:
        resolver = dns.resolver.Resolver(configure="server" not in data)
    except dns.resolver.NoResolverConfiguration as error:
        raise OperationFailed("This host has no name servers configured.") from error
    if "server" in data:
        resolver.nameservers = [data["server"]]
        resolver.port = data["port"]
    answer: dict[str, Any] = {
        "servers": [str(server) for server in resolver.nameservers],
        "search_domains": [domain.to_text(omit_final_dot=True) for domain in resolver.search],
    }
    if "name" in data:
        answer.update(_look_up(resolver, data, context))
    return answer


def _look_up(resolver: Any, data: Mapping[str, Any], context: Context) -> dict[str, Any]:
    import dns.exception
    import dns.resolver
    import dns.reversename

    name, kind = data["name"], data["type"]
    remaining = context.remaining()
    seconds = data["timeout"] if remaining is None else min(data["timeout"], max(remaining, 0.01))
    try:
        query = dns.reversename.from_address(name) if kind == "PTR" and is_ip_address(name) else name
        answer = resolver.resolve(query, kind, lifetime=seconds, raise_on_no_answer=False)
    except dns.resolver.NXDOMAIN as error:
        raise OperationFailed(f"The name {name} does not exist.") from error
    except dns.resolver.LifetimeTimeout as error:
        context.check()
        raise OperationFailed(f"No name server answered for {name} within {seconds:g}s.") from error
    except dns.exception.DNSException as error:
        raise OperationFailed(f"The look-up of {name} failed: {error}") from error
    records = [{"value": record.to_text(), "ttl": answer.rrset.ttl} for record in answer.rrset or ()]
    return {"name": name, "type": kind, "records": records}
