"""What campaign systems write to `smartlinks.links.v1`. `docs/link-commands.v1.schema.json` is made of this.

Commands on one link have one key, so that they stay in order. A link is named by its id, or by the
`external_id` it was given, for who does not wait for its id.
"""

import re
from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal

import msgspec
import orjson
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, model_validator

from api.fields import MAX_LABEL_CHARS, MAX_REFERENCE_CHARS, Label
from api.models import MAX_RECIPIENTS, LinkPatch, NewLink, NewRecipient
from api.problems import ProblemError, problem_of_body
from api.recipient_forms import Pair

TYPES: Final = ("link.create", "link.update", "link.delete", "recipients.add")

MAX_ID_CHARS: Final = 200
MAX_NAME_CHARS: Final = 64

CommandId = Annotated[str, Field(min_length=1, max_length=MAX_ID_CHARS)]


class _Command(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    id: CommandId = Field(
        description="Unique for ever: one that comes again is answered again, not done again"
    )
    tenant: str = Field(min_length=1, max_length=MAX_NAME_CHARS)


class _OnLink(_Command):
    link_id: str | None = Field(None, max_length=MAX_NAME_CHARS)
    external_id: Label | None = None

    @model_validator(mode="after")
    def _names_one_link(self) -> "_OnLink":
        if (self.link_id is None) == (self.external_id is None):
            raise ValueError("Either link_id or external_id says which link is meant")
        return self


class CreateLink(_Command):
    type: Literal["link.create"]
    link: NewLink = Field(description="As the body of POST /v1/links")


class UpdateLink(_OnLink):
    type: Literal["link.update"]
    link: LinkPatch = Field(description="As the body of PATCH /v1/links/{id}")


class DeleteLink(_OnLink):
    type: Literal["link.delete"]


class AddRecipients(_OnLink):
    type: Literal["recipients.add"]
    recipients: list[NewRecipient] = Field(min_length=1, max_length=MAX_RECIPIENTS)


@dataclass(frozen=True, slots=True)
class Addition:
    """What `AddRecipients` says. Most are read without a model (`_read_plain`), in a tenth of the time."""

    id: str
    tenant: str
    link_id: str | None
    external_id: str | None
    pairs: list[Pair]
    type: Literal["recipients.add"] = "recipients.add"


Command = Annotated[CreateLink | UpdateLink | DeleteLink | AddRecipients, Field(discriminator="type")]
COMMAND: Final[TypeAdapter[CreateLink | UpdateLink | DeleteLink | AddRecipients]] = TypeAdapter(Command)


class UndecodableCommandError(ValueError):
    """Nobody can be answered: the value has no id, tenant or type that we know."""


class RefusedCommandError(Exception):
    """A command that does not fit. `error` says what is wrong with it."""

    def __init__(self, fields: dict[str, Any], error: ProblemError) -> None:
        super().__init__(str(error))
        self.fields = fields
        self.error = error


ReadCommand = CreateLink | UpdateLink | DeleteLink | Addition


def read_command(value: bytes | None) -> ReadCommand:
    """Raises `UndecodableCommandError`, `RefusedCommandError`."""
    if (addition := _read_plain(value or b"")) is not None:
        return addition
    try:
        fields = orjson.loads(value or b"")
    except orjson.JSONDecodeError as error:
        raise UndecodableCommandError(f"not JSON: {error}") from None
    if not isinstance(fields, dict):
        raise UndecodableCommandError("not a JSON object")
    for name in ("id", "tenant", "type"):
        if not isinstance(fields.get(name), str) or not fields[name]:
            raise UndecodableCommandError(f"no {name}, which is a text")
    if fields["type"] not in TYPES:
        raise UndecodableCommandError(f"type is none of {', '.join(TYPES)}")
    try:
        command = COMMAND.validate_python(fields)
    except ValidationError as error:
        details = error.errors(include_url=False, include_input=False)
        for detail in details:
            detail["loc"] = detail["loc"][1:]  # without the type, by which the model was chosen
        problem = problem_of_body(details)
        refusal = ProblemError(problem.type, problem.detail, problem.flaws)
        raise RefusedCommandError(fields, refusal) from None
    if isinstance(command, AddRecipients):
        pairs = [(each.recipient, each.reference) for each in command.recipients]
        return Addition(command.id, command.tenant, command.link_id, command.external_id, pairs)
    return command


class _PlainRecipient(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    recipient: Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_REFERENCE_CHARS)]
    reference: Annotated[str, msgspec.Meta(max_length=MAX_REFERENCE_CHARS)] = ""


class _PlainAddition(msgspec.Struct, forbid_unknown_fields=True):
    type: Literal["recipients.add"]
    id: Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_ID_CHARS)]
    tenant: Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_NAME_CHARS)]
    recipients: Annotated[list[_PlainRecipient], msgspec.Meta(min_length=1, max_length=MAX_RECIPIENTS)]
    link_id: Annotated[str, msgspec.Meta(max_length=MAX_NAME_CHARS)] | None = None
    external_id: Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_LABEL_CHARS)] | None = None


_PLAIN_DECODER: Final = msgspec.json.Decoder(_PlainAddition)
_PLAIN: Final = re.compile(r"[!-~]*\Z")


def _read_plain(value: bytes) -> Addition | None:
    """The command where it certainly fits; None where the models must say what it is, or what is wrong."""
    try:
        read = _PLAIN_DECODER.decode(value)
    except msgspec.DecodeError:
        return None
    pairs = [(each.recipient, each.reference) for each in read.recipients]
    texts = "".join(map("".join, pairs)) + (read.external_id or "")
    if (read.link_id is None) == (read.external_id is None) or not _PLAIN.match(texts):
        return None
    return Addition(read.id, read.tenant, read.link_id, read.external_id, pairs)
