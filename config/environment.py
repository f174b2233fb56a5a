"""Typed readers of the environment: each names its variable when the value cannot be used."""

import os
import re
import secrets
from dataclasses import dataclass, field, fields
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import TypeVar
from urllib.parse import unquote, urlsplit

import environ
from django.core.exceptions import ImproperlyConfigured

Values = TypeVar("Values")


def text(name: str, *, default: str = "") -> str:
    """Return the variable without surrounding blanks."""
    return os.environ.get(name, default).strip()


def flag(name: str, *, default: bool) -> bool:
    """Return a yes/no variable; 1, true, yes and on mean yes."""
    value = text(name).lower()
    if value == "":
        return default
    if value in {"1", "true", "yes", "on"}:
        return True
    if value in {"0", "false", "no", "off"}:
        return False
    raise ImproperlyConfigured(f"{name} must be 1 or 0, not {value!r}.")


def choice(name: str, *, among: tuple[str, ...], default: str) -> str:
    """Return a variable that must be one of a few words."""
    value = text(name, default=default) or default
    if value not in among:
        raise ImproperlyConfigured(f"{name} must be one of {', '.join(among)}, not {value!r}.")
    return value


def number(name: str, *, default: float) -> float:
    """Return a variable that counts or measures something; negative values are refused."""
    value = text(name)
    if value == "":
        return default
    try:
        parsed = float(value)
    except ValueError:
        raise ImproperlyConfigured(f"{name} must be a number, not {value!r}.") from None
    if parsed < 0:
        raise ImproperlyConfigured(f"{name} must not be negative, it is {value}.")
    return parsed


def names(name: str, *, default: str = "") -> list[str]:
    """Return a comma-separated variable as a list without empty parts."""
    return [part.strip() for part in text(name, default=default).split(",") if part.strip()]


def ports(name: str) -> frozenset[int]:
    """Return a comma-separated variable of port numbers."""
    found = names(name)
    if not all(port.isascii() and port.isdigit() and 0 < int(port) < 2**16 for port in found):
        raise ImproperlyConfigured(f"{name} must be ports such as 443,8443, not {text(name)!r}.")
    return frozenset(int(port) for port in found)


def networks(name: str) -> tuple[IPv4Network | IPv6Network, ...]:
    """Return a comma-separated variable of networks such as 10.1.0.0/16."""
    try:
        return tuple(ip_network(each) for each in names(name))
    except ValueError as error:
        raise ImproperlyConfigured(
            f"{name} must be networks such as 10.1.0.0/16: {error}."
        ) from None


def path_prefix(name: str, *, default: str) -> str:
    """Return a variable that begins an address, such as ``admin/``: the slash stands behind it."""
    value = text(name).strip("/")
    if value == "":
        return default
    if not re.fullmatch(r"[A-Za-z0-9_-]+(/[A-Za-z0-9_-]+)*", value):
        raise ImproperlyConfigured(f"{name} must be like {default}, not {value!r}.")
    return f"{value}/"


def numbers_of(values: type[Values]) -> Values:
    """Fill a dataclass of numbers from the variables named like its fields, in capitals."""
    found: dict[str, float] = {}
    for each in fields(values):  # type: ignore[arg-type]  # any dataclass will do
        default = each.default
        if not isinstance(default, (int, float)):
            raise ImproperlyConfigured(f"{values.__name__}.{each.name} has no default number.")
        value = number(each.name.upper(), default=float(default))
        found[each.name] = int(value) if isinstance(default, int) else value
    return values(**found)


def database(*, default_path: Path) -> dict[str, object]:
    """Return Django's description of the database in DATABASE_URL, SQLite without one.

    PostgreSQL is ``postgresql://user:password@host:port/name``; for a server's socket,
    ``postgresql://user@/name?host=/its/folder``.
    """
    url = text("DATABASE_URL")
    scheme = url.partition(":")[0]
    if url and scheme not in DATABASE_OPTIONS:
        # The value holds a password, so it is not shown.
        raise ImproperlyConfigured("DATABASE_URL must begin with postgresql:// or sqlite://.")
    described: dict[str, object] = (
        environ.Env.db_url_config(url)
        if url
        else {"ENGINE": "django.db.backends.sqlite3", "NAME": str(default_path)}
    )
    given = described.get("OPTIONS")
    described["OPTIONS"] = DATABASE_OPTIONS[scheme] | (given if isinstance(given, dict) else {})
    described["CONN_MAX_AGE"] = 600
    described["CONN_HEALTH_CHECKS"] = True
    return described


# Measured: with Django's defaults four writers give "database is locked" by the hundred.
_SQLITE: dict[str, object] = {
    "transaction_mode": "IMMEDIATE",
    "timeout": 20,
    "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
}
# Without these a host that went away without a word holds a process for hours (libpq's
# documentation, section "Parameter Key Words"; a socket on this machine ignores all but the first).
_POSTGRESQL: dict[str, object] = {
    "connect_timeout": 10,
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 60000,
}
DATABASE_OPTIONS: dict[str, dict[str, object]] = {
    "": _SQLITE,
    "sqlite": _SQLITE,
    "postgres": _POSTGRESQL,
    "postgresql": _POSTGRESQL,
}


# The schemes of EMAIL_URL and the ports where none is named.
MAIL_PORTS = {"smtp": 25, "smtp+tls": 587, "smtp+ssl": 465}


@dataclass(frozen=True)
class MailServer:
    """Where mail is handed over; without a host nowhere."""

    scheme: str = ""
    host: str = ""
    port: int = 0
    user: str = ""
    password: str = field(default="", repr=False)


def mail_server() -> MailServer:
    """Return the mail server in EMAIL_URL.

    ``smtp+tls://user:password@host:587`` (STARTTLS), ``smtp+ssl://`` (TLS from the start), or
    ``smtp://`` for a server on this host. Name and password are %-encoded.
    """
    value = text("EMAIL_URL")
    if not value:
        return MailServer()
    try:
        url = urlsplit(value)
        port = url.port or MAIL_PORTS.get(url.scheme)
    except ValueError:
        url, port = urlsplit(""), None
    if not url.hostname or not port or url.scheme not in MAIL_PORTS:
        # The value holds a password, so it is not shown.
        known = ", ".join(f"{scheme}://" for scheme in MAIL_PORTS)
        raise ImproperlyConfigured(f"EMAIL_URL must begin with one of {known} and name a host.")
    user, password = unquote(url.username or ""), unquote(url.password or "")
    return MailServer(url.scheme, url.hostname, port, user, password)


def kept_secret(name: str, *, path: Path, generated: bool, make: object) -> str:
    """Return the variable, or the secret kept in ``path``, made there once when allowed.

    Raises: ImproperlyConfigured when the variable is unset and nothing may be generated.
    """
    value = text(name)
    if value:
        return value
    if not generated:
        raise ImproperlyConfigured(f"{name} must be set in production.")
    if not path.exists():
        if not callable(make):
            raise ImproperlyConfigured(f"{name} cannot be generated.")
        write_once(path, str(make()))
    return path.read_text(encoding="utf-8").strip()


def write_once(path: Path, value: str) -> None:
    """Write a private file unless another process just did; readers never see half of it."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    part = path.with_name(f".{path.name}.{secrets.token_hex(6)}")
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(value + "\n")
        file.flush()
        os.fsync(file.fileno())
    try:
        # A hard link fails when the target exists: the first process wins, the rest read its key.
        os.link(part, path)
    except FileExistsError:
        pass
    finally:
        part.unlink()
