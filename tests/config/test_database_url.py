"""DATABASE_URL: SQLite without one, PostgreSQL with one, anything else is refused by name."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured

from config import environment

Described = Callable[[str], dict[str, Any]]


@pytest.fixture
def described(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Described:
    """Return what Django is told of a DATABASE_URL."""

    def describe(url: str) -> dict[str, Any]:
        monkeypatch.setenv("DATABASE_URL", url)
        return environment.database(default_path=tmp_path / "slipway.sqlite3")

    return describe


def test_without_one_it_is_a_file_in_the_data_folder(described: Described, tmp_path: Path) -> None:
    database = described("")

    assert database["ENGINE"] == "django.db.backends.sqlite3"
    assert database["NAME"] == str(tmp_path / "slipway.sqlite3")


@pytest.mark.parametrize("url", ["", "sqlite:////srv/slipway.sqlite3"])
def test_writers_of_sqlite_wait_their_turn(described: Described, url: str) -> None:
    options = described(url)["OPTIONS"]

    assert (options["transaction_mode"], options["timeout"]) == ("IMMEDIATE", 20)
    assert "journal_mode=WAL" in options["init_command"]


@pytest.mark.parametrize("scheme", ["postgresql", "postgres"])
def test_a_postgresql_server_is_reached_over_the_network(described: Described, scheme: str) -> None:
    database = described(f"{scheme}://ship:p%40ss@db.example.org:5433/slipway")

    assert database["ENGINE"] == "django.db.backends.postgresql"
    assert (database["USER"], database["PASSWORD"]) == ("ship", "p@ss")
    assert (database["HOST"], database["PORT"]) == ("db.example.org", 5433)
    assert database["NAME"] == "slipway"


def test_F76_a_server_that_went_away_without_a_word_holds_no_process(described: Described) -> None:
    options = described("postgresql://ship@db.example.org/slipway?sslmode=require")["OPTIONS"]

    assert options["connect_timeout"] == 10
    assert options["keepalives_idle"] == 30
    assert options["sslmode"] == "require"


def test_what_the_address_says_wins(described: Described) -> None:
    options = described("postgresql://ship@/slipway?host=/run/pg&connect_timeout=3")["OPTIONS"]

    assert options["host"] == "/run/pg"
    assert int(options["connect_timeout"]) == 3


@pytest.mark.parametrize("url", ["", "sqlite:////srv/x.sqlite3", "postgresql://ship@db/slipway"])
def test_connections_are_kept_and_looked_at_before_use(described: Described, url: str) -> None:
    database = described(url)

    assert (database["CONN_MAX_AGE"], database["CONN_HEALTH_CHECKS"]) == (600, True)


@pytest.mark.parametrize("url", ["mysql://root:secret@db/slipway", "secret", "/srv/secret.sqlite3"])
def test_T9_another_address_is_refused_without_showing_it(described: Described, url: str) -> None:
    with pytest.raises(ImproperlyConfigured, match="postgresql://") as refusal:
        described(url)

    assert "secret" not in str(refusal.value)
