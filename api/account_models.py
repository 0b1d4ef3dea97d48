"""What goes in and out of the ledger, of dead letters and of the erasure of a person."""

from datetime import datetime
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, Field

from aggregator.contract import Ledger, OpenLetter, Refusal, parse_origin
from api.models import Body
from ingest.contract import DeadReason

MAX_ORIGINS = 1000


def _check_origin(text: str) -> str:
    parse_origin(text)
    return text


Origin = Annotated[
    str,
    Field(
        max_length=300,
        description="As it is listed",
        examples=["2079283823847:1234"],
        json_schema_extra={"pattern": r"^[\s\S]+:[0-9]{1,19}$"},
    ),
    AfterValidator(_check_origin),
]


class DroppedClicks(BaseModel):
    """Clicks that were answered and are not stored."""

    not_spooled: int = Field(description="The disk of the edge took no more")
    damaged_records: int = Field(
        description="Their bytes in the spool did not check: a power cut, a bad disk"
    )
    dead_letters: int = Field(description="Kept as dead letters, for somebody to mend and replay")
    discarded_dead_letters: int = Field(
        description="Dead letters that were discarded, or erased with a person"
    )


class RemovedClicks(BaseModel):
    """Clicks that were stored and are no rows any more."""

    erased: int = Field(description="With a link or a person")
    expired: int = Field(description="Older than their tenant keeps clicks")
    repeated: int = Field(description="Reported by an app, and a redirect of the same person came, too")


class LedgerDifferences(BaseModel):
    """By how much the account does not balance; all are 0 where it does."""

    answered: int = Field(description="Below 0: stored more often than answered")
    rows: int = Field(description="Rows that are there, less those that should be")
    rollup: int = Field(description="Clicks that the rollups counted, less those that were stored")


class LedgerDocument(BaseModel):
    """Answered = spooled + not spooled; spooled = carried + on the way; carried = stored + other drops."""

    balanced: bool
    differences: LedgerDifferences
    answered: int = Field(description="Clicks that the edge answered, as far as this was heard of")
    spooled: int
    on_the_way: int = Field(description="In the spools of this machine, and not stored yet")
    carried: int = Field(description="Read from the spool or the bus")
    stored: int = Field(description="Ever stored, replays left out")
    replayed: int = Field(description="Stored from dead letters")
    dropped: DroppedClicks
    repeats_filtered: int = Field(description="Records that the bus brought again; none of them is a click")
    removed: RemovedClicks
    rows: int = Field(description="Clicks that are there now")
    in_rollup: int = Field(description="Clicks that the rollups ever counted")

    @classmethod
    def of(cls, ledger: Ledger) -> "LedgerDocument":
        return cls(
            balanced=ledger.is_balanced,
            differences=LedgerDifferences(**ledger.differences),
            answered=ledger.account.answered,
            spooled=ledger.spooled,
            on_the_way=ledger.account.on_the_way,
            carried=ledger.carried,
            stored=ledger.stored,
            replayed=ledger.replayed,
            dropped=DroppedClicks(
                not_spooled=ledger.not_spooled,
                damaged_records=ledger.damaged,
                dead_letters=ledger.letters_open,
                discarded_dead_letters=ledger.letters_discarded,
            ),
            repeats_filtered=ledger.repeated,
            removed=RemovedClicks(
                erased=ledger.erased, expired=ledger.expired, repeated=ledger.reported_twice
            ),
            rows=ledger.rows,
            in_rollup=ledger.in_rollup,
        )


class DeadLetterDocument(BaseModel):
    """An event that is no click."""

    origin: str = Field(
        description="Where it was read: partition and position", examples=["2079283823847:1234"]
    )
    reason: str
    detail: str = Field(description="What is wrong with it")
    value: str | None = Field(description="Its text; null where it is no UTF-8")
    value_hex: str | None = Field(description="Its bytes where they are no UTF-8")
    died_at: datetime
    is_asked: bool = Field(description="Its replay or discard is asked for and comes within seconds")

    @classmethod
    def of(cls, letter: OpenLetter) -> "DeadLetterDocument":
        return cls(**{name: getattr(letter, name) for name in OpenLetter.__slots__})


class DeadLetterPage(BaseModel):
    data: list[DeadLetterDocument]
    next_cursor: str | None


class MendedLetter(Body):
    """A letter to replay; as it is, or as you mended it."""

    origin: Origin
    value: dict[str, Any] | None = Field(
        None, description="The click event as it should be (docs/clicks.v1.schema.json)"
    )


class ReplayRequest(Body):
    """Which letters to replay: these, or up to 10,000 of one reason, or of any."""

    letters: list[MendedLetter] | None = Field(None, min_length=1, max_length=MAX_ORIGINS)
    reason: DeadReason | None = None


class DiscardRequest(Body):
    """Which letters to discard for good."""

    origins: list[Origin] = Field(min_length=1, max_length=MAX_ORIGINS)


class RefusedLetter(BaseModel):
    """A letter that can't be replayed like that."""

    origin: str
    reason: str
    detail: str

    @classmethod
    def of(cls, refusal: Refusal) -> "RefusedLetter":
        return cls(origin=refusal.origin, reason=refusal.reason, detail=refusal.detail)


class ReplayAnswer(BaseModel):
    requested: int = Field(description="Letters that are replayed within seconds, each counted once")
    refused: list[RefusedLetter]


class DiscardAnswer(BaseModel):
    requested: int


class ErasedRecipient(BaseModel):
    """What was erased of a person."""

    codes: int = Field(
        description="Short URLs that were theirs; the edge answers 404 for them within a second"
    )
    clicks: int = Field(description="Clicks on those, gone from every report at once")
    erased_at: datetime
    off_disk_by: datetime = Field(description="When the last bytes of the rows have left the disk")
    swept_until: datetime = Field(description="Until when clicks that arrive late are erased as well")
