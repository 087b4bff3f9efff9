"""Browsers without a window that tests drive: Chromium by its driver, Firefox by its own protocol.

Firefox speaks WebDriver BiDi itself and needs no driver; what tests use of selenium is here.
WebKit is in webkit.py.
"""

import itertools
import json
import shutil
import subprocess
import tempfile
import time

import pytest
import webkit
import websocket
from selenium import webdriver

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
DRIVER = shutil.which("chromedriver")
FIREFOX = shutil.which("firefox-esr") or shutil.which("firefox")
WIDTH = 1280
HEIGHT = 1000
OPTIONS = ["--headless=new", "--no-sandbox", "--disable-gpu", f"--window-size={WIDTH},{HEIGHT}"]
PATIENCE = 60  # seconds
LOADED = "return performance.getEntriesByType('resource').map((entry) => entry.name)"


def chromium(options=()):
    """Chromium without a network."""
    settings = webdriver.ChromeOptions()
    settings.binary_location = CHROMIUM
    for option in (*OPTIONS, *options):
        settings.add_argument(option)
    settings.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=settings, service=webdriver.ChromeService(DRIVER))
    driver.execute_cdp_cmd("Network.enable", {})
    cut = {"offline": True, "latency": 0, "downloadThroughput": 0, "uploadThroughput": 0}
    driver.execute_cdp_cmd("Network.emulateNetworkConditions", cut)
    return driver


def complaints(driver):
    """What a browser's console complained of since it was last asked."""
    return [line for line in driver.get_log("browser") if line["level"] != "INFO"]


def without_drivers(name):
    """Why a browser cannot be driven here, or nothing."""
    if name == "firefox":
        return "" if FIREFOX else "no firefox is installed"
    if name == "webkit":
        return webkit.missing()
    return "" if CHROMIUM and DRIVER else "no chromium with its driver is installed"


def started(name):
    """A browser by its name."""
    if name == "webkit":
        return webkit.WebKit(WIDTH, HEIGHT)
    return Firefox() if name == "firefox" else chromium()


def is_chromium(driver):
    """Whether a browser has Chromium's own protocol: colours, scripts before a page's."""
    return not isinstance(driver, Firefox | webkit.WebKit)


def session(name):
    """A browser by its name until the tests of a module are done; skipped where it is missing."""
    reason = without_drivers(name)
    if reason:
        pytest.skip(reason)
    driver = started(name)
    yield driver
    driver.quit()


def resize(driver, width, height, scheme=None):
    """Give a page another size, and in Chromium light or dark colours."""
    if not is_chromium(driver):
        driver.size(width, height)
        return
    features = [{"name": "prefers-color-scheme", "value": scheme or "light"}]
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
    size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)


