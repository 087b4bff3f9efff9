"""Pages of the site as tests read them, and the browser that opens them."""

import html.parser
import json
import shutil
import time

import pytest

PATIENCE = 60  # seconds
BROWSER = shutil.which("chromium") or shutil.which("google-chrome")
DRIVER = shutil.which("chromedriver")
OPTIONS = ("--headless=new", "--no-sandbox", "--disable-gpu", "--window-size=1280,1000")
LOADS = {"script": "src", "img": "src", "link": "href", "iframe": "src", "source": "srcset"}


class Page(html.parser.HTMLParser):
    """A page's ids, what it links and what it loads."""

    def __init__(self, text):
        super().__init__()
        self.ids = set()
        self.links = []
        self.loads = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        named = dict(attrs)
        self.ids.add(named.get("id"))
        if tag == "a" and named.get("href"):
            self.links.append(named["href"])
        address = named.get(LOADS.get(tag, ""))
        if address and named.get("rel") not in ("index", "search", "next", "prev"):
            self.loads.append(address)


def browser_without_network():
    """A browser that keeps what it asked for and what it complained of."""
    webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed")
    if not (BROWSER and DRIVER):
        pytest.skip("no chromium with its driver is installed")
    options = webdriver.ChromeOptions()
    options.binary_location = BROWSER
    for option in OPTIONS:
        options.add_argument(option)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))
    driver.execute_cdp_cmd("Network.enable", {})
    cut = {"offline": True, "latency": 0, "downloadThroughput": 0, "uploadThroughput": 0}
    driver.execute_cdp_cmd("Network.emulateNetworkConditions", cut)
    return driver


def requested(browser):
    """The addresses that a browser asked for since they were last read."""
    messages = [json.loads(line["message"])["message"] for line in browser.get_log("performance")]
    sent = [message for message in messages if message["method"] == "Network.requestWillBeSent"]
    return [message["params"]["request"]["url"] for message in sent]


def wait(is_done):
    """Wait until something is so."""
    end = time.monotonic() + PATIENCE
    while not (value := is_done()):
        assert time.monotonic() < end, "it never was"
        time.sleep(0.05)
    return value
