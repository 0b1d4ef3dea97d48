"""The rules that judge a click, in order: the first that matches decides, and its name is stored as well.

To add one, put it where it belongs, give it a test, and count `RULES_VERSION` up. `make verdicts` measures
what a change does to a corpus of labelled user agents.
"""

from typing import Final

from ingest.enrich.lists import listed_previews, listed_robots
from ingest.enrich.rule import AgentRule, RequestFacts, RequestRule, Rule

RULES_VERSION: Final = 3
LAST_RULE: Final = "unlike any browser"

_PREFETCH_HEADERS: Final = ("sec-purpose", "purpose", "x-purpose", "x-moz")
_PREFETCH_WORDS: Final = ("prefetch", "prerender", "preview")


def _is_prefetch(facts: RequestFacts) -> bool:
    signals = facts.signals
    if not signals:
        return False
    return any(
        word in signals[header].lower()
        for header in _PREFETCH_HEADERS
        if header in signals
        for word in _PREFETCH_WORDS
    )


def _is_not_get(facts: RequestFacts) -> bool:
    return facts.method != "GET"


def _is_rented_machine(facts: RequestFacts) -> bool:
    """A hosting network alone is nobody's fault: VPNs are there too. But every browser names languages."""
    return facts.network_kind == "hosting" and not facts.language


def _is_reported(facts: RequestFacts) -> bool:
    return facts.channel == "app"


def _is_any(_facts: RequestFacts) -> bool:
    return True


# Link previews, by words that no in-app browser sends.
PREVIEWS: Final = (
    # It fetches from the recipient's own address, as a desktop Safari with this trailer.
    AgentRule("preview: iMessage", "preview", r"facebookexternalhit/1\.1 Facebot Twitterbot/1\.0"),
    AgentRule("preview: WhatsApp", "preview", r"^WhatsApp(/|\s|$)"),  # Signal's previews say so as well
    AgentRule("preview: Signal", "preview", r"^Signal(-Android|-iOS|-Desktop)?/"),
    AgentRule("preview: Google Messages", "preview", r"GoogleMessages"),
    AgentRule("preview: Google", "preview", r"Google-PageRenderer|Google Web Preview|Google-Web-Preview"),
    AgentRule("preview: Telegram", "preview", r"TelegramBot"),
    AgentRule("preview: Viber", "preview", r"^Viber(/|\s|$)"),
    AgentRule("preview: LINE", "preview", r"line-poker/|Linespider|LineBot|linebot"),
    AgentRule("preview: KakaoTalk", "preview", r"(?i)kakaotalk-scrap|kakao-scrap"),
    AgentRule("preview: Zalo", "preview", r"(?i)zalobot|^Zalo(/|\s|$)"),
    AgentRule("preview: WeChat", "preview", r"WeChatShareExtension|^MicroMessenger"),
    AgentRule("preview: Slack", "preview", r"Slackbot|Slack-ImgProxy"),
    AgentRule("preview: Teams and Skype", "preview", r"SkypeUriPreview|MicrosoftPreview/|BingPreview"),
    AgentRule("preview: Discord", "preview", r"Discordbot"),
    AgentRule("preview: Snapchat", "preview", r"Snap URL Preview Service|SnapURLPreview|Snapbot"),
    AgentRule("preview: X", "preview", r"Twitterbot"),
    AgentRule("preview: LinkedIn", "preview", r"LinkedInBot"),
    AgentRule(
        "preview: Facebook", "preview", r"(?i)facebookexternalhit|meta-externalhit|facebot|facebookplatform"
    ),
    AgentRule("preview: Pinterest", "preview", r"Pinterestbot|Pinterest/0\.\d"),
    AgentRule("preview: Reddit", "preview", r"(?i)redditbot"),
    AgentRule("preview: VK and OK", "preview", r"vkShare|VKRobot|OdklBot"),
    AgentRule(
        "preview: team chats",
        "preview",
        r"(?i)mattermost-bot|rocket\.?chat|zulipurlpreview|keybasebot|groupmebot|chatwork linkpreview|"
        r"dingtalkbot|wirelinkpreview|threemabot|synapse \(bot|matrix-media-repo|nextcloud.talk|webexbot",
    ),
    AgentRule(
        "preview: federated networks",
        "preview",
        r"^(http\.rb/[\d.]+ \()?(Mastodon|Pleroma|Akkoma|Misskey|Friendica|Lemmy|Bluesky)/|SummalyBot|"
        r"Cardyb",
    ),
    AgentRule(
        "preview: by its own word", "preview", r"(?i)(link|url|uri)[ _-]?(preview|expan|unfurl)|unfurl"
    ),
)