class Firefox:
    """Firefox, with the methods of selenium's drivers that the tests use."""

    def __init__(self):
        self.folder = tempfile.TemporaryDirectory()
        flags = ["--headless", "--no-remote", "--profile", self.folder.name, "--width", str(WIDTH)]
        flags += ["--height", str(HEIGHT), "--remote-debugging-port", "0"]
        pipes = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE, "text": True}
        self.process = subprocess.Popen([FIREFOX, *flags], **pipes)
        line = next(line for line in self.process.stderr if "WebDriver BiDi listening on" in line)
        address = line.split(" on ")[1].strip()
        self.socket = websocket.create_connection(
            f"{address}/session", timeout=PATIENCE, suppress_origin=True
        )
        self.numbers = itertools.count(1)
        self.events = []
        self.send("session.new", capabilities={})
        self.send("session.subscribe", events=["log.entryAdded", "network.beforeRequestSent"])
        (context,) = self.send("browsingContext.getTree")["contexts"]
        self.context = context["context"]

    def send(self, method, **parameters):
        """The result of a command; events that come before it are kept."""
        number = next(self.numbers)
        self.socket.send(json.dumps({"id": number, "method": method, "params": parameters}))
        while True:
            message = json.loads(self.socket.recv())
            if message.get("type") == "event":
                self.events.append(message)
            elif message.get("id") == number:
                assert message["type"] == "success", message
                return message["result"]

    def get(self, address):
        self.send("browsingContext.navigate", context=self.context, url=address, wait="complete")

    def refresh(self):
        self.send("browsingContext.reload", context=self.context, wait="complete")

    @property
    def current_url(self):
        return self.execute_script("return location.href")

    def execute_script(self, script, *arguments):
        """What a script returns; elements among its arguments and its values are nodes."""
        sent = [self.sent(value) for value in arguments]
        reply = self.send(
            "script.callFunction",
            functionDeclaration=f"function () {{ {script} }}",
            arguments=sent,
            target={"context": self.context},
            awaitPromise=True,
            userActivation=True,
            serializationOptions={"maxDomDepth": 0},
        )
        assert reply["type"] == "success", reply["exceptionDetails"]["text"]
        return self.received(reply["result"])

    def sent(self, value):
        """A value as the protocol has it."""
        if isinstance(value, Node):
            return {"type": "node", "sharedId": value.id}
        if isinstance(value, dict):
            pairs = [[name, self.sent(item)] for name, item in value.items()]
            return {"type": "object", "value": pairs}
        if isinstance(value, list | tuple):
            return {"type": "array", "value": [self.sent(item) for item in value]}
        if value is None:
            return {"type": "null"}
        kinds = {bool: "boolean", str: "string", int: "number", float: "number"}
        return {"type": kinds[type(value)], "value": value}

    def received(self, value):
        """A value of the protocol as Python has it."""
        kind = value["type"]
        if kind in ("undefined", "null"):
            return None
        if kind == "node":
            return Node(self, value["sharedId"])
        if kind in ("array", "nodelist", "htmlcollection"):
            return [self.received(item) for item in value["value"]]
        if kind == "object":
            return {name: self.received(item) for name, item in value["value"]}
        return value["value"]

    def find_elements(self, by, css):
        assert by == "css selector"
        return self.execute_script("return [...document.querySelectorAll(arguments[0])]", css)

    def get_log(self, kind):
        """Complaints of the console and requests for anything but files, as Chromium's log."""
        self.execute_script("return 0")
        lines = []
        for event in self.events:
            content = event["params"]
            if event["method"] == "log.entryAdded" and content["level"] in ("warn", "error"):
                lines.append({"level": content["level"], "message": content["text"]})
            elif event["method"] == "network.beforeRequestSent":
                url = content["request"]["url"]
                if not url.startswith(("file:", "about:", "data:", "blob:")):
                    lines.append({"level": "request", "message": url})
        self.events = []
        return lines

    def size(self, width, height):
        viewport = {"width": width, "height": height}
        self.send("browsingContext.setViewport", context=self.context, viewport=viewport)

    def quit(self):
        self.socket.close()
        self.process.terminate()
        self.process.wait(PATIENCE)
        self.folder.cleanup()


class Node:
    """An element of a page in Firefox."""

    def __init__(self, browser, identifier):
        self.browser = browser
        self.id = identifier

    def run(self, script, *arguments):
        return self.browser.execute_script(
            f"const [node, value] = arguments; {script}", self, *arguments
        )

    @property
    def text(self):
        return self.run("return node.innerText.trim()")

    def is_displayed(self):
        return self.run("return node.checkVisibility()")

    def click(self):
        self.run("node.scrollIntoView({ block: 'center' }); node.click()")

    def get_attribute(self, name):
        return self.run("return value in node ? node[value] : node.getAttribute(value)", name)

    def send_keys(self, text):
        script = "node.focus(); node.value += value; "
        self.run(script + "node.dispatchEvent(new InputEvent('input', { bubbles: true }))", text)

    def find_element(self, by, css):
        assert by == "css selector"
        return self.run("return node.querySelector(value)", css)


def wait(is_done):
    """Wait until something is so."""
    end = time.monotonic() + PATIENCE
    while not (value := is_done()):
        assert time.monotonic() < end, "it never was"
        time.sleep(0.05)
    return value
