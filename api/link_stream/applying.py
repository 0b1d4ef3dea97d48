"""Applies commands in their order and says what came of each. Doing it twice has one effect.

- A command that makes, changes or deletes a link is noted in Redis under its id before it is begun, and its
  result once there is one. One that comes again is answered by that result.
- One that was begun and whose end nobody noted is done again: a link is made under an id that is worked out
  from the command's, so it is found if it was made; a changed link's document names the commands that changed
  it, in the same write; a link that is gone already was deleted by this.
- The same (link, recipient, reference) always gets its same code.
"""

import asyncio
import logging
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain, groupby
from typing import Any, Final

from api.conventions.shared_state import SharedState, SharedStateUnavailableError
from api.link_fields import derived_link_id
from api.link_stream import results
from api.link_stream.commands import Addition, CreateLink, DeleteLink, RefusedCommandError, UpdateLink
from api.problems import NOT_FOUND, UNAVAILABLE, Flaw, ProblemError, invalid_body, not_found, pointer_to
from api.services import Services
from edge.contract import LinkStoreUnavailableError
from ingest.contract import (
    DEFAULT_TENANT,
    LinkChangedError,
    OutboxUnavailableError,
    WarehouseUnavailableError,
    read_tenants,
)

NOTED_FOR_S: Final = 8 * 24 * 3600  # longer than the topic keeps a command
AT_ONCE: Final = 64
RECIPIENTS_A_RUN: Final = 16_000
MINTED_AT_ONCE: Final = 8
RUNS_OF_A_LINK: Final = (
    2  # at once: one is looked up while the other is written, and those of other links go on
)
PASSING: Final = (
    LinkStoreUnavailableError,
    WarehouseUnavailableError,
    SharedStateUnavailableError,
    OutboxUnavailableError,
)
_BEGUN: Final = b"begun"

OnLink = UpdateLink | DeleteLink | Addition
Command = CreateLink | OnLink
log = logging.getLogger(__name__)


