"""The whole Spec: its parts fit together, or it cannot be made."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, Self

from conformance.errors import SpecError
from conformance.spec import variables as as_variables
from conformance.spec.capabilities import StackCapability
from conformance.spec.checked import RUN_TAG, Part, unknown
from conformance.spec.parts import (
    Addon,
    Association,
    Bucket,
    Condition,
    Policy,
    Queue,
    ResourceStatement,
    Role,
    Statement,
    Table,
    Trust,
)
from conformance.spec.references import (
    ORGANIZATION,
    Known,
    accounts_in,
    check_resource,
    check_value,
    with_namespaces,
)

AnyPart = Role | Policy | Bucket | Table | Queue | Addon | Association
AnyStatement = Statement | ResourceStatement | Trust

NO_ORGANIZATION: Final = "o-0000000000"
"""In place of one where there is none, or nobody knows it."""

_FIELDS: Final[Mapping[type[AnyPart], str]] = {
    Role: "roles",
    Policy: "policies",
    Bucket: "buckets",
    Table: "tables",
    Queue: "queues",
    Addon: "addons",
    Association: "associations",
}


class Spec(Part):
    """
    Everything one scenario file needs.

    Raises `SpecError` when a name is used twice, a reference points nowhere or a
    value cannot be what AWS or Kubernetes accepts.
    """

    roles: tuple[Role, ...] = ()
    policies: tuple[Policy, ...] = ()
    buckets: tuple[Bucket, ...] = ()
    tables: tuple[Table, ...] = ()
    queues: tuple[Queue, ...] = ()
    addons: tuple[Addon, ...] = ()
    associations: tuple[Association, ...] = ()

    def __init__(self, **data: Any) -> None:
        super().__init__(**data)
        for field in _FIELDS.values():
            seen: set[str] = set()
            for key in map(key_of, getattr(self, field)):
                if key in seen:
                    raise SpecError(f"Spec.{field}: {key!r} is there twice", saw=repr(key))
                seen.add(key)
        self._check_associations()
        self._check_roles()
        for where, statement in self._statements():
            for resource in getattr(statement, "resources", ()):
                check_resource(where, resource, self._known)
            for value in _values(statement):
                check_value(where, value, self._known)

    # --- checks

    def _check_associations(self) -> None:
        for number, association in enumerate(self.associations):
            where = f"Spec.associations[{number}]"
            self._check_own_role(f"{where}.role", association.role)
            if association.target_role is not None:
                self._role(f"{where}.target_role", association.target_role)
        for addon in self.addons:
            for role in addon.associations.values():
                self._check_own_role(f"Spec.addons ({addon.name}).associations", role)

    def _check_own_role(self, where: str, name: str) -> None:
        if self._role(where, name).account != "own":
            raise SpecError(
                f"{where}: the role is not in the cluster's account",
                saw=repr(name),
                try_="a role of the cluster's account here, and this one as target_role",
            )

    def _check_roles(self) -> None:
        policies = [policy.name for policy in self.policies]
        for number, role in enumerate(self.roles):
            where = f"Spec.roles[{number}] ({role.name})"
            for policy in role.policies:
                if policy not in policies:
                    unknown(f"{where}.policies", "policy", policy, policies)
                if role.account != "own":
                    raise SpecError(f"{where}.policies: policies of the Spec are in account own")
            for trusted in (name for trust in role.trust for name in trust.roles):
                # Terraform makes roles in two rounds, and IAM wants those that a trust
                # policy names to be there.
                found = self._role(f"{where}.trust.roles", trusted)
                if found.account != "own" or any(trust.roles for trust in found.trust):
                    raise SpecError(
                        f"{where}.trust.roles: one that trusts roles itself, or is in the other "
                        "account, cannot be named",
                        saw=repr(trusted),
                        try_="Trust(accounts=...) with a condition on aws:PrincipalArn",
                    )
        for thing in self._with_policy:
            for name in (name for statement in thing.statements for name in statement.roles):
                self._role(f"Spec.{_FIELDS[type(thing)]} ({thing.name}).statements.roles", name)

    def _role(self, where: str, name: str) -> Role:
        roles = {role.name: role for role in self.roles}
        if name not in roles:
            unknown(where, "role", name, roles)
        return roles[name]

    @property
    def _with_policy(self) -> tuple[Bucket | Queue, ...]:
        return (*self.buckets, *self.queues)

    @property
    def _known(self) -> Known:
        return {
            "bucket": [bucket.name for bucket in self.buckets],
            "table": [table.name for table in self.tables],
            "queue": [queue.name for queue in self.queues],
            "role": [role.name for role in self.roles],
            "external-id": [association.key for association in self.associations],
            "account": ["own", "other"],
            "cluster": ["arn", "name"],
        }

    def _statements(self) -> Iterator[tuple[str, AnyStatement]]:
        """Every statement, with the place of what it belongs to."""
        for field in _FIELDS.values():
            for number, part in enumerate(getattr(self, field)):
                where = f"Spec.{field}[{number}] ({key_of(part)})"
                for name in ("trust", "statements", "policy"):
                    for statement in getattr(part, name, ()):
                        yield where, statement

    # --- what it says

    @property
    def namespaces(self) -> tuple[str, ...]:
        """Symbolic namespaces that associations name, in order of first use."""
        return tuple(dict.fromkeys(a.namespace for a in self.associations))

    @property
    def needs(self) -> frozenset[StackCapability]:
        """What a stack must be able to do to realise it."""
        parts = [part for field in _FIELDS.values() for part in getattr(self, field)]
        statements = [statement for _, statement in self._statements()]
        accounts = {getattr(part, "account", "own") for part in parts}
        accounts |= {a for one in statements for a in getattr(one, "accounts", ())}
        accounts |= accounts_in(value for one in statements for value in _values(one))
        wanted = {
            StackCapability.TARGET_ROLE: any(a.target_role for a in self.associations),
            StackCapability.DISABLE_SESSION_TAGS: any(
                a.disable_session_tags for a in self.associations
            ),
            StackCapability.SESSION_POLICY: any(a.policy for a in self.associations),
            StackCapability.ADDON: bool(self.addons),
            StackCapability.ADDON_ASSOCIATION: any(a.associations for a in self.addons),
            StackCapability.TAGS: any(part.tags for part in parts),
            StackCapability.TABLES: bool(self.tables),
            StackCapability.QUEUES: bool(self.queues),
            StackCapability.RESOURCE_POLICIES: any(thing.statements for thing in self._with_policy),
            StackCapability.OWN_POLICIES: bool(self.policies),
            StackCapability.OTHER_ACCOUNT: "other" in accounts,
            StackCapability.TRUST: any(
                role.trust != (Trust(),) for role in self.roles if role.account == "own"
            ),
        }
        return frozenset(capability for capability, asked in wanted.items() if asked)

    # --- the same, but

    def having(self, *parts: AnyPart) -> Self:
        """The same Spec with these parts, in place of those that have their names."""
        fields = {field: list(getattr(self, field)) for field in _FIELDS.values()}
        for part in parts:
            among = fields[_FIELDS[type(part)]]
            keys = [key_of(each) for each in among]
            if key_of(part) in keys:
                among[keys.index(key_of(part))] = part
            else:
                among.append(part)
        return type(self)(**fields)

    def without_association(self, namespace: str, service_account: str) -> Self:
        """The same Spec with one association taken away."""
        left = tuple(a for a in self.associations if a.key != f"{namespace}/{service_account}")
        if len(left) == len(self.associations):
            raise SpecError(
                f"Spec.associations: none is for {namespace}/{service_account}",
                saw=", ".join(a.key for a in self.associations),
            )
        return self.model_copy(update={"associations": left})

    def variables(
        self,
        *,
        run: str,
        prefix: str,
        cluster: str,
        namespaces: Mapping[str, str],
        organization: str = NO_ORGANIZATION,
    ) -> dict[str, object]:
        """
        The value of Terraform's variable `spec`; see fixtures/terraform/interface.

        `namespaces` maps symbolic names to real ones; `{namespace:NAME}` in object
        keys, resources and condition values is replaced by them, and `{organization}` by
        `organization`.
        """

        def real(text: str) -> str:
            return with_namespaces(text, namespaces).replace(ORGANIZATION, organization)

        return {
            "run": run,
            "prefix": prefix,
            "cluster": cluster,
            "tags": {RUN_TAG: run},
            "roles": {it.name: as_variables.role(it, real) for it in self.roles},
            "policies": {
                it.name: {
                    "statements": as_variables.statements(it.statements, real),
                    "tags": dict(it.tags),
                }
                for it in self.policies
            },
            "buckets": {it.name: as_variables.bucket(it, real) for it in self.buckets},
            "tables": {it.name: as_variables.table(it) for it in self.tables},
            "queues": {it.name: as_variables.queue(it, real) for it in self.queues},
            "addons": {it.name: as_variables.addon(it) for it in self.addons},
            "associations": {
                it.key: as_variables.association(it, real) for it in self.associations
            },
        }


def key_of(part: AnyPart) -> str:
    """What tells parts of one kind apart."""
    return part.key if isinstance(part, Association) else part.name


def _values(statement: AnyStatement) -> Iterable[str]:
    conditions: tuple[Condition, ...] = statement.conditions
    return [value for condition in conditions for value in condition.values]
