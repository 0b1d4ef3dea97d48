"""Rules about user agents of programs, named or not. Their order among all rules is `rules.py`'s."""

from typing import Final

from ingest.enrich.rule import AgentRule

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
        r"[( ][a-z0-9-]+\.(com|org|net|io|ai|dev)([^\w.;-]|$|;($| ?[^. ]))",
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
        r"\bdownloader|download ?manager|\bfeed|feed(s|er|reader|burner|fetcher)?[/ ]|\brss\b|monitor|"
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
        r"(?i)\(Unknown; Linux|headless|phantomjs|slimerjs|selenium|webdriver|playwright|puppeteer|cypress|"
        r"splash|wkhtmlto|webkit2|electron-fetch|htmlunit|zombie\.js|jsdom|prerender|rendertron|lighthouse|"
        r"page ?speed|gtmetrix|\bPTST\b|catchpoint|synthetic|neustar wpm|yottaa|dynatrace|ruxit|testcafe|"
        r"browserless|dejaclick|apify|crawlera|zyte",
    ),
    AgentRule(
        "security scanner",
        "automated",
        r"(?i)\bnmap|masscan|zgrab|nikto|sqlmap|nessus|openvas|qualys|acunetix|burp|nuclei|wpscan|dirbuster|"
        r"gobuster|ffuf|w3af|arachni|netsparker|appscan|shodan|censys|urlscan|virustotal|safebrowsing|"
        r"safe-?links|mimecast|proofpoint|barracuda|forcepoint|trend ?micro|kaspersky|mcafee (web|site)|"
        r"netcraft|phish|malware|antivir(us)?\b|zmeu|l9(explore|tcpid)|expanse|leakix|onyphe|"
        r"internet-?measurement|\bsafe ?browsing|cloudmark|fireeye|zscaler|\$\{jndi|<script|\(\) ?\{|"
        r"union select|/etc/passwd",
    ),
    # Written into whatever a server logs or stores; no browser has such characters.
    AgentRule(
        "attack",
        "automated",
        r"(?i)\b(or|and|where)( not)? [('\"]*\d+[)'\"]*=|\border by \d|waitfor delay|\b(pg_)?sleep ?\(|"
        r"benchmark\(|\bunion( all)? select|\bselect\b.*\bfrom\b|--( \w+)?$|`|\.\.\.?/|/bin/(ba)?sh|cmd\.exe|"
        r"<(img|input|svg|iframe|body|\?php)|\bon(error|load|focus)=|\beval\(|base64_|php://|file://|"
        r"%0d%0a|xp_cmdshell|extractvalue\(|\|\|'|'\|\||\x00",
    ),
    AgentRule("misspelt", "automated", r"Mozlila|Moblie|Bulid/"),
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
        r"NetPositive|Webpositive|Powermarks|ANTFresco|NCBrowser|Netbox|WebTV|AOL|IBrowse|Polaris|OffByOne|Odyssey)|"
        r"compatible[;,] *(Intel Mac|(mobile|tablet|smartphone)\d)|"
        r"compatible[;,][^)]*(MSIE[ +]\d|Windows[ +](NT|9|CE))|"
        r"compatible[;,].*(NetFront/|MIDP|Teleca|Brew \d|Novarra-Vision)",
    ),
    AgentRule(
        "compatible, but with no browser", "automated", r"(?i)compatible[;,]|^[^(]*\([^)]*compatible\)$"
    ),
    AgentRule(
        "Mozilla alone",
        "automated",
        r"^Mozilla(/[\d.]+)?\)?$|^Mozilla/[\d.]+ [A-Za-z0-9._-]+(/[\d.]+)?$|"
        r"^Mozilla/5\.0 \([A-Za-z ]+(/[\d.]+|[^();/]*)\)$",
    ),
)
