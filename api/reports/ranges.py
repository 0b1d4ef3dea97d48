"""Ranges by name, as the clocks of a time zone have them. Pure."""

from datetime import date, datetime, time, timedelta
from typing import Final, Literal, get_args
from zoneinfo import ZoneInfo

Preset = Literal[
    "today",
    "yesterday",
    "last_7_days",
    "last_30_days",
    "this_week",
    "last_week",
    "this_month",
    "last_month",
    "this_year",
]

PRESETS: Final[tuple[str, ...]] = get_args(Preset)


def preset_range(preset: Preset, now: datetime, zone: ZoneInfo) -> tuple[datetime, datetime]:
    """From the range's first midnight to the one behind its last day, or to `now` where that comes first.

    The last 7 days are today and the six before. Weeks begin on Monday.
    """
    today = now.astimezone(zone).date()
    first, behind = _days(preset, today)
    return _midnight(first, zone), min(now, _midnight(behind, zone))


def _days(preset: Preset, today: date) -> tuple[date, date]:  # noqa: PLR0911 - a return a name
    """The first day, and the one behind the last."""
    tomorrow = today + timedelta(days=1)
    monday = today - timedelta(days=today.weekday())
    month = today.replace(day=1)
    match preset:
        case "today":
            return today, tomorrow
        case "yesterday":
            return today - timedelta(days=1), today
        case "last_7_days":
            return today - timedelta(days=6), tomorrow
        case "last_30_days":
            return today - timedelta(days=29), tomorrow
        case "this_week":
            return monday, tomorrow
        case "last_week":
            return monday - timedelta(days=7), monday
        case "this_month":
            return month, tomorrow
        case "last_month":
            return (month - timedelta(days=1)).replace(day=1), month
        case "this_year":
            return today.replace(month=1, day=1), tomorrow


def _midnight(day: date, zone: ZoneInfo) -> datetime:
    return datetime.combine(day, time(), zone)
