"""Rules about user agents of people: those that look like robots, and what browsers look like.

Their order among all rules is `rules.py`'s.
"""

from typing import Final

from ingest.enrich.rule import AgentRule

# People whom a part of a word would make a robot.
PEOPLE: Final = (
    AgentRule("in-app browser: Facebook", "human", r"\bFBA[NV]/|\bFB_IAB/|MetaIAB|\[FB"),
    AgentRule("in-app browser: Instagram", "human", r"Mozilla/.* Instagram\b"),
    AgentRule("in-app browser: Threads", "human", r"Mozilla/.* Barcelona \d"),
    AgentRule("in-app browser: TikTok", "human", r"Mozilla/.*(musical_ly|BytedanceWebview|trill_|TikTok )"),
    AgentRule("in-app browser: LINE", "human", r"Mozilla/.* Line/\d"),
    AgentRule("in-app browser: KakaoTalk", "human", r"Mozilla/.*KAKAOTALK"),
    AgentRule("in-app browser: WhatsApp", "human", r"Mozilla/.* WhatsApp/"),
    AgentRule("in-app browser: Viber", "human", r"Mozilla/.* Viber(/|$)"),
    AgentRule("in-app browser: Telegram", "human", r"Mozilla/.* Telegram-(Android|iOS)/"),
    AgentRule("in-app browser: Snapchat", "human", r"Mozilla/.* Snapchat/"),
    AgentRule("in-app browser: Pinterest", "human", r"Mozilla/.*\[Pinterest/"),
    AgentRule("in-app browser: LinkedIn", "human", r"Mozilla/.*(LinkedInApp| LinkedIn/\d)"),
    AgentRule("in-app browser: X", "human", r"Mozilla/.* (Twitter for i\w+(/[\d.]+)?$|TwitterAndroid)"),
    AgentRule("in-app browser: Baidu", "human", r"Mozilla/.*(baiduboxapp|baidubrowser|BIDUBrowser)"),
    AgentRule("in-app browser: Bing", "human", r"Mozilla/.* Bing(Sapphire|Web)/"),
    AgentRule("in-app browser: Google", "human", r"Mozilla/.* GSA/\d"),
    AgentRule(
        "in-app browser: other apps",
        "human",
        r"Mozilla/.*(MicroMessenger/|NAVER\(inapp|DaumApps/|NewsSapphire/|DuckDuckGo/\d|Ddg/|Ecosia |YJApp|"
        r"Yandex(Search|Browser)/)",
    ),
    AgentRule(
        "in-app browser: desktop programs",
        "human",
        r"Mozilla/.* ((Slack_SSB|Teams|discord|Notion)/\d.* Electron/|Electron/.* Slack_SSB/)",
    ),
    # Its own fetches are `NetNewsWire/6.1` alone.
    AgentRule("in-app browser: feed readers", "human", r"^Mozilla/5\.0 \(.* AppleWebKit/.* NetNewsWire/"),
    AgentRule(
        "in-app browser: of apps that scan codes and papers",
        "human",
        r"Mozilla/.*(; wv\)|\((iPhone|iPad);).* (Cam|QR|Barcode|Doc(ument)?)[ -]?Scanner/",
    ),
    AgentRule(
        "browser: through Google's translator", "human", r"gzip\(gfe\) \(via (translate|docs)\.google\."
    ),
    AgentRule(
        "browser: with a toolbar",
        "human",
        r"^Mozilla/[\d.]+ \(.* (Ant\.com Toolbar|Firefox/[\d.]+ StumbleUpon/)",
    ),
    AgentRule("browser: Sogou", "human", r"Mozilla/.*(SogouM(SE|obileBrowser)|SE \d\.X MetaSr)"),
    AgentRule("phone: Cubot", "human", r"Mozilla/.*Android.*(?i:cubot)[ _]"),
    # A model's name stands between the version and the build: `Android 6.0; POWER BOT Build/MRA58K`.
    AgentRule("phone: named bot", "human", r"Android [\d.]+; [^;()]*(?i:bot)[^;()]* Build/"),
    # Nothing but Android's own browser or Chrome, on a model of any name: `Spider 8`, `Capture+`.
    AgentRule(
        "Android browser",
        "human",
        r"^(?i:Mozilla/5\.0 \(Linux;( U;)? Andr[o0]id [\d.]+; ?([a-z]{2}[-_][a-z]{2}; )?[^()/;:@]*"
        r"( Build/[\w.-]+)?\) AppleWebKit/[\d.]+ \(KHTML, like Gecko\)( (Version|Chrome|Safari|OPR|"
        r"UCBrowser|SamsungBrowser|Mobile)(/[\d.]+)?|( [\w-]*Browser[\w-]*(/[\d.]+)?))+)$",
    ),
    # Their strings share words with PhantomJS and with robots that call themselves compatible.
    AgentRule(
        "television",
        "human",
        r"HbbTV/\d|NetCast|LG Browser/|BrightSign/|CE-HTML|KreaTV/|Viera/|Web0S; Linux|"
        r"Maple[ /]\d",
    ),
    AgentRule(
        "browser: of old",
        "human",
        r"^(NCSA|VMS)_Mosaic|^(AmigaVoyager|IBrowse|Xiino|Surf|Uzbl)[/ ]|QtWeb Internet|Camino/|\bAmiga|"
        r"RISC OS",
    ),
    AgentRule("games console", "human", r"^Mozilla/\d\.\d \((PlayStation|PLAYSTATION|Nintendo|PSP)\b"),
    # A click in a document: Office asks for the link itself, and hands the browser where that led
    # (Microsoft's KB 899927). So this request is all that is seen of a person; Outlook does otherwise.
    AgentRule(
        "link in an Office document",
        "human",
        r"^Microsoft Office( (Word|Excel|PowerPoint|OneNote))?/[\d./]+ \(((Mac OS|Windows|iOS|Android)/|"
        r"Windows NT [\d.]+; Microsoft (Word|Excel|PowerPoint|OneNote|Visio|Publisher|Access) )|"
        r"^Mozilla/4\.0 \(compatible; ms-office; MSOffice \d+\)$",
    ),
    # A component that programs show pages with; people's Internet Explorer names it ever after.
    AgentRule("browser: EmbeddedWB", "human", r"MSIE .*(bsalsa\.com|EmbeddedWB)"),
)

