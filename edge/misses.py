"""Who keeps missing is slowed: how long the answer to a miss is to be held. Pure but for its own counts.

What is promised:

- Only answers to misses are ever held. A hit is answered at once, whatever its address has missed before, so
  nobody pays for a scanner behind the same NAT.
- A hit makes up for one miss of its address, so that an address which hits as often as it misses is never
  slowed.
- Missing is counted by IPv4 address and by /24, by IPv6 /64: as much as one subscriber can choose from.
- Memory is bounded: accounts of the addresses that missed lately, at most `2 * ADDRESSES_A_GENERATION`.
"""

import socket
from dataclasses import dataclass
from typing import Final

from edge.cache import BoundedCache

ADDRESSES_A_GENERATION: Final = 8_192
STEP_S: Final = 0.1
MAX_DELAY_S: Final = 5.0


@dataclass(frozen=True, slots=True)
class Allowance:
    """Misses that cost nothing: `free` at once, and `a_second` more as time goes by."""

    free: int
    a_second: float


OF_ADDRESS: Final = Allowance(free=20, a_second=1 / 3)
OF_NETWORK: Final = Allowance(free=100, a_second=5 / 3)


class _Account:
    """The misses of one address or network that are not made up for yet."""

    __slots__ = ("_allowance", "_as_of_s", "_misses")

    def __init__(self, allowance: Allowance, now_s: float) -> None:
        self._allowance = allowance
        self._misses = 0.0
        self._as_of_s = now_s

    def miss(self, now_s: float) -> float:
        """Note a miss; the seconds that it is to be held."""
        forgiven = (now_s - self._as_of_s) * self._allowance.a_second
        self._as_of_s = now_s
        most = self._allowance.free + MAX_DELAY_S / STEP_S
        self._misses = min(most, max(0.0, self._misses - forgiven) + 1)
        return max(0.0, self._misses - self._allowance.free) * STEP_S

    def hit(self) -> None:
        self._misses -= 1


class Misses:
    """The accounts of a worker. Addresses are text, as in a click; times are seconds of a monotonic clock."""

    def __init__(self, addresses_a_generation: int = ADDRESSES_A_GENERATION) -> None:
        self.by_address: Final[BoundedCache[bytes, tuple[_Account, ...]]] = BoundedCache(
            addresses_a_generation
        )
        """The accounts that an address's misses go to. The redirect path looks here whether a hit matters."""
        self._by_network: BoundedCache[bytes, _Account] = BoundedCache(addresses_a_generation)

    def miss(self, address: bytes, now_s: float) -> float:
        """Note a miss; the seconds for which its answer is to be held: 0 for most, `MAX_DELAY_S` at most."""
        accounts = self.by_address.get(address)
        if accounts is None:
            accounts = self._open(address, now_s)
            self.by_address.put(address, accounts)
        return max([account.miss(now_s) for account in accounts])

    def hit(self, address: bytes) -> None:
        """Make up for one miss of an address that is in `by_address`."""
        for account in self.by_address.get(address) or ():
            account.hit()

    def _open(self, address: bytes, now_s: float) -> tuple[_Account, ...]:
        if b":" in address:
            subnet = socket.inet_pton(socket.AF_INET6, address.decode())[:8]
            return (self._open_network(subnet, OF_ADDRESS, now_s),)
        own = _Account(OF_ADDRESS, now_s)
        return own, self._open_network(address.rpartition(b".")[0], OF_NETWORK, now_s)

    def _open_network(self, network: bytes, allowance: Allowance, now_s: float) -> _Account:
        account = self._by_network.get(network)
        if account is None:
            account = _Account(allowance, now_s)
            self._by_network.put(network, account)
        return account
