"""The account's file systems, as records: no machine finds files of theirs (docs/sandbox.md)."""

import re
import secrets
import time
from dataclasses import dataclass, field

from sandbox.catalogue import REGIONS
from sandbox.errors import (
    duplicate,
    file_system_in_use,
    invalid,
    no_such_file_system,
    quota_exceeded,
)

# Source: lambda-cloud-api.md section 9.
FILE_SYSTEMS_PER_ACCOUNT = 24
NAME = re.compile(r"[a-zA-Z]+[0-9a-zA-Z-]*")
NAME_LENGTH = 60


@dataclass(frozen=True)
class FileSystem:
    """One file system in one region."""

    name: str
    region: str
    file_system_id: str = field(default_factory=lambda: secrets.token_hex(16))
    created_at: float = field(default_factory=time.time)

    @property
    def mount_point(self) -> str:
        """Return where it is mounted unless the launch says otherwise."""
        return f"/lambda/nfs/{self.name}"


class FileSystemBook:
    """File systems by id. Names are unique in the account; Lambda may be less strict."""

    def __init__(self) -> None:
        self._by_id: dict[str, FileSystem] = {}

    def all(self) -> list[FileSystem]:
        return list(self._by_id.values())

    def by_id(self, file_system_id: str) -> FileSystem | None:
        return self._by_id.get(file_system_id)

    def by_name(self, name: str) -> FileSystem | None:
        return next((known for known in self.all() if known.name == name), None)

    def add(self, name: object, region: object) -> FileSystem:
        """Create a file system; raises ApiError for bad values, a taken name, a full account."""
        if not isinstance(name, str) or len(name) > NAME_LENGTH or not NAME.fullmatch(name):
            raise invalid("name", f"String should match '^{NAME.pattern}$', {NAME_LENGTH} at most")
        if not isinstance(region, str) or region not in REGIONS:
            raise invalid("region", "Input should be the name of a region")
        if self.by_name(name) is not None:
            raise duplicate(f"A filesystem named {name} already exists.")
        if len(self._by_id) >= FILE_SYSTEMS_PER_ACCOUNT:
            raise quota_exceeded()
        made = FileSystem(name, region)
        self._by_id[made.file_system_id] = made
        return made

    def delete(self, file_system_id: str, *, used_ids: set[str]) -> None:
        if file_system_id not in self._by_id:
            raise no_such_file_system()
        if file_system_id in used_ids:
            raise file_system_in_use()
        del self._by_id[file_system_id]
