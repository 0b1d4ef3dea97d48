"""What campaign systems write to `smartlinks.links.v1`. `docs/link-commands.v1.schema.json` is made of this.

Commands on one link have one key, so that they stay in order. A link is named by its id, or by the
`external_id` it was given, for who does not wait for its id.
"""

from typing import Annotated, Any, Final, Literal

import orjson
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, model_validator

from api.fields import Label
from api.models import MAX_RECIPIENTS, LinkPatch, NewLink, NewRecipient
from api.problems import ProblemError, problem_of_body

TYPES: Final = ("link.create", "link.update", "link.delete", "recipients.add")

CommandId = Annotated[str, Field(min_length=1, max_length=200)]


class _Command(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    id: CommandId = Field(
        description="Unique for ever: one that comes again is answered again, not done again"
    )
    tenant: str = Field(min_length=1, max_length=64)


class _OnLink(_Command):
    link_id: str | None = Field(None, max_length=64)
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


def read_command(value: bytes | None) -> CreateLink | UpdateLink | DeleteLink | AddRecipients:
    """Raises `UndecodableCommandError`, `RefusedCommandError`."""
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
        return COMMAND.validate_python(fields)
    except ValidationError as error:
        details = error.errors(include_url=False, include_input=False)
        for detail in details:
            detail["loc"] = detail["loc"][1:]  # without the type, by which the model was chosen
        problem = problem_of_body(details)
        refusal = ProblemError(problem.type, problem.detail, problem.flaws)
        raise RefusedCommandError(fields, refusal) from None
