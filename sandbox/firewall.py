"""The account's firewall, as records: nothing on loopback is filtered by it (docs/sandbox.md).

Limits and defaults: lambda-cloud-api.md sections 2 and 9. That /firewall-rules and the global
ruleset are one list, and how many rulesets an account may have, is not documented but chosen here.
"""

import ipaddress
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

from sandbox.catalogue import REGIONS
from sandbox.errors import firewall_ruleset_in_use, invalid, no_such_ruleset, quota_exceeded

RULES_PER_LIST = 20
RULESETS_PER_ACCOUNT = 20
RULESET_NAME_LENGTH = 64
DESCRIPTION_LENGTH = 128
PROTOCOLS = ("tcp", "udp", "icmp", "all")
PORTS = range(1, 65536)

Rule = dict[str, object]

DEFAULT_RULES: tuple[Rule, ...] = (
    {
        "protocol": "tcp",
        "port_range": [22, 22],
        "source_network": "0.0.0.0/0",
        "description": "Allow SSH from anywhere",
    },
    {
        "protocol": "icmp",
        "source_network": "0.0.0.0/0",
        "description": "Allow ICMP traffic from anywhere",
    },
)


@dataclass
class Ruleset:
    """Rules under a name, for the machines of one region that name it at their launch."""

    name: str
    region: str
    rules: list[Rule]
    ruleset_id: str = field(default_factory=lambda: secrets.token_hex(16))
    created_at: float = field(default_factory=time.time)


class Firewall:
    """The rules of the whole account and the rulesets by id."""

    def __init__(self) -> None:
        self.global_rules: list[Rule] = list(DEFAULT_RULES)
        self._rulesets: dict[str, Ruleset] = {}

    def rulesets(self) -> list[Ruleset]:
        return list(self._rulesets.values())

    def find(self, ruleset_id: str) -> Ruleset | None:
        return self._rulesets.get(ruleset_id)

    def found(self, ruleset_id: str) -> Ruleset:
        ruleset = self.find(ruleset_id)
        if ruleset is None:
            raise no_such_ruleset()
        return ruleset

    def add(self, body: Mapping[str, object]) -> Ruleset:
        """Create a ruleset; raises ApiError for bad values and a full account."""
        name, region = _name(body.get("name")), body.get("region")
        if not isinstance(region, str) or region not in REGIONS:
            raise invalid("region", "Input should be the name of a region")
        rules = read_rules(body.get("rules"), "rules")
        if len(self._rulesets) >= RULESETS_PER_ACCOUNT:
            raise quota_exceeded()
        ruleset = Ruleset(name, region, rules)
        self._rulesets[ruleset.ruleset_id] = ruleset
        return ruleset

    def change(self, ruleset_id: str, body: Mapping[str, object]) -> Ruleset:
        """Change what the body names; all of it is checked before any of it counts."""
        ruleset = self.found(ruleset_id)
        name = _name(body["name"]) if "name" in body else ruleset.name
        rules = read_rules(body["rules"], "rules") if "rules" in body else ruleset.rules
        ruleset.name, ruleset.rules = name, rules
        return ruleset

    def change_global(self, body: Mapping[str, object]) -> None:
        if "rules" in body:
            self.global_rules = read_rules(body["rules"], "rules")

    def delete(self, ruleset_id: str, *, used_ids: set[str]) -> None:
        self.found(ruleset_id)
        if ruleset_id in used_ids:
            raise firewall_ruleset_in_use()
        del self._rulesets[ruleset_id]


def read_rules(given: object, parameter: str) -> list[Rule]:
    """Return the rules as Lambda would show them; raises ApiError."""
    if not isinstance(given, list):
        raise invalid(parameter, "Input should be a valid list")
    if len(given) > RULES_PER_LIST:
        raise invalid(parameter, f"List should have at most {RULES_PER_LIST} rules")
    return [_rule(rule, f"{parameter}.{index}") for index, rule in enumerate(given)]


def _rule(given: object, place: str) -> Rule:
    if not isinstance(given, dict):
        raise invalid(place, "Input should be a valid object")
    protocol, description = given.get("protocol"), given.get("description")
    if protocol not in PROTOCOLS:
        raise invalid(f"{place}.protocol", f"Input should be one of {', '.join(PROTOCOLS)}")
    if not isinstance(description, str) or len(description) > DESCRIPTION_LENGTH:
        raise invalid(
            f"{place}.description", f"String should have at most {DESCRIPTION_LENGTH} characters"
        )
    rule: Rule = {
        "protocol": protocol,
        "source_network": _network(given.get("source_network"), f"{place}.source_network"),
        "description": description,
    }
    ports = given.get("port_range")
    if protocol == "icmp":
        if ports is not None:
            raise invalid(f"{place}.port_range", "Not allowed for icmp")
        return rule
    rule["port_range"] = _port_range(ports, f"{place}.port_range")
    return rule


def _port_range(given: object, place: str) -> list[int]:
    if not isinstance(given, list) or len(given) != 2:
        raise invalid(place, "Input should be [min, max]")
    for port in given:
        if isinstance(port, bool) or not isinstance(port, int) or port not in PORTS:
            raise invalid(place, "Input should be a port from 1 to 65535")
    if given[0] > given[1]:
        raise invalid(place, "min should not be above max")
    return given


def _network(given: object, place: str) -> str:
    """Return an IPv4 network in CIDR notation; an address alone is a /32."""
    try:
        # A number would be taken for an address.
        return str(ipaddress.IPv4Network(given if isinstance(given, str) else ""))
    except ValueError:
        raise invalid(place, "Input should be an IPv4 network in CIDR notation") from None


def _name(given: object) -> str:
    if not isinstance(given, str) or len(given) > RULESET_NAME_LENGTH:
        raise invalid("name", f"String should have at most {RULESET_NAME_LENGTH} characters")
    return given
