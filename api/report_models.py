"""What the report routes answer."""

from datetime import datetime
from typing import Any, Self

from pydantic import BaseModel, Field

from api.fields import instant_of
from api.reports.contract import Dimension


class ClickedRecipient(BaseModel):
    """A recipient with a human click; the place and device are those of the latest one."""

    link_id: str
    link_name: str
    recipient: str
    reference: str
    code: str
    clicks: int = Field(description="Human ones")
    first_click_at: datetime
    last_click_at: datetime
    address: str
    browser: str
    os: str
    device: str
    country: str
    region: str
    city: str

    @classmethod
    def of(cls, row: dict[str, Any]) -> Self:
        """From a row of `who_clicked`."""
        return cls(
            **row,
            first_click_at=instant_of(row["first_click_ms"]),
            last_click_at=instant_of(row["last_click_ms"]),
        )


class ClickedRecipientPage(BaseModel):
    data: list[ClickedRecipient]
    next_cursor: str | None = Field(
        description="Send it as cursor to get the next page; null on the last one"
    )


class Counts(BaseModel):
    total_clicks: int = Field(description="Every click, whatever its verdict")
    human_clicks: int
    unique_clicks: int = Field(description="Distinct visitors among the human clicks")
    repeat_clicks: int = Field(description="Human clicks less unique ones")
    bot_clicks: int = Field(description="Previews and automated ones")
    preview_clicks: int
    automated_clicks: int


class _Start(BaseModel):
    start: datetime = Field(description="With the offset that the time zone has then")


class Bucket(Counts, _Start):
    """Counts from `start` to the next bucket's."""


class Share(BaseModel):
    key: str = Field(examples=["GB"])
    clicks: int
    unique: int = Field(description="Distinct visitors among the human clicks")


class PeriodStats(BaseModel):
    """The same counts of the range of equal length before."""

    start: datetime
    end: datetime
    totals: Counts
    series: list[Bucket]
    unique_is_estimate: bool


class Stats(BaseModel):
    totals: Counts
    series: list[Bucket] = Field(description="Every bucket of the range, empty ones too")
    breakdowns: dict[Dimension, list[Share]] = Field(description="By dimension asked for, most clicks first")
    unique_is_estimate: bool = Field(
        description="Whether uniques are told from samples, as those of many clicks are. All else is exact."
    )
    as_of: datetime = Field(description="Every click stored until then is counted")
    notes: list[str] = Field(description="What a reader ought to know, such as that no place is known")
    previous: PeriodStats | None = Field(None, description="With compare=previous_period")
