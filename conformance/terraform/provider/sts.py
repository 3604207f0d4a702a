"""Who and where: the data sources that every stack asks first."""

from conformance.terraform.provider.connection import Connection
from conformance.terraform.provider.resource import DataSource
from conformance.terraform.provider.values import Values


class CallerIdentity(DataSource):
    name = "aws_caller_identity"
    accepts = frozenset[str]()

    def read(self, aws: Connection, _config: Values) -> Values:
        caller = aws.client("sts").get_caller_identity()
        return {
            "id": caller["Account"],
            "account_id": caller["Account"],
            "arn": caller["Arn"],
            "user_id": caller["UserId"],
        }


class Region(DataSource):
    name = "aws_region"
    accepts = frozenset({"name"})

    def read(self, aws: Connection, config: Values) -> Values:
        region = config["name"] or aws.region
        return {
            "id": region,
            "name": region,
            "description": aws.describe_region(region),
            "endpoint": f"ec2.{region}.amazonaws.com",
        }


class Partition(DataSource):
    name = "aws_partition"
    accepts = frozenset[str]()

    def read(self, aws: Connection, _config: Values) -> Values:
        suffix = aws.dns_suffix
        return {
            "id": aws.partition,
            "partition": aws.partition,
            "dns_suffix": suffix,
            "reverse_dns_prefix": ".".join(reversed(suffix.split("."))),
        }
