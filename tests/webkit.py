"""WebKit of GTK, the engine of Safari, that tests drive on a display of Xvfb.

Debian's packages webkit2gtk-driver and xvfb have what is needed. The driver of WebKit does not stop
a script that never ends, and selenium waits for it without a limit of its own. So a command that is
not answered within `PATIENCE` fails and ends the browser, and all later commands fail at once.
"""

import contextlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import urllib3
from selenium import webdriver
from selenium.common import exceptions
from selenium.webdriver.remote.client_config import ClientConfig
from selenium.webdriver.webkitgtk.service import Service

DRIVER = shutil.which("WebKitWebDriver")
BROWSER = next(Path("/usr/lib").glob("*/webkit2gtk-4*/MiniBrowser"), None)
XVFB = shutil.which("Xvfb")
SCREEN = ["-screen", "0", "1600x1400x24", "-nolisten", "tcp", "-displayfd", "1"]
PATIENCE = 60  # seconds
LIMITS = {"pageLoad": 40_000, "script": 40_000}  # milliseconds, the driver's own
ONCE = {"init_args_for_pool_manager": {"retries": False}}
NARROW_BARS = "* { padding: 0; margin: 0; min-width: 0; border: 0; font-size: 6px }"
WITHOUT_DESKTOP = {"NO_AT_BRIDGE": "1", "GTK_A11Y": "none", "GIO_USE_VFS": "local"}
LISTEN = """
if (!window.heard) {
  window.heard = [];
  const hear = (...words) => { window.heard.push(words.join(' ')); };
  console.error = hear;
  console.warn = hear;
  for (const name of ['error', 'unhandledrejection', 'securitypolicyviolation']) {
    addEventListener(name, (event) => {
      hear(name, event.message || event.blockedURI, event.reason);
    });
  }
}
return window.heard.splice(0);
"""


def missing():
    """Why WebKit cannot be driven here, or nothing."""
    programs = {"WebKitWebDriver": DRIVER, "MiniBrowser": BROWSER, "Xvfb": XVFB}
    absent = [name for name, path in programs.items() if not path]
    return f"WebKit needs {' and '.join(absent)}: not installed" if absent else ""


def display():
    """A running Xvfb and its name."""
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL, "text": True}
    process = subprocess.Popen([XVFB, *SCREEN], **pipes)
    return process, f":{process.stdout.readline().strip()}"


class WebKit(webdriver.Remote):
    """A browser of WebKit. Its driver has no log of the console: a script in the page listens.

    What complains while a page loads is not heard, what complains later is.
    """

    def __init__(self, width, height):
        self.folder = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        self.log = Path(self.folder.name, "driver.log")
        style = Path(self.folder.name, "gtk-3.0/gtk.css")
        style.parent.mkdir()
        style.write_text(NARROW_BARS, encoding="utf-8")
        self.heard = []
        self.silence = ""
        self.display, name = display()
        settings = webdriver.WebKitGTKOptions()
        settings.binary_location = str(BROWSER)
        settings.add_argument("--automation")
        settings.timeouts = LIMITS
        environment = {**os.environ, **WITHOUT_DESKTOP}
        environment |= {"DISPLAY": name, "XDG_CONFIG_HOME": self.folder.name}
        self.service = Service(DRIVER, env=environment, log_output=str(self.log))
        self.service.start()
        address = self.service.service_url
        client = ClientConfig(address, timeout=PATIENCE, init_args_for_pool_manager=ONCE)
        try:
            super().__init__(address, options=settings, client_config=client)
        except BaseException:
            self.end()
            raise
        self.size(width, height)

    def execute(self, driver_command, params=None):
        """What the driver answers; a browser that does not answer is ended and fails from then."""
        if self.silence:
            raise AssertionError(self.silence)
        try:
            return super().execute(driver_command, params)
        except urllib3.exceptions.HTTPError as error:
            self.end()
            log = self.log.read_text("utf-8", errors="replace")[-2000:]
            words = f"{type(error).__name__} of {driver_command} {params}"
            self.silence = f"WebKit does not answer: {words[:500]}; log of its driver: {log}"
            raise AssertionError(self.silence) from error

    def get(self, address):
        self.listen()
        super().get(address)
        self.listen()

    def refresh(self):
        self.listen()
        super().refresh()
        self.listen()

    def listen(self):
        """Keep what a page complained of until now, and go on listening."""
        self.heard += self.execute_script(LISTEN)

    def get_log(self, kind):
        """Complaints of the console, as Chromium's log."""
        self.listen()
        lines = [{"level": "ERROR", "message": line} for line in self.heard]
        self.heard = []
        return lines

    def size(self, width, height):
        """Give the page a size: that of its window less the window's bars."""
        inner = self.execute_script("return [innerWidth, innerHeight]")
        outer = self.get_window_size()
        bars = (outer["width"] - inner[0], outer["height"] - inner[1])
        self.set_window_size(width + bars[0], height + bars[1])

    def end(self):
        """Kill the driver and the display, without which the browser's processes end too."""
        self.service.process.kill()
        self.service.process.wait(PATIENCE)
        self.service.stop()
        self.display.kill()
        self.display.wait(PATIENCE)

    def quit(self):
        """End the session, then all processes, whether it ended or not."""
        with contextlib.suppress(exceptions.WebDriverException, AssertionError):
            super().quit()
        self.end()
        self.folder.cleanup()
