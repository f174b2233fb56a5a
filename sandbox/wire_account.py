"""The endpoints of what an account holds beside machines: keys, storage, firewall, audit log."""

from sandbox import errors
from sandbox.cloud import Cloud
from sandbox.firewall import read_rules
from sandbox.instance_json import (
    Json,
    file_system_json,
    ruleset_json,
    used_file_system_ids,
)
from sandbox.lambda_machine import LambdaMachine
from sandbox.wire_call import Call, Page, Route

SSH_KEY_NAME_LENGTH = 64
PUBLIC_KEY_LENGTH = 4096


class KeysWire:
    """SSH keys, and the audit log."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud

    def routes(self) -> tuple[Route, ...]:
        return (
            Route("GET", "/ssh-keys", "ssh-keys", self._list),
            Route("POST", "/ssh-keys", "ssh-keys", self._add),
            Route("DELETE", "/ssh-keys/{id}", "ssh-keys", self._delete),
            Route("GET", "/audit-events", "audit-events", self._audit_events),
        )

    async def _list(self, call: Call) -> object:
        return [key.as_json() for key in self._cloud.ssh_keys.all()]

    async def _add(self, call: Call) -> object:
        body = await call.body()
        name, public_key = body.get("name"), body.get("public_key")
        if not isinstance(name, str) or not 1 <= len(name) <= SSH_KEY_NAME_LENGTH:
            raise errors.invalid(
                "name", f"String should have 1 to {SSH_KEY_NAME_LENGTH} characters"
            )
        if public_key is None:
            key, private_key = self._cloud.ssh_keys.generate(name)
            call.audit(self._cloud.audit, "ssh_key", "create", key.key_id)
            return {**key.as_json(), "private_key": private_key}
        if not isinstance(public_key, str) or not 1 <= len(public_key) <= PUBLIC_KEY_LENGTH:
            raise errors.invalid(
                "public_key", f"String should have 1 to {PUBLIC_KEY_LENGTH} characters"
            )
        key = self._cloud.ssh_keys.add(name, public_key)
        call.audit(self._cloud.audit, "ssh_key", "create", key.key_id)
        return key.as_json()

    async def _delete(self, call: Call) -> object:
        used = {machine.order.ssh_key_name for machine in self._cloud.live_machines(LambdaMachine)}
        self._cloud.ssh_keys.delete(call.path_id, used_names=used)
        call.audit(self._cloud.audit, "ssh_key", "delete", call.path_id)
        return {}

    async def _audit_events(self, call: Call) -> object:
        rows, page_token = self._cloud.audit.page(
            start=call.query("start"),
            end=call.query("end"),
            resource=call.query("resource_type"),
            page_token=call.query("page_token"),
        )
        return Page(rows, page_token)


class FileSystemsWire:
    """File systems: listed with a hyphen in the path, made and deleted without (as Lambda's)."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud

    def routes(self) -> tuple[Route, ...]:
        return (
            Route("GET", "/file-systems", "file-systems", self._list),
            Route("POST", "/filesystems", "file-systems", self._add),
            Route("DELETE", "/filesystems/{id}", "file-systems", self._delete),
        )

    async def _list(self, call: Call) -> object:
        machines = self._cloud.live_machines(LambdaMachine)
        return [file_system_json(each, machines) for each in self._cloud.file_systems.all()]

    async def _add(self, call: Call) -> object:
        body = await call.body()
        made = self._cloud.file_systems.add(body.get("name"), body.get("region"))
        call.audit(self._cloud.audit, "filesystem", "create", made.file_system_id)
        return file_system_json(made, [])

    async def _delete(self, call: Call) -> object:
        used_ids = used_file_system_ids(self._cloud.live_machines(LambdaMachine))
        self._cloud.file_systems.delete(call.path_id, used_ids=used_ids)
        call.audit(self._cloud.audit, "filesystem", "delete", call.path_id)
        return {"deleted_ids": [call.path_id]}


class FirewallWire:
    """Firewall rules and rulesets."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud

    def routes(self) -> tuple[Route, ...]:
        rulesets = "firewall-rulesets"
        return (
            Route("GET", "/firewall-rules", "firewall-rules", self._rules),
            Route("PUT", "/firewall-rules", "firewall-rules", self._replace_rules),
            Route("GET", "/firewall-rulesets", rulesets, self._list),
            Route("POST", "/firewall-rulesets", rulesets, self._add),
            # Before the path with an id, which would take it for one.
            Route("GET", "/firewall-rulesets/global", rulesets, self._global),
            Route("PATCH", "/firewall-rulesets/global", rulesets, self._change_global),
            Route("GET", "/firewall-rulesets/{id}", rulesets, self._get),
            Route("PATCH", "/firewall-rulesets/{id}", rulesets, self._change),
            Route("DELETE", "/firewall-rulesets/{id}", rulesets, self._delete),
        )

    async def _rules(self, call: Call) -> object:
        return self._cloud.firewall.global_rules

    async def _replace_rules(self, call: Call) -> object:
        rules = read_rules((await call.body()).get("data"), "data")
        self._cloud.firewall.global_rules = rules
        call.audit(self._cloud.audit, "firewall_ruleset", "update", "global")
        return rules

    async def _list(self, call: Call) -> object:
        machines = self._cloud.live_machines(LambdaMachine)
        return [ruleset_json(each, machines) for each in self._cloud.firewall.rulesets()]

    async def _add(self, call: Call) -> object:
        ruleset = self._cloud.firewall.add(await call.body())
        call.audit(self._cloud.audit, "firewall_ruleset", "create", ruleset.ruleset_id)
        return ruleset_json(ruleset, [])

    async def _global(self, call: Call) -> object:
        return self._global_json()

    async def _change_global(self, call: Call) -> object:
        self._cloud.firewall.change_global(await call.body())
        call.audit(self._cloud.audit, "firewall_ruleset", "update", "global")
        return self._global_json()

    async def _get(self, call: Call) -> object:
        ruleset = self._cloud.firewall.found(call.path_id)
        return ruleset_json(ruleset, self._cloud.live_machines(LambdaMachine))

    async def _change(self, call: Call) -> object:
        ruleset = self._cloud.firewall.change(call.path_id, await call.body())
        call.audit(self._cloud.audit, "firewall_ruleset", "update", call.path_id)
        return ruleset_json(ruleset, self._cloud.live_machines(LambdaMachine))

    async def _delete(self, call: Call) -> object:
        used_ids = {
            ruleset_id
            for machine in self._cloud.live_machines(LambdaMachine)
            for ruleset_id in machine.order.firewall_ruleset_ids
        }
        self._cloud.firewall.delete(call.path_id, used_ids=used_ids)
        call.audit(self._cloud.audit, "firewall_ruleset", "delete", call.path_id)
        return {}

    def _global_json(self) -> Json:
        return {
            "id": "global",
            "name": "Global Firewall Rules",
            "rules": self._cloud.firewall.global_rules,
        }