# People whom a part of a word would make a robot.
PEOPLE: Final = (
    AgentRule("in-app browser: Facebook", "human", r"\bFBA[NV]/|\bFB_IAB/|MetaIAB|\[FB"),
    AgentRule("in-app browser: Instagram", "human", r"Mozilla/.* Instagram\b"),
    AgentRule("in-app browser: Threads", "human", r"Mozilla/.* Barcelona \d"),
    AgentRule("in-app browser: TikTok", "human", r"Mozilla/.*(musical_ly|BytedanceWebview|trill_|TikTok )"),
    AgentRule("in-app browser: LINE", "human", r"Mozilla/.* Line/\d"),
    AgentRule("in-app browser: KakaoTalk", "human", r"Mozilla/.*KAKAOTALK"),
    AgentRule("in-app browser: WhatsApp", "human", r"Mozilla/.* WhatsApp/"),
    AgentRule("in-app browser: Viber", "human", r"Mozilla/.* Viber/"),
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
        r"UCBrowser|SamsungBrowser|Mobile)(/[\d.]+)?)+)$",
    ),
    # Their strings share words with PhantomJS and with robots that call themselves compatible.
    AgentRule(
        "television", "human", r"HbbTV/\d|NetCast|LG Browser/|BrightSign/|CE-HTML|KreaTV/|Viera/|Web0S; Linux"
    ),
    AgentRule(
        "browser: of old",
        "human",
        r"^(NCSA|VMS)_Mosaic|^(AmigaVoyager|IBrowse|Xiino|Surf|Uzbl)[/ ]|QtWeb Internet|Camino/",
    ),
    # A component that programs show pages with; people's Internet Explorer names it ever after.
    AgentRule("browser: EmbeddedWB", "human", r"MSIE .*(bsalsa\.com|EmbeddedWB)"),
)

# What no browser sends, in whatever order a robot's own words stand.
MACHINES: Final = (
    AgentRule("no user agent", "automated", r"^[\s\"'()-]*$"),
    AgentRule("bare Dalvik", "automated", r"^Dalvik/"),  # an app's own request, no browser
    AgentRule("bare CFNetwork", "automated", r"\bCFNetwork/"),  # the same on Apple's systems
    AgentRule(
        "HTTP library",
        "automated",
        r"(?i)^[\"']?(curl|wget|libcurl|pycurl|python|aiohttp|httpx|urllib|urlgrabber|requests|scrapy|"
        r"okhttp|go-http-client|go http|go 1|golang|fasthttp|resty|colly|java|jakarta|apache|http_?client|"
        r"httpunit|ktor|unirest|axios|node|undici|got|needle|superagent|deno|bun|ruby|faraday|typhoeus|"
        r"mechanize|rest-client|http\.rb|httparty|perl|libwww|lwp|mojolicious|php|guzzle|symfony|pear|"
        r"snoopy|zend|buzz|dart|flutter|postman|insomnia|httpie|bruno|paw|reqwest|hyper|ureq|isahc|"
        r"apachebench|ab/|k6|wrk|vegeta|siege|jmeter|locust|winhttp|wininet|powershell|restsharp|\.net|"
        r"dotnet|alamofire|afnetworking|erlang|hackney|tesla|elixir|finch|mint/|http4s|akka|sttp|play|"
        r"clj-http|haskell|lua|luasocket|libhttp|indy|synapse|libsoup|gvfs|neon|cpprestsdk|boost|beast|"
        r"poco|qt/|nim|crystal|julia|swift|matlab|webclient|rest|grpc|soap)([ /._;:(-]|\d|$)",
    ),
)