class Applying:
    """Raises what is `PASSING` where nothing can be done for the time being: the same again, later."""

    def __init__(self, services: Services, shared_state: SharedState) -> None:
        self._services = services
        self._shared_state = shared_state
        self._places = asyncio.Semaphore(AT_ONCE)
        self._minting = asyncio.Semaphore(MINTED_AT_ONCE)

    async def apply(self, commands: Sequence[Command | RefusedCommandError]) -> list[list[bytes]]:
        """The results of each command, in order.

        Creations, and recipients of one link, are done together where they follow each other.
        """
        answers: list[list[bytes]] = []
        tenants = await asyncio.to_thread(read_tenants, self._services.warehouse)
        for kind, run in groupby(commands, type):
            some: list[Any] = list(run)
            if kind is RefusedCommandError:
                answers += [[results.of_refusal(each.fields, each.error)] for each in some]
                continue
            known = [each.tenant == DEFAULT_TENANT or each.tenant in tenants for each in some]
            done = await self._do([each for each, is_known in zip(some, known, strict=True) if is_known])
            answers += [
                next(done) if is_known else _refuse_tenant(each)
                for each, is_known in zip(some, known, strict=True)
            ]
        return answers

    async def _do(self, commands: Sequence[Any]) -> Any:
        if not commands:
            return iter(())
        if isinstance(commands[0], Addition):
            return iter(await self._add_recipients(commands))
        if isinstance(commands[0], CreateLink):
            return iter(await asyncio.gather(*map(self._do_once, commands)))
        return iter([await self._do_once(command) for command in commands])

    async def _do_once(self, command: CreateLink | UpdateLink | DeleteLink) -> list[bytes]:
        key = f"link-command:{command.tenant}:{command.id}"
        async with self._places:
            noted = await self._shared_state.claim(key, _BEGUN, NOTED_FOR_S)
            if noted is not None and noted != _BEGUN:
                return [noted]
            head = _head(command)
            try:
                result = await self._carry_out(command, head, was_begun=noted is not None)
            except PASSING:
                raise
            except Exception as error:  # noqa: BLE001 - each is answered, and none holds up those that follow
                _raise_if_passing(error)
                result = _refusal(head, error)
            await self._shared_state.put(key, result, NOTED_FOR_S)
        return [result]

    async def _carry_out(
        self, command: CreateLink | UpdateLink | DeleteLink, head: Mapping[str, Any], *, was_begun: bool
    ) -> bytes:
        links, metrics, now_ms = self._services.links, self._services.metrics, self._services.clock()
        if isinstance(command, CreateLink):
            link_id = link_id_of(command.tenant, command.id)
            try:
                made = await links.make(command.tenant, command.link, link_id=link_id)
                metrics.links_made.inc()
            except LinkChangedError:
                made = await links.read(command.tenant, link_id)  # it was made before we died, or by another
            return results.of_link(head, made, now_ms)
        try:
            link_id = await self._find(command)
            if isinstance(command, UpdateLink):
                changed = await links.change(command.tenant, link_id, command.link, command=command.id)
                return results.of_link(head, changed, now_ms)
            await links.delete(command.tenant, link_id)
            metrics.links_deleted.inc()
        except ProblemError as error:
            if not (was_begun and isinstance(command, DeleteLink) and error.problem.type is NOT_FOUND):
                raise
            link_id = command.link_id or ""
        return results.of_deletion(head, link_id)

    async def _add_recipients(self, commands: Sequence[Addition]) -> list[list[bytes]]:
        """Many of a link at a time, some looked up while others are written; links side by side."""
        by_link: defaultdict[tuple[str, str | None, str | None], list[int]] = defaultdict(list)
        for at, command in enumerate(commands):
            by_link[command.tenant, command.link_id, command.external_id].append(at)
        answers: list[list[bytes]] = [[] for _ in commands]

        async def add(places: Sequence[int], turns: asyncio.Semaphore) -> None:
            some = [commands[at] for at in places]
            async with turns:
                minted = await self._mint(some)
            for at, answer in zip(places, minted, strict=True):
                answers[at] = answer

        runs = [
            add(run, turns)
            for places in by_link.values()
            for turns in [asyncio.Semaphore(RUNS_OF_A_LINK)]
            for run in _runs(places, commands)
        ]
        await asyncio.gather(*runs)
        return answers

    async def _mint(self, commands: Sequence[Addition]) -> list[list[bytes]]:
        pairs = list(chain.from_iterable(command.pairs for command in commands))
        try:
            async with self._minting:
                link_id = await self._find(commands[0])
                link, codes = await self._services.recipients.mint_pairs(commands[0].tenant, link_id, pairs)
        except PASSING:
            raise
        except Exception as error:  # noqa: BLE001 - as in _do_once
            _raise_if_passing(error)
            return [[_refusal(_head(command), error)] for command in commands]
        answers = []
        start = 0
        for command in commands:
            end = start + len(command.pairs)
            answers.append(results.of_codes(_head(command), link, command.pairs, codes[start:end]))
            start = end
        return answers

    async def _find(self, command: OnLink) -> str:
        if command.link_id is not None:
            return command.link_id
        name = command.external_id or ""
        found = await asyncio.to_thread(self._services.catalogue.links_named, command.tenant, [name])
        if name not in found:
            raise not_found("link")
        return found[name].id


def _runs(places: Sequence[int], commands: Sequence[Addition]) -> Iterator[list[int]]:
    """The places in runs of some `RECIPIENTS_A_RUN` recipients."""
    run: list[int] = []
    count = 0
    for at in places:
        run.append(at)
        count += len(commands[at].pairs)
        if count >= RECIPIENTS_A_RUN:
            yield run
            run, count = [], 0
    if run:
        yield run


def link_id_of(tenant: str, command_id: str) -> str:
    """The id of the link that a command makes."""
    return derived_link_id("command", tenant, command_id)


def _head(command: Command) -> dict[str, Any]:
    return {"id": command.id, "tenant": command.tenant, "type": command.type}


def _raise_if_passing(error: Exception) -> None:
    if isinstance(error, ProblemError) and error.problem.type is UNAVAILABLE:
        raise SharedStateUnavailableError(error.problem.detail) from error


def _refusal(head: Mapping[str, Any], error: Exception) -> bytes:
    if not isinstance(error, ProblemError):
        log.error("a link command failed", exc_info=error)
    return results.of_refusal(head, error)


def _refuse_tenant(command: Command) -> list[bytes]:
    error = invalid_body(Flaw("There is no such tenant", pointer_to("tenant")))
    return [results.of_refusal(_head(command), error)]
