"""kill -9 of each kind of process, again and again, under load: what was answered is counted, once.

What exact means stands in `tests/drills/exact.py`.
"""

from collections.abc import Callable

import pytest

from tests.drills.clients import clicking
from tests.drills.exact import Sent
from tests.drills.one_machine import DESTINATION, end_and_count, mint_paths
from tests.fixtures.system import System, wait_until

pytestmark = [pytest.mark.drill, pytest.mark.timeout(600)]

KILLS = 10
CLICKS_A_KILL = 200


def drill(system: System, kill: Callable[[], None]) -> None:
    """Load all the while; kill, wait until all is ready again, ten times over; then count."""
    with clicking(system.edge_port, mint_paths(system), pace_s=0.005) as clients:
        for _ in range(KILLS):
            answered = len(clients.answered)
            wait_until("clicks", lambda seen=answered: len(clients.answered) > seen + CLICKS_A_KILL)  # type: ignore[misc] # bound now
            kill()
            system.wait_ready()
    assert clients.destinations == {DESTINATION}
    assert 404 not in clients.statuses, clients.statuses
    misses, _ = end_and_count(system, Sent(clients.asked, clients.answered))
    assert misses == []


def kill_one(system: System, words: str) -> None:
    wait_until(f"a process {words}", lambda: system.processes(words))[0].kill()


@pytest.mark.parametrize("words", ["edge.worker", "-m edge", "deploy.standalone.analytics", "redis-server"])
def test_kill_9_of_a_child_loses_and_repeats_nothing(words: str, new_system: Callable[..., System]) -> None:
    system = new_system()
    system.start()
    drill(system, lambda: kill_one(system, words))


def test_kill_9_of_the_supervisor_loses_and_repeats_nothing(new_system: Callable[..., System]) -> None:
    system = new_system()
    system.start()

    def kill_and_start_again() -> None:
        assert system.process is not None
        system.process.kill()
        system.process.wait()
        system.start()

    drill(system, kill_and_start_again)
