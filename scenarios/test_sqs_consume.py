"""
A pod consumes a queue as the role of its service account, and leaves others' queues alone.

A producer sends first, so that there is something to receive. The first session of a role
is never its last: each renewal of a pod's credentials is another one. That work goes on is
shown with sessions of two pods, which live side by side; that it does when a session has
really ended is shown where credentials live for seconds (`test_rotation.py`).
"""

from typing import Any

import pytest

from conformance.environment import Capability
from conformance.probes import Call, Evidence, ServiceCall, answer_of, ask_agent, blaming, call
from conformance.probes.plan import WHO_AM_I
from conformance.requirements.marks import proves
from conformance.requirements.sqs_consume import (
    BATCHES_NEED_THE_SINGLE_PERMISSION,
    DELETING_IS_APART,
    DENIAL_NAMES_SESSION_AND_QUEUE,
    MESSAGE_IS_GIVEN_BACK,
    OTHER_QUEUE_IS_DENIED,
    POD_RECEIVES_AND_DELETES,
    QUEUE_POLICY_ALLOWS,
    QUEUE_POLICY_DENIES,
    QUEUE_POLICY_SEES_TAGS,
    QUEUE_STAYS_AS_IT_IS,
    SENDING_IS_DENIED,
    WORK_OUTLIVES_A_SESSION,
)
from conformance.spec import (
    Association,
    Condition,
    Queue,
    ResourceStatement,
    Role,
    Spec,
    Statement,
)
from conformance.stages import Stage
from conformance.world import Probe, ProbeRequest, World

DENIED = "AccessDenied"

FILLED = ("jobs", "more", "kept", "open", "relay")
"""Queues that the producer sends a message into."""
NAMESPACES = ("shop", "billing")

ARRIVING = 5
"""Seconds that a message may take; an answer with one comes at once (long polling)."""
NOTHING_MORE = 1
"""Seconds to look for a message that must not come; without any, SQS asks some servers only."""


def to(*actions: str, on: tuple[str, ...]) -> Statement:
    return Statement(
        actions=tuple(f"sqs:{action}" for action in actions),
        resources=tuple(f"queue:{name}" for name in on),
    )


def guests(**more: Any) -> tuple[ResourceStatement, ...]:
    """What a queue says about receiving and the role `guest`."""
    return (ResourceStatement(actions=("sqs:ReceiveMessage",), roles=("guest",), **more),)


SHOP = Condition(
    test="StringEquals",
    variable="aws:PrincipalTag/kubernetes-namespace",
    values=("{namespace:shop}",),
)

SPEC = Spec(
    roles=(
        Role(name="producer", statements=(to("SendMessage", on=FILLED),)),
        Role(
            name="consumer",
            statements=(
                to(
                    "ReceiveMessage", "DeleteMessage", "ChangeMessageVisibility",
                    "GetQueueAttributes", on=("jobs", "more", "relay"),
                ),
            ),
        ),
        Role(name="monitor", statements=(to("ReceiveMessage", on=("kept",)),)),
        Role(name="guest", statements=(to("ReceiveMessage", on=("closed",)),)),
    ),
    queues=(
        *(Queue(name=name) for name in ("jobs", "more", "kept", "relay")),
        Queue(name="open", statements=guests()),
        Queue(name="closed", statements=guests(effect="Deny")),
        Queue(name="by-namespace", statements=guests(conditions=(SHOP,))),
    ),
    associations=(
        *(
            Association(namespace="shop", service_account=f"sqs-{name}", role=name)
            for name in ("producer", "consumer", "monitor")
        ),
        *(
            Association(namespace=name, service_account="sqs-guest", role="guest")
            for name in NAMESPACES
        ),
    ),
)  # fmt: skip


def on(queue: str, operation: str, **parameters: Any) -> ServiceCall:
    return call("sqs", operation, QueueUrl=queue, **parameters)


def receive(queue: str, seconds: int, **more: Any) -> ServiceCall:
    return on(queue, "receive_message", WaitTimeSeconds=seconds, **more)


def handle_of(received: str) -> dict[str, Any]:
    """The receipt handle of the message that an earlier call of the plan received."""
    return answer_of(received, "Messages", 0, "ReceiptHandle")


def give_back(queue: str, received: str) -> ServiceCall:
    handle = handle_of(received)
    return on(queue, "change_message_visibility", ReceiptHandle=handle, VisibilityTimeout=0)


def delete(queue: str, received: str) -> ServiceCall:
    return on(queue, "delete_message", ReceiptHandle=handle_of(received))


