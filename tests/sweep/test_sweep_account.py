import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from conformance.environment import Aws, OtherAccount
from conformance.errors import HarnessError
from conformance.sweep import account as account_module
from conformance.sweep.account import Account, accounts_of
from conformance.sweep.calls import Clients, check_account
from conformance.sweep.finds import TAG, Claim
from conformance.sweep.kinds import KINDS
from tests.sweep.conftest import TRUST, pairs

POLICY = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}],
    }
)


@pytest.fixture
def account(aws: Aws) -> Account:
    return Account(aws)


def names(account: Account, run: str) -> set[str]:
    return {str(found) for found in account.look().found if found.run == run}


def clear(account: Account, claim: Claim) -> Any:
    outcomes, look = account.clear([claim], within=20)
    assert not look.blind
    return outcomes[claim.run]


def role(clients: Clients, name: str, run: str) -> None:
    clients("iam").create_role(
        RoleName=name, AssumeRolePolicyDocument=TRUST, Tags=pairs(conformance__run=run)
    )


def test_a_role_goes_with_its_policies_and_profiles(account: Account, clients: Clients) -> None:
    iam = clients("iam")
    role(clients, "r1-role", "r1")
    iam.put_role_policy(RoleName="r1-role", PolicyName="inline", PolicyDocument=POLICY)
    arn = "arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess"
    iam.attach_role_policy(RoleName="r1-role", PolicyArn=arn)
    iam.create_instance_profile(InstanceProfileName="theirs")
    iam.add_role_to_instance_profile(InstanceProfileName="theirs", RoleName="r1-role")

    outcome = clear(account, Claim("r1"))

    assert (outcome.gone, outcome.removed, outcome.left) == (3, ["role r1-role"], {})
    assert iam.get_instance_profile(InstanceProfileName="theirs")["InstanceProfile"]["Roles"] == []


def test_a_bucket_goes_with_every_version_and_upload(account: Account, clients: Clients) -> None:
    s3 = clients("s3")
    s3.create_bucket(Bucket="r2-bucket")
    s3.put_bucket_tagging(Bucket="r2-bucket", Tagging={"TagSet": pairs(conformance__run="r2")})
    s3.put_bucket_versioning(Bucket="r2-bucket", VersioningConfiguration={"Status": "Enabled"})
    for body in (b"1", b"2"):
        s3.put_object(Bucket="r2-bucket", Key="twice", Body=body)
    s3.delete_object(Bucket="r2-bucket", Key="twice")
    s3.create_multipart_upload(Bucket="r2-bucket", Key="never ended")

    outcome = clear(account, Claim("r2"))

    assert (outcome.gone, outcome.left) == (2, {})
    assert "r2-bucket" not in str(s3.list_buckets()["Buckets"])


def test_whoever_may_not_delete_versions_is_told_so(
    account: Account, aws: Aws, clients: Clients
) -> None:
    s3, iam = clients("s3"), clients("iam")
    s3.create_bucket(Bucket="r9-bucket")
    s3.put_bucket_tagging(Bucket="r9-bucket", Tagging={"TagSet": pairs(conformance__run="r9")})
    s3.put_object(Bucket="r9-bucket", Key="of-a-pod", Body=b"1")
    deny = {"Effect": "Deny", "Action": "s3:DeleteObjectVersion", "Resource": "*"}
    policy = json.loads(POLICY.replace('"s3:*"', '"*"'))
    policy["Statement"].append(deny)
    iam.create_user(UserName="r9-user")
    iam.put_user_policy(UserName="r9-user", PolicyName="p", PolicyDocument=json.dumps(policy))
    key = iam.create_access_key(UserName="r9-user")["AccessKey"]
    keys = {"access_key_id": key["AccessKeyId"], "secret_access_key": key["SecretAccessKey"]}

    outcome = clear(Account(aws.model_copy(update=keys)), Claim("r9"))

    assert "AccessDenied" in outcome.left["bucket r9-bucket"]
    assert "of-a-pod in r9-bucket" in outcome.left["bucket r9-bucket"]
    assert not clear(account, Claim("r9")).left


def test_a_bucket_that_denies_everybody_goes(account: Account, clients: Clients) -> None:
    s3 = clients("s3")
    s3.create_bucket(Bucket="r3-bucket")
    s3.put_bucket_tagging(Bucket="r3-bucket", Tagging={"TagSet": pairs(conformance__run="r3")})
    s3.put_object(Bucket="r3-bucket", Key="one", Body=b"1")
    deny = {
        "Effect": "Deny",
        "Principal": "*",
        "Action": ["s3:DeleteObject", "s3:DeleteBucket"],
        "Resource": ["arn:aws:s3:::r3-bucket", "arn:aws:s3:::r3-bucket/*"],
    }
    s3.put_bucket_policy(
        Bucket="r3-bucket", Policy=json.dumps({"Version": "2012-10-17", "Statement": [deny]})
    )

    assert not clear(account, Claim("r3")).left


