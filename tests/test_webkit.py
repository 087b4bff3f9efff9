"""A WebKit that does not answer is a failure with its reason, never a wait."""

import time

import pytest

browsers = pytest.importorskip("browsers", reason="selenium is not installed")
SECONDS = 2
FOR_EVER = "while (true) {}"


@pytest.fixture
def browser():
    yield from browsers.session("webkit")


def test_a_script_that_never_ends_fails_in_time_and_ends_the_browser(browser):
    browser.get("about:blank")
    browser.command_executor.client_config.timeout = SECONDS
    start = time.monotonic()
    with pytest.raises(AssertionError, match="not answer: ReadTimeoutError of w3cExecuteScript"):
        browser.execute_script(FOR_EVER)
    assert time.monotonic() - start < 10 * SECONDS
    assert browser.display.poll() is not None
    with pytest.raises(AssertionError, match="while"):
        browser.get("about:blank")


def test_a_page_has_the_size_it_is_given_and_what_it_complains_of_is_heard(browser):
    browser.get("about:blank")
    browsers.resize(browser, 400, 800)
    assert browser.execute_script("return [innerWidth, innerHeight]") == [400, 800]
    browser.execute_script("console.error('one'); setTimeout(() => { throw new Error(); })")
    browsers.wait(lambda: len(browser.execute_script("return window.heard")) == 2)
    messages = [line["message"] for line in browsers.complaints(browser)]
    assert messages[0] == "one"
    assert messages[1].startswith("error ")
    assert browsers.complaints(browser) == []