def consumers_plan(jobs: str, more: str, other: str) -> dict[str, Call]:
    entries = [{"Id": "1", "ReceiptHandle": handle_of("receive one more")}]
    return {
        "who am I": WHO_AM_I,
        "receive": receive(jobs, ARRIVING),
        "meanwhile": receive(jobs, NOTHING_MORE),
        "give back": give_back(jobs, "receive"),
        "receive again": receive(jobs, ARRIVING),
        "delete": delete(jobs, "receive again"),
        "afterwards": receive(jobs, NOTHING_MORE),
        "send": on(jobs, "send_message", MessageBody="not a consumer's"),
        "send many": on(
            jobs, "send_message_batch", Entries=[{"Id": "1", "MessageBody": "not a consumer's"}]
        ),
        "attributes": on(jobs, "get_queue_attributes", AttributeNames=["All"]),
        "set attributes": on(
            jobs, "set_queue_attributes", Attributes={"MessageRetentionPeriod": "60"}
        ),
        "purge": on(jobs, "purge_queue"),
        "other queue": receive(other, 0),
        "receive one more": receive(more, ARRIVING),
        "delete many": on(more, "delete_message_batch", Entries=entries),
    }


def monitors_plan(kept: str) -> dict[str, Call]:
    return {
        # Not hidden, not even for a moment: it is there for the next one at once.
        "receive": receive(kept, ARRIVING, VisibilityTimeout=0),
        "delete": delete(kept, "receive"),
        "hide": on(
            kept,
            "change_message_visibility",
            ReceiptHandle=handle_of("receive"),
            VisibilityTimeout=600,
        ),
        "receive again": receive(kept, ARRIVING, VisibilityTimeout=0),
    }


def guests_plan(world: World) -> dict[str, Call]:
    queues = ("open", "closed", "by-namespace")
    asked = {name: receive(world.queue(name), 0, VisibilityTimeout=0) for name in queues}
    return {**asked, "send": on(world.queue("open"), "send_message", MessageBody="a guest's")}


@pytest.fixture(scope="module")
def producer(world: World) -> Probe:
    """One message in each queue; two ways to send them."""
    plan: dict[str, Call] = {
        f"send to {name}": on(world.queue(name), "send_message", MessageBody=f"for {name}")
        for name in FILLED
        if name != "more"
    }
    plan["send many"] = on(
        world.queue("more"),
        "send_message_batch",
        Entries=[{"Id": "1", "MessageBody": "for more"}],
    )
    plan["receive"] = receive(world.queue("jobs"), 0)
    return world.probe("shop", "sqs-producer", plan, name="producer")


@pytest.fixture(scope="module")
def probes(producer: Probe, world: World) -> dict[str, Probe]:
    """A consumer, a monitor, and a guest in each namespace, once there are messages."""
    assert producer, "the producer comes first"
    jobs, more, kept = (world.queue(name) for name in ("jobs", "more", "kept"))
    plan = consumers_plan(jobs, more, kept)
    return world.probe_all(
        {
            "consumer": ProbeRequest("shop", "sqs-consumer", plan, name="consumer"),
            "monitor": ProbeRequest("shop", "sqs-monitor", monitors_plan(kept), name="monitor"),
            **{
                name: ProbeRequest(name, "sqs-guest", guests_plan(world), name=f"guest-{name}")
                for name in NAMESPACES
            },
        }
    )


@pytest.fixture(scope="module")
def consumer(probes: dict[str, Probe]) -> Probe:
    return probes["consumer"]


@pytest.fixture(scope="module")
def relay(producer: Probe, world: World) -> Probe:
    """One pod that works as two sessions of the consumer's role by turns."""
    assert producer, "the producer comes first"
    queue = world.queue("relay")
    secrets = {
        name: world.token(world.stand_in("shop", "sqs-consumer")) for name in ("first", "second")
    }
    turns: dict[str, tuple[str, ServiceCall]] = {
        "receive": ("first", receive(queue, ARRIVING)),
        "meanwhile": ("second", receive(queue, NOTHING_MORE)),
        "give back": ("second", give_back(queue, "receive")),
        "receive again": ("second", receive(queue, ARRIVING)),
        "delete": ("first", delete(queue, "receive again")),
        "afterwards": ("second", receive(queue, NOTHING_MORE)),
    }
    plan = {name: ask_agent(session, then=made) for name, (session, made) in turns.items()}
    request = ProbeRequest("shop", "sqs-consumer", plan, name="relay", secrets=secrets)
    return world.probe_all({"relay": request})["relay"]


def messages(evidence: Evidence) -> list[str]:
    """Ids of the messages that were received."""
    return [one["MessageId"] for one in evidence.granted().answer.get("Messages", [])]


def is_handed_on_and_done(probe: Probe) -> None:
    """Received, hidden, given back, received again, deleted, and then there is nothing more."""
    first = messages(probe["receive"])
    with blaming(Stage.SERVICE):
        assert len(first) == 1
        assert messages(probe["meanwhile"]) == []
    probe["give back"].granted()
    with blaming(Stage.SERVICE):
        assert messages(probe["receive again"]) == first
    probe["delete"].granted()
    with blaming(Stage.SERVICE):
        assert messages(probe["afterwards"]) == []


# --- a consumer


@proves(POD_RECEIVES_AND_DELETES)
def test_pod_receives_and_deletes(producer: Probe, consumer: Probe) -> None:
    """What the producer sent is what the consumer receives; deleted, it does not come again."""
    sent = producer["send to jobs"].granted().answer["MessageId"]
    received = messages(consumer["receive"])
    consumer["delete"].granted()

    with blaming(Stage.SERVICE):
        assert received == [sent]
        assert consumer["receive"].answer["Messages"][0]["Body"] == "for jobs"
        assert messages(consumer["afterwards"]) == []