def test_table_queue_policy_and_profile_go(account: Account, clients: Clients) -> None:
    clients("dynamodb").create_table(
        TableName="r4-table",
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        BillingMode="PAY_PER_REQUEST",
        Tags=pairs(conformance__run="r4"),
    )
    clients("sqs").create_queue(QueueName="r4-queue", tags={TAG: "r4"})
    iam = clients("iam")
    arn = iam.create_policy(
        PolicyName="r4-policy", PolicyDocument=POLICY, Tags=pairs(conformance__run="r4")
    )["Policy"]["Arn"]
    iam.create_policy_version(PolicyArn=arn, PolicyDocument=POLICY, SetAsDefault=True)
    iam.create_instance_profile(InstanceProfileName="r4-profile", Tags=pairs(conformance__run="r4"))
    there = {"table r4-table", "queue r4-queue", "policy r4-policy", "instance profile r4-profile"}
    assert names(account, "r4") == there

    outcome = clear(account, Claim("r4"))

    assert set(outcome.removed) == there
    assert names(account, "r4") == set()


def test_a_policy_that_somebodys_role_uses_stays_and_says_so(
    account: Account, clients: Clients
) -> None:
    iam = clients("iam")
    arn = iam.create_policy(
        PolicyName="r5-policy", PolicyDocument=POLICY, Tags=pairs(conformance__run="r5")
    )["Policy"]["Arn"]
    iam.create_role(RoleName="somebodys", AssumeRolePolicyDocument=TRUST)
    iam.attach_role_policy(RoleName="somebodys", PolicyArn=arn)

    outcomes, _ = account.clear([Claim("r5")], within=0.5)

    assert "DeleteConflict" in outcomes["r5"].left["policy r5-policy"]
    assert iam.list_attached_role_policies(RoleName="somebodys")["AttachedPolicies"]


def test_only_the_run_that_is_claimed_goes(account: Account, clients: Clients) -> None:
    role(clients, "r6-role", "r6")
    role(clients, "r6-of-another", "r7")

    clear(account, Claim("r6"))

    assert names(account, "r7") == {"role r6-of-another"}


def test_what_is_refused_is_said_at_once(
    account: Account, clients: Clients, monkeypatch: pytest.MonkeyPatch
) -> None:
    role(clients, "r8-role", "r8")

    def refuse(_clients: Clients, _found: object) -> int:
        raise ClientError({"Error": {"Code": "AccessDenied", "Message": "no"}}, "DeleteRole")

    refusing = {
        kind.name: kind.__class__(kind.name, kind.wave, kind.find, refuse) for kind in KINDS
    }
    monkeypatch.setattr(account_module, "_BY_NAME", refusing)

    outcomes, _ = account.clear([Claim("r8")])  # Within minutes, if it did try again.

    assert "AccessDenied" in outcomes["r8"].left["role r8-role"]


def test_it_is_tried_again_until_aws_has_caught_up(
    account: Account, clients: Clients, monkeypatch: pytest.MonkeyPatch
) -> None:
    role(clients, "r9-role", "r9")
    tries: list[str] = []
    by_name = dict(account_module._BY_NAME)
    real = by_name["role"]

    def slow(given: Clients, found: Any) -> int:
        tries.append(found.name)
        if len(tries) < 3:
            raise ClientError({"Error": {"Code": "DeleteConflict", "Message": ""}}, "DeleteRole")
        return real.remove(given, found)

    by_name["role"] = real.__class__("role", real.wave, real.find, slow)
    monkeypatch.setattr(account_module, "_BY_NAME", by_name)

    assert not clear(account, Claim("r9")).left
    assert tries == ["r9-role"] * 3


def test_a_kind_that_cannot_be_listed_is_no_kind_without_things(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    def deny(_clients: Clients, _each: object) -> Any:
        raise ClientError({"Error": {"Code": "AccessDenied", "Message": ""}}, "ListTables")

    kinds = [kind for kind in KINDS if kind.name != "table"]
    monkeypatch.setattr(
        account_module, "KINDS", [*kinds, KINDS[0].__class__("table", 5, deny, deny)]
    )
    (blind,) = account.look().blind
    assert blind.startswith("table: ")


def test_one_thing_that_may_not_be_looked_at_hides_no_other(
    account: Account, clients: Clients, monkeypatch: pytest.MonkeyPatch
) -> None:
    role(clients, "r10-hidden", "r10")
    role(clients, "r10-seen", "r10")
    iam = account.clients("iam")
    ask = iam.list_role_tags

    def some(RoleName: str) -> Any:  # noqa: N803 - AWS's own name
        if RoleName == "r10-hidden":
            raise ClientError({"Error": {"Code": "AccessDenied", "Message": ""}}, "ListRoleTags")
        return ask(RoleName=RoleName)

    monkeypatch.setattr(iam, "list_role_tags", some)
    look = account.look()
    assert [str(found) for found in look.found if found.run == "r10"] == ["role r10-seen"]
    assert len(look.unseen) == 1


def test_credentials_of_another_account_are_refused(clients: Clients) -> None:
    with pytest.raises(HarnessError, match="not of account 111122223333"):
        check_account(clients, "111122223333")


def test_a_second_account_is_swept_too(aws: Aws) -> None:
    other = OtherAccount(account_id="1", access_key_id="A", secret_access_key="S")
    first, second = accounts_of(aws.model_copy(update={"other": other}))
    assert (first.aws.account_id, second.aws.account_id) == (aws.account_id, "1")
    assert second.aws.access_key_id == "A"
