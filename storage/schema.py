"""The tables. Times are milliseconds since 1970, UTC; JSON is text, written and read by `codec`.

- `conversation`: the current snapshot, its name in Twilio, and how far its messages were read (`next_index`: every
  lower one is accounted for; `members_known`: nobody can be in it unheard of; `has_waiting`: the inbox holds undecided
  events).
- `history`: one row per decision, numbered from 1 without gaps: enough to decide again, and to explain.
- `inbox`: accepted events under their idempotency keys, until long after they were decided; `waiting` ones are decided
  later; what history alone knows again has no row (docs/decisions/0012).
- `look`: something was or will be published here: due after a grace, gone when the message came by itself; `whole`
  ones look at the participants and the state too.
- `outbox`: one row per effect, in its lane, with its status, until long after it is done.
- `replica`: the running services: each has a number, given once, and a lease; effects it runs carry the number.
- `duty`: what only one replica need do at a time, and until when one has it.
- `reservation`: when each worker was last assigned, by whichever route.
- `customer`, `customer_channel`: the built-in customer book.
- `message`: what was published by anybody but a customer, whose messages stand in the history; `delivery`: how far each
  got, one row per recipient.
- `conversation_worker`: who is in which conversation, or was when it was closed, and which version he has seen.
- `silence`: the addresses of customers who have said STOP, until they say START.
- `relationship`: which worker was last with which customer, and when.
- `person`, `signin`, `attempt`: who may come in, who has, and who has tried (`key`: a digest).
- `note`, `audit`, `subscription`: what workers write for each other, who did what and why, and where to ring.
- `meta`: when this database was created, and what `probe` wrote last.

What an index is on PostgreSQL alone (which of these are partial there too, which is a GIN) stands in the revisions that
make it: said here, it would load that dialect at every start on SQLite.
"""

from collections.abc import Collection

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ColumnElement,
    ForeignKey,
    FromClause,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    and_,
    literal_column,
    or_,
    text,
)

from storage.customer_text import describe

metadata = MetaData()

# SQLite counts a plain INTEGER PRIMARY KEY by itself; PostgreSQL wants it wide.
Serial = BigInteger().with_variant(Integer, "sqlite")
# The index of a message, for which Twilio names no bound.
Whole = Serial

conversation = Table(
    "conversation",
    metadata,
    Column("id", Serial, primary_key=True),
    Column("sid", String(34), nullable=False, unique=True),
    Column("state", String(32), nullable=False),
    Column("version", Integer, nullable=False),
    Column("address", Text),
    Column("proxy_address", Text),
    Column("waiting_since", BigInteger),
    Column("created_at", BigInteger, nullable=False),
    Column("updated_at", BigInteger, nullable=False),
    Column("snapshot", Text, nullable=False),
    Column("service_sid", String(34)),
    Column("friendly_name", Text),
    Column("next_index", Whole, nullable=False, server_default=text("0")),
    Column("members_known", Boolean, nullable=False),
    Column("has_waiting", Boolean, nullable=False),
)
Index("conversation_by_state", conversation.c.state, conversation.c.id)
Index("conversation_by_address", conversation.c.address, conversation.c.proxy_address)
Index(
    "conversation_waiting",
    conversation.c.waiting_since,
    sqlite_where=conversation.c.waiting_since.is_not(None),
)