@proves(MESSAGE_IS_GIVEN_BACK)
def test_received_message_is_hidden_until_given_back(consumer: Probe) -> None:
    """The queue hides it for half a minute, so whoever sees it again saw it given back."""
    is_handed_on_and_done(consumer)


@proves(SENDING_IS_DENIED)
def test_consumer_does_not_send(producer: Probe, consumer: Probe) -> None:
    """Nor does the producer receive: each has half of the queue."""
    producer["send to jobs"].granted()
    consumer["send"].denied(Stage.IAM, DENIED)
    consumer["receive"].granted()
    producer["receive"].denied(Stage.IAM, DENIED)


@proves(QUEUE_STAYS_AS_IT_IS)
def test_consumer_leaves_the_queue_as_it_is(consumer: Probe) -> None:
    """It may know how long the queue is, and neither change nor empty it."""
    consumer["attributes"].granted()
    consumer["set attributes"].denied(Stage.IAM, DENIED)
    consumer["purge"].denied(Stage.IAM, DENIED)


@proves(OTHER_QUEUE_IS_DENIED)
def test_another_queue_is_denied(consumer: Probe, probes: dict[str, Probe]) -> None:
    """There is a message in it, which another pod receives by the same action."""
    consumer["other queue"].denied(Stage.IAM, DENIED)
    probes["monitor"]["receive"].granted()


@proves(BATCHES_NEED_THE_SINGLE_PERMISSION)
def test_batches_need_the_single_permission(producer: Probe, consumer: Probe) -> None:
    """Each has the permission for one batch, and is done with it; the consumer lacks the other."""
    sent = producer["send many"].granted()
    consumer["send many"].denied(Stage.IAM, DENIED)
    received = messages(consumer["receive one more"])
    deleted = consumer["delete many"].granted()

    with blaming(Stage.SERVICE):
        assert received == [one["MessageId"] for one in sent.answer["Successful"]]
        assert [one["Id"] for one in deleted.answer["Successful"]] == ["1"]


@proves(DENIAL_NAMES_SESSION_AND_QUEUE)
def test_denial_names_session_and_queue(consumer: Probe, world: World) -> None:
    """The session's ARN, the action as SQS writes it (in lower case), and the queue's ARN."""
    who = consumer["who am I"].identified().arn
    evidence = consumer["send"].denied(Stage.IAM, DENIED)
    queue = world.contract.queues["jobs"].arn

    with blaming(Stage.IAM):
        assert evidence.status == 403
        assert evidence.message.startswith(
            f"User: {who} is not authorized to perform: sqs:sendmessage on resource: {queue} "
        )


@proves(DELETING_IS_APART)
def test_who_may_only_receive_loses_nothing(probes: dict[str, Probe]) -> None:
    """Neither deleted nor hidden: the same message comes again at once."""
    monitor = probes["monitor"]
    first = messages(monitor["receive"])
    monitor["delete"].denied(Stage.IAM, DENIED)
    monitor["hide"].denied(Stage.IAM, DENIED)

    with blaming(Stage.SERVICE):
        assert len(first) == 1
        assert messages(monitor["receive again"]) == first


# --- the queue's own policy


@proves(QUEUE_POLICY_ALLOWS)
def test_queue_policy_is_enough_in_its_own_account(probes: dict[str, Probe]) -> None:
    """The role says nothing of that queue; the queue lets it receive, and not send."""
    probes["shop"]["open"].granted()
    probes["shop"]["send"].denied(Stage.IAM, DENIED)


@proves(QUEUE_POLICY_DENIES)
def test_queue_policys_deny_wins(probes: dict[str, Probe]) -> None:
    """The role allows just this queue, and the queue denies it; another one it receives from."""
    probes["shop"]["open"].granted()
    evidence = probes["shop"]["closed"].denied(Stage.IAM, DENIED)

    with blaming(Stage.IAM):
        assert "with an explicit deny in a resource-based policy" in evidence.message


@proves(QUEUE_POLICY_SEES_TAGS)
def test_queue_policy_tells_namespaces_apart(probes: dict[str, Probe]) -> None:
    """Both guests have one role, and both are let into the queue that does not ask."""
    for name in NAMESPACES:
        probes[name]["open"].granted()
    probes["shop"]["by-namespace"].granted()
    probes["billing"]["by-namespace"].denied(Stage.IAM, DENIED)


# --- another session


@proves(WORK_OUTLIVES_A_SESSION, needs={Capability.MINT_TOKENS})
def test_work_goes_on_under_another_session(relay: Probe) -> None:
    """
    One session receives; the other gives back and receives again; the first one deletes.

    The receipt handle is all that they share. While one has the message the other
    does not get it, and in the end nobody does.
    """
    is_handed_on_and_done(relay)

    with blaming(Stage.AGENT):
        assert relay["receive"].access_key != relay["receive again"].access_key