# How a robot that no list knows gives itself away.
ROBOTS: Final = (
    AgentRule(
        "gives an address",
        "automated",
        r"(?i)https?:|://|\bwww\.[a-z0-9-]|mailto:|[\w.+-]@[\w-]+\.[a-z]{2}|\b(at|@) [\w-]+ dot |"
        r"[( ][a-z0-9-]+\.(com|org|net|io|ai|dev)\b",
    ),
    AgentRule(
        "says that it is a robot",
        "automated",
        r"(?i)(bot|crawl(er|ers|ing|y)?|spider|scrap(er|ing|y)|fetch(er|ing)?|harvest(er|ing)?|slurp|"
        r"robots?|scanner|indexer|worm|wanderer|parser|archiver)([^a-z]|$)|\b(bot|crawl|spider|scrape|"
        r"fetch|scan|robot)",
    ),
    AgentRule(
        "names what robots do",
        "automated",
        r"(?i)analy[sz]er|analytics agent|\barchive|capture|\bcheck(er|ing)?\b|check(er|ing)\b|detector|"
        r"\bdownloader|download manager|\bfeed|feed(s|er|reader|burner|fetcher)?[/ ]|\brss\b|monitor|"
        r"uptime|pinger|\bping\b|screen-?shot|thumb(nail|s|shot)|thumbs?[/ ]|\bpreview|sitemap|validat|"
        r"verif(y|ier|ication)|resolver|\bindexing|inspect(or|ion)|\baudit|vulnerab|exploit|pentest|"
        r"harvest|favicon|grabber|collector|extractor|gatherer|site ?copier|offline|\bsurvey\b|"
        r"\bresearch\b|link ?check|link ?valid|link ?walk|classifi(er|cation)|\bseo\b|seo[ -]?(check|tool|"
        r"bot)|search ?engine|site ?search|\btracer\b|\bprobe\b|\bproxy(ing)? service|(web|http|url|link|"
        r"page|site|image|content|media|data|domain|site)[ -]?(agent|client|reader|sniffer|explorer|loader|"
        r"getter|tester|test|tool|tools|service|watcher|walker|reaper|viewer|proxy|optimizer|mon)\b|"
        r"agent(/\d|\)?$)|scan(/\d|$)|\bsiege\b|pingdom|iplabel|\bzoom\.mac|transcoder|diagnostics|"
        r"measurement|prospect|adsense|\(via |geckoversion|\bTime/\d{13}|(?-i:Bot[A-Z]+/\d)",
    ),
    AgentRule(
        "tool that drives a browser",
        "automated",
        r"(?i)\(Unknown; |headless|phantomjs|slimerjs|selenium|webdriver|playwright|puppeteer|cypress|"
        r"splash|wkhtmlto|webkit2|electron-fetch|htmlunit|zombie\.js|jsdom|prerender|rendertron|lighthouse|"
        r"page ?speed|gtmetrix|\bPTST\b|catchpoint|synthetic|neustar wpm|yottaa|dynatrace|ruxit|testcafe|"
        r"browserless|apify|crawlera|zyte",
    ),
    AgentRule(
        "security scanner",
        "automated",
        r"(?i)nmap|masscan|zgrab|nikto|sqlmap|nessus|openvas|qualys|acunetix|burp|nuclei|wpscan|dirbuster|"
        r"gobuster|ffuf|w3af|arachni|netsparker|appscan|shodan|censys|urlscan|virustotal|safebrowsing|"
        r"safe-?links|mimecast|proofpoint|barracuda|forcepoint|trend ?micro|kaspersky|mcafee (web|site)|"
        r"netcraft|phish|malware|antivir|zmeu|l9(explore|tcpid)|expanse|leakix|onyphe|"
        r"internet-?measurement|\bsafe ?browsing|cloudmark|fireeye|zscaler|\$\{jndi|<script|\(\) ?\{|"
        r"union select|/etc/passwd",
    ),
    AgentRule(
        "assistant or language model",
        "automated",
        r"(?i)\b(chatgpt|gptbot|openai|oai-|claude|anthropic|perplexity|cohere|mistralai|gemini-deep|"
        r"notebooklm|deepseek|bytespider|manus-user|ai2bot|llm|langchain|llama ?index|firecrawl|diffbot|"
        r"youbot|duckassist)",
    ),
    AgentRule(
        "service of a site",
        "automated",
        r"\bGoogle-[A-Z]|-Google\b|(?i)wordpress|drupal|joomla|typo3|mshots|google (site|search|page|"
        r"keyword|favicon)|mediapartners|appengine|yandex\.?(translate|images|video|direct|market)|"
        r"bing ?local|yahoo! ",
    ),
    AgentRule(
        "Office program",
        "automated",
        r"^Microsoft (Office|Data|URL|BITS|Crypto|WinRM)|\b(Word|Excel|PowerPoint)/\d",
    ),
    AgentRule(
        "e-mail program's own fetch",
        "automated",
        r"(?i)^(outlook|thunderbird|apple ?mail|mail|eudora|lotus)[/ -]",
    ),
    # Browsers that say `compatible` go on with a known name; robots copied the word and put their own.
    AgentRule(
        "browser of the word compatible",
        "human",
        r"(?i)compatible[;,]\+? ?(U; ?)?(Konqueror|MSPIE|Intel Mac|iCab|Opera|OmniWeb|ABrowse|AvantGo|"
        r"NetPositive|Webpositive|Powermarks|ANTFresco|NCBrowser|Netbox|WebTV|AOL|IBrowse|Polaris|OffByOne)|"
        r"compatible[;,] *Intel Mac|compatible[;,][^)]*(MSIE[ +]\d|Windows[ +](NT|9|CE))|"
        r"compatible[;,].*NetFront/",
    ),
    AgentRule("compatible, but with no browser", "automated", r"(?i)compatible[;,)]"),
    AgentRule(
        "Mozilla alone",
        "automated",
        r"^Mozilla(/[\d.]+)?\)?$|^Mozilla/[\d.]+ [A-Za-z0-9._-]+(/[\d.]+)?$|"
        r"^Mozilla/5\.0 \([A-Za-z ]+(/[\d.]+|[^();]*)\)$",
    ),
)