history = Table(
    "history",
    metadata,
    Column("conversation_sid", String(34), primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("at", BigInteger, nullable=False),
    Column("trigger", String(32), nullable=False),
    Column("source", String(32), nullable=False),
    Column("dest", String(32), nullable=False),
    Column("row", String(128), nullable=False),
    Column("event", Text, nullable=False),
    Column("table_version", Integer, nullable=False),
)

inbox = Table(
    "inbox",
    metadata,
    Column("key", String(128), primary_key=True),
    Column("conversation_sid", String(34), nullable=False),
    Column("kind", String(32), nullable=False),
    Column("status", String(16), nullable=False),
    Column("received_at", BigInteger, nullable=False),
    Column("due_at", BigInteger),
    Column("tries", Integer, nullable=False, server_default=text("0")),
    Column("message_index", Whole),
    Column("version", Integer),
    Column("event", Text, nullable=False),
    Column("last_error", Text),
    sqlite_with_rowid=False,
)
_waiting = inbox.c.status == "waiting"
Index("inbox_waiting", inbox.c.conversation_sid, sqlite_where=_waiting)
Index("inbox_due", inbox.c.due_at, sqlite_where=_waiting)
_parked = inbox.c.status == "parked"
Index("inbox_parked", inbox.c.conversation_sid, sqlite_where=_parked)

look = Table(
    "look",
    metadata,
    Column("id", Serial, primary_key=True),
    Column("conversation_sid", String(34)),
    Column("service_sid", String(34)),
    Column("address", Text),
    Column("proxy_address", Text),
    Column("friendly_name", Text),
    Column("whole", Boolean, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("due_at", BigInteger, nullable=False),
    Column("tries", Integer, nullable=False, server_default=text("0")),
)
Index("look_by_due", look.c.due_at)
Index("look_by_conversation", look.c.conversation_sid)
Index("look_by_address", look.c.address)

WAITING_STATUSES = ("pending", "retrying", "ambiguous")
# Compared byte by byte: what begins alike stands together, whatever language the database sorts in.
Key = String(64).with_variant(String(64, collation="C"), "postgresql")
OPEN_STATUSES = ("pending", "running", "retrying", "ambiguous")
GIVEN_UP_STATUSES = ("parked", "rejected")

outbox = Table(
    "outbox",
    metadata,
    Column("seq", Serial, primary_key=True),
    Column("key", Key, nullable=False, unique=True),
    Column("conversation_sid", String(34), nullable=False),
    Column("lane", String(48), nullable=False),
    Column("kind", String(32), nullable=False),
    Column("payload", Text, nullable=False),
    Column("status", String(16), nullable=False),
    Column("attempts", Integer, nullable=False, server_default=text("0")),
    Column("created_at", BigInteger, nullable=False),
    Column("due_at", BigInteger, nullable=False),
    Column("intent_at", BigInteger),
    Column("done_at", BigInteger),
    Column("after_index", Whole),
    Column("result_sid", String(34)),
    Column("result_index", Whole),
    Column("last_error", Text),
    Column("owner", BigInteger),
)


def _has_status(effects: FromClause, statuses: Collection[str]) -> ColumnElement[bool]:
    """Whether an effect's status is one of these: the condition of an index, in the very words in which it is asked,
    for SQLite does not see through bound values that the index serves, and would read every effect there ever was. It
    is no IN either: of that SQLite makes a table anew for each row that is written."""
    return or_(*(effects.c.status == literal_column(f"'{status}'") for status in statuses))


def is_open(effects: FromClause = outbox) -> ColumnElement[bool]:
    """The condition of the index `outbox_open`."""
    return _has_status(effects, OPEN_STATUSES)


def is_waiting() -> ColumnElement[bool]:
    """The condition of the index `outbox_due`."""
    return _has_status(outbox, WAITING_STATUSES)


def is_given_up() -> ColumnElement[bool]:
    """The condition of the index `outbox_given_up`."""
    return _has_status(outbox, GIVEN_UP_STATUSES)


Index("outbox_open", outbox.c.lane, outbox.c.seq, sqlite_where=is_open())
# What falls due, in the order it does, however much of it there is.
Index("outbox_due", outbox.c.due_at, outbox.c.seq, sqlite_where=is_waiting())
# What a person has to decide about: nothing else ever stands in it.
Index("outbox_given_up", outbox.c.seq, sqlite_where=is_given_up())


def of_conversation(sid: ColumnElement[str]) -> ColumnElement[bool]:
    """The effects of one conversation, by the beginning of their keys: an index of its own would cost as much as they
    do. `0` is what follows `/`."""
    return and_(outbox.c.key >= sid.concat(literal_column("'/'")), outbox.c.key < sid.concat(literal_column("'0'")))


replica = Table(
    "replica",
    metadata,
    Column("number", Serial, primary_key=True),
    Column("until", BigInteger, nullable=False),
    # A number is given once: it tells what a replica did from what one before it did.
    sqlite_autoincrement=True,
)

duty = Table(
    "duty",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("until", BigInteger, nullable=False),
)

reservation = Table(
    "reservation",
    metadata,
    Column("worker_sid", String(34), primary_key=True),
    Column("identity", Text, nullable=False),
    Column("last_assigned_at", BigInteger, nullable=False),
    Column("turn", BigInteger, nullable=False),
)

customer = Table(
    "customer",
    metadata,
    Column("id", Serial, primary_key=True),
    Column("customer_id", String(128), nullable=False, unique=True),
    Column("display_name", Text, nullable=False),
    Column("search", Text, nullable=False),
    Column("avatar", Text),
    Column("worker", Text),
    Column("links", Text, nullable=False),
    Column("details", Text, nullable=False),
    Column("language", String(35)),
    Column("consent", Text),
)
Index("customer_by_worker", customer.c.worker, customer.c.id)
describe(customer)

customer_channel = Table(
    "customer_channel",
    metadata,
    Column("customer_id", String(128), ForeignKey("customer.customer_id", ondelete="CASCADE"), primary_key=True),
    Column("type", String(32), primary_key=True),
    Column("value", Text, primary_key=True),
    Column("normalised", Text, nullable=False),
)
Index("customer_channel_by_address", customer_channel.c.normalised)

message = Table(
    "message",
    metadata,
    Column("conversation_sid", String(34), primary_key=True),
    Column("message_index", Whole, primary_key=True),
    Column("message_sid", String(34), nullable=False),
    Column("author", Text, nullable=False),
    Column("body", Text, nullable=False),
    Column("media", Integer, nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("effect_key", Key),
)

delivery = Table(
    "delivery",
    metadata,
    Column("message_sid", String(34), primary_key=True),
    Column("participant_sid", String(34), primary_key=True),
    Column("conversation_sid", String(34), nullable=False),
    Column("status", String(16), nullable=False),
    Column("error_code", Integer),
    Column("at", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)
Index("delivery_by_conversation", delivery.c.conversation_sid)

conversation_worker = Table(
    "conversation_worker",
    metadata,
    # Folded: identities are compared in any letter case.
    Column("identity", Text, primary_key=True),
    Column("conversation_sid", String(34), primary_key=True),
    Column("since", BigInteger, nullable=False),
    Column("seen_version", Integer, nullable=False, server_default=text("0")),
    Column("closed_at", BigInteger),
    sqlite_with_rowid=False,
)
# Open ones, and closed ones in the order they were closed: what a worker has served in years is not walked.
Index("conversation_worker_by_end", conversation_worker.c.identity, conversation_worker.c.closed_at)
Index("conversation_worker_by_conversation", conversation_worker.c.conversation_sid)

relationship = Table(
    "relationship",
    metadata,
    # The customer's id, or the address of one whom the CRM does not know.
    Column("key", Text, primary_key=True),
    Column("identity", Text, nullable=False),
    Column("last_at", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

silence = Table(
    "silence",
    metadata,
    Column("address", Text, primary_key=True),
    Column("since", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

person = Table(
    "person",
    metadata,
    Column("id", Serial, primary_key=True),
    Column("login", Text, nullable=False, unique=True),
    Column("name", Text, nullable=False),
    Column("role", String(16), nullable=False),
    Column("identity", Text, unique=True),
    Column("password_hash", Text),
    Column("oidc_subject", Text, unique=True),
    Column("created_at", BigInteger, nullable=False),
    Column("disabled_at", BigInteger),
)

signin = Table(
    "signin",
    metadata,
    Column("token_hash", String(64), primary_key=True),
    Column("person_id", Serial, ForeignKey("person.id", ondelete="CASCADE"), nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("seen_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
)
Index("signin_by_person", signin.c.person_id)

attempt = Table(
    "attempt",
    metadata,
    Column("id", Serial, primary_key=True),
    Column("key", String(64), nullable=False),
    Column("at", BigInteger, nullable=False),
)
Index("attempt_by_key", attempt.c.key, attempt.c.at)

note = Table(
    "note",
    metadata,
    Column("id", Serial, primary_key=True),
    Column("conversation_sid", String(34), nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("author", Text, nullable=False),
    Column("body", Text, nullable=False),
)
Index("note_by_conversation", note.c.conversation_sid, note.c.id)

audit = Table(
    "audit",
    metadata,
    Column("id", Serial, primary_key=True),
    Column("at", BigInteger, nullable=False),
    Column("who", Text, nullable=False),
    Column("act", String(32), nullable=False),
    Column("conversation_sid", String(34)),
    Column("target", Text),
    Column("reason", Text, nullable=False),
    Column("outcome", String(32), nullable=False),
)
Index("audit_by_conversation", audit.c.conversation_sid, audit.c.id)

subscription = Table(
    "subscription",
    metadata,
    Column("endpoint", Text, primary_key=True),
    Column("person_id", Serial, ForeignKey("person.id", ondelete="CASCADE"), nullable=False),
    Column("p256dh", Text, nullable=False),
    Column("auth", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
)
Index("subscription_by_person", subscription.c.person_id)

meta = Table(
    "meta",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("value", Text, nullable=False),
)
