"""What kind of network an autonomous system is, by its number or by the words of its name.

There is no free list of kinds that is kept up, so this is a heuristic, and no verdict rests on it alone:

| kind | what it is | known by |
| --- | --- | --- |
| `mobile` | a carrier's mobile network: many people behind few addresses | numbers, names |
| `relay` | people's traffic passes through it: privacy relays, VPNs, security gateways | numbers, names |
| `hosting` | machines to rent: programs, but also VPNs that call themselves nothing else | numbers, names |
| `other` | everything else: fixed lines, companies, universities, carriers of both kinds | |

The first row that matches counts. Numbers come first, for the largest networks' names tell least.
"""

import re
from functools import lru_cache
from typing import Final, Literal

NetworkKind = Literal["mobile", "relay", "hosting", "other"]

_MOBILE: Final = (
    *(6167, 22394),  # Verizon Wireless
    21928,  # T-Mobile in the United States
    20057,  # AT&T Mobility
    *(12576, 25135, 60339, 206067),  # EE, Vodafone and Three in the United Kingdom
    51207,  # Free Mobile
    *(55836, 45609, 38266),  # Jio, Airtel's and Vodafone Idea's mobile networks in India
    9644,  # SK Telecom
    *(26599, 26615, 22085),  # Vivo, TIM and Claro in Brazil
)
_RELAY: Final = (
    *(13335, 36183, 54113, 132892, 209242),  # Cloudflare, Akamai and Fastly: iCloud Private Relay, WARP
    15169,  # Google: VPN of its phones, and its own robots
    714,  # Apple
)
_HOSTING: Final = (
    *(16509, 14618),  # Amazon
    *(8075, 396982),  # Azure, Google Cloud
    *(31898, 36351),  # Oracle, IBM
    *(37963, 45102, 45090, 132203, 55990, 136907),  # Alibaba, Tencent, Huawei
    63949,  # Linode
)
_BY_NUMBER: Final[dict[int, NetworkKind]] = {
    **dict.fromkeys(_MOBILE, "mobile"),
    **dict.fromkeys(_RELAY, "relay"),
    **dict.fromkeys(_HOSTING, "hosting"),
}
_BY_NAME: Final[tuple[tuple[NetworkKind, re.Pattern[str]], ...]] = (
    (
        "relay",
        re.compile(
            r"vpn\b|\bzscaler|netskope|forcepoint|\biboss\b|palo alto networks|opendns|menlo security|"
            r"packethub|mullvad|windscribe|surfshark|tunnelbear|opera (software|norway)|cloudflare",
            re.IGNORECASE,
        ),
    ),
    (
        "mobile",
        re.compile(
            r"\bmobil(e|es|ity|fone|nye|tel|tek)?\b|cellular|\bcellco|t-mobile|vodacom|\bmtn\b|turkcell|"
            r"vimpelcom|beeline|megafon|kyivstar|lifecell|hutchison|\bh3g\b|smartfren|telkomsel|"
            r"telekomunikasi selular|indosat|xl axiata|maxis|celcom|safaricom|econet|airtel|\bjio\b|telcel|"
            r"polkomtel|\bncell|grameenphone|robi axiata|banglalink|dialog axiata|globe telecom|"
            r"smart communications|true ?move|advanced wireless network|\bmobily\b|\bzain\b",
            re.IGNORECASE,
        ),
    ),
    (
        "hosting",
        re.compile(
            r"host(ing|er|ers|inger|s)?\b|\bvps\b|\bcloud|cloud\b|\bservers?\b|data ?-?cent(er|re|rum)|"
            r"datacamp|\bcolo(cation|ssus)?\b|dedicated|\bidc\b|digitalocean|hetzner|\bovh\b|contabo|"
            r"leaseweb|linode|vultr|choopa|constant company|scaleway|\bm247\b|\bcdn\b|cdn77|rackspace|"
            r"godaddy|\bionos\b|netcup|strato\b|equinix|amazon|alibaba|tencent|softlayer|quadranet|"
            r"psychz|colocrossing|\bservermania|limestone networks|\bnforce\b|worldstream|\bg-?core\b|"
            r"\bserverius|xneelo|\bupcloud|kamatera|ipxo|datapacket",
            re.IGNORECASE,
        ),
    ),
)


@lru_cache(16_384)
def network_kind(asn: int, name: str) -> NetworkKind:
    """The kind of an autonomous system by its number and its holder's name."""
    known = _BY_NUMBER.get(asn)
    if known is not None:
        return known
    return next((kind for kind, pattern in _BY_NAME if pattern.search(name)), "other")