# What browsers look like. All that is left and unlike them is no browser.
BROWSERS: Final = (
    AgentRule("Android web view", "human", r"^Mozilla/5\.0 \(.*; wv\)"),
    # Anywhere: some people's extensions and proxies put quotes or a header's name before it.
    AgentRule("browser", "human", r"(?i:Mozilla|Opera)['\"]? ?[/\\ ] ?\d.*[(;]|AppleWebKit/\d.* Safari/\d"),
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
    AgentRule(
        "text browser",
        "human",
        r"^(Lynx|Links|E[Ll]inks|w3m|Dillo|NetSurf|Konqueror|amaya|iCab|OmniWeb|NCSA.Mosaic|Midori|Iron)\b",
    ),
)

RULES: Final[tuple[Rule, ...]] = (
    # An app tells of a tap that its system took past us; its user agent is of no browser.
    RequestRule("reported by an app", "human", _is_reported),
    # A browser or an app loads ahead of the tap, with the user agent of the person it works for.
    RequestRule("prefetch header", "preview", _is_prefetch),
    *PREVIEWS,
    # People don't send HEAD. One post on X brings three of them.
    RequestRule("method is not GET", "automated", _is_not_get),
    *PEOPLE,
    *listed_previews(),
    *MACHINES,
    *listed_robots(),
    *ROBOTS,
    RequestRule("hosting network, no language", "automated", _is_rented_machine),
    *BROWSERS,
    RequestRule(LAST_RULE, "automated", _is_any),
)