# What browsers look like. All that is left and unlike them is no browser.
BROWSERS: Final = (
    AgentRule("Android web view", "human", r"^Mozilla/5\.0 \(.*; wv\)"),
    # Anywhere: some people's extensions and proxies put quotes or a header's name before it.
    AgentRule(
        "browser", "human", r"(?i:Mozilla|Opera)['\"]? ?[/\\ ] ?\d.*[(;]|AppleWebKit/\d|Gecko/\d{8}|KHTML/\d"
    ),
    AgentRule("UC Browser", "human", r"^(UCWEB|JUC|IUC)|UCBrowser/|UC Browser"),
    AgentRule(
        "phone's browser",
        "human",
        r"MIDP|CLDC|(?i:UP\.Browser|UP\.Link|Obigo|Teleca|NetFront|MQQBrowser|Opera Mini|Opera Mobi|"
        r"WAP-?Browser|Dorado|Maui |MAUI|J2ME|Browser/)",
    ),
    AgentRule(
        "phone's maker",
        "human",
        r"(?i)^(nokia|samsung|sec-|sgh|sch-|lg[-/ eg]|mot-|motorola|sonyericsson|ericsson|blackberry|bb10|"
        r"htc|huawei|zte|alcatel|pantech|sharp-|sie-|lenovo|karbonn|micromax|spice|lava|panasonic|philips|"
        r"sagem|tianyu|kddi-|docomo/|softbank/|j-phone/|vodafone/|portalmmm|palm|xiaomi|oppo|vivo|haier|"
        r"kyocera|kwc-|sanyo|toshiba|t-mobile|hisense|gionee|fly|acer|asus|benq|amoi|bird|konka|coolpad|"
        r"tcl|zonda|willcom|ddipocket|mozilla/\d)[-_/ ]?\w",
    ),
    # An app or a player that says what it runs on. `bare Dalvik` and `bare CFNetwork` came before.
    AgentRule(
        "names a person's device",
        "human",
        r"(?i)\b(android|iphone|ipad|ipod|ios|watchos|tvos|windows phone|blackberry|symbian\w*|openharmony|"
        r"nintendo|playstation|xbox)\b",
    ),
    AgentRule(
        "text browser",
        "human",
        r"^(Lynx|Links|E[Ll]inks|w3m|Dillo|NetSurf|Konqueror|amaya|iCab|OmniWeb|NCSA.Mosaic|Midori|Iron|[Xx]ombrero|luakit|"
        r"qutebrowser|Arora|Epiphany|Galeon|Kazehakase|[Cc]onkeror|Netrik|Cyberdog)\b",
    ),
)
