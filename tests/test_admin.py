"""The admin, as a real browser shows it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By

from tests.testbed.admin import SUPERUSER
from tests.testbed.browser import chromium
from tests.testbed.programs import needs
from tests.testbed.service import Service, StartService
from tests.testbed.waiting import wait_for

pytestmark = needs("chromium", "chromedriver")


@pytest.fixture
def browser() -> Iterator[webdriver.Chrome]:
    with chromium() as browser:
        yield browser


@pytest.fixture
def admin(start_service: StartService, browser: webdriver.Chrome) -> Service:
    """The service, with a superuser logged in and some totals."""
    service = start_service(
        WEB_CONCURRENCY="1",
        **SUPERUSER,
    )
    service.manage("createsuperuser", "--noinput")
    totals = {"apple": 3, "banana": -7, "<b>pear</b>": 2**63 - 1}
    for key, value in totals.items():
        service.increment(key, value)
    service.wait_for_totals(totals)
    browser.get(f"http://127.0.0.1:{service.port}/admin/")
    browser.find_element(By.NAME, "username").send_keys("root")
    browser.find_element(By.NAME, "password").send_keys("let me in")
    browser.find_element(By.CSS_SELECTOR, "[type=submit]").click()
    wait_for(lambda: bool(browser.find_elements(By.LINK_TEXT, "Totals")), "the login")
    return service


def rows(browser: webdriver.Chrome) -> list[tuple[str, ...]]:
    """Return the texts of the cells. One script reads them: no page can come in between."""
    table = browser.execute_script(
        "return [...document.querySelectorAll('#result_list tbody tr')].map("
        "row => [...row.cells].map(cell => cell.innerText))"
    )
    return [tuple(row) for row in table]


def test_totals_are_listed_searched_and_sorted(admin: Service, browser: webdriver.Chrome) -> None:
    browser.find_element(By.LINK_TEXT, "Totals").click()
    wait_for(lambda: len(rows(browser)) == 3, "three totals", lambda: browser.page_source)
    everything = [("<b>pear</b>", str(2**63 - 1)), ("apple", "3"), ("banana", "-7")]
    assert rows(browser) == everything

    browser.find_element(By.LINK_TEXT, "TOTAL").click()
    ascending = sorted(everything, key=lambda row: int(row[1]))
    wait_for(lambda: rows(browser) == ascending, "the order of totals")

    browser.find_element(By.ID, "searchbar").send_keys("nan\n")
    wait_for(lambda: rows(browser) == [("banana", "-7")], "the search")


@pytest.mark.parametrize("width", [1280, 390])
def test_long_keys_leave_the_totals_in_sight(
    admin: Service, browser: webdriver.Chrome, width: int
) -> None:
    admin.increment("k" * 255, 5)
    wait_for(lambda: "k" * 255 in admin.totals(), "the flush")
    # The window itself cannot be as narrow as a phone.
    metrics = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    browser.find_element(By.LINK_TEXT, "Totals").click()
    wait_for(lambda: len(rows(browser)) == 4, "four totals")
    for total in browser.find_elements(By.CSS_SELECTOR, "#result_list .field-shown_total"):
        assert total.rect["x"] + total.rect["width"] <= width
    browser.find_element(By.PARTIAL_LINK_TEXT, "kkk").click()
    wait_for(lambda: "kkk" in browser.title, "the page of one total")
    assert browser.execute_script("return document.documentElement.scrollWidth") <= width


def test_blanks_of_a_key_are_shown(admin: Service, browser: webdriver.Chrome) -> None:
    key = "   three before"
    admin.increment(key)
    wait_for(lambda: key in admin.totals(), "the flush")
    browser.find_element(By.LINK_TEXT, "Totals").click()
    wait_for(lambda: len(rows(browser)) == 4, "four totals")
    assert (f'"{key}"', "1") in rows(browser)
    browser.find_element(By.PARTIAL_LINK_TEXT, "three before").click()
    wait_for(lambda: "three before" in browser.title, "the page of one total")
    assert browser.find_element(By.CSS_SELECTOR, ".readonly").text == f'"{key}"'


def test_all_are_offered_only_where_a_search_hides_some(
    admin: Service, browser: webdriver.Chrome
) -> None:
    browser.find_element(By.LINK_TEXT, "Totals").click()
    wait_for(lambda: len(rows(browser)) == 3, "three totals")
    assert not browser.find_elements(By.LINK_TEXT, "Show all")
    browser.find_element(By.ID, "searchbar").send_keys("nan\n")
    wait_for(lambda: len(rows(browser)) == 1, "the search")
    browser.find_element(By.LINK_TEXT, "Show all").click()
    wait_for(lambda: len(rows(browser)) == 3, "all three")


def test_styles_and_scripts_are_served(admin: Service, browser: webdriver.Chrome) -> None:
    header = browser.find_element(By.ID, "header")
    assert header.value_of_css_property("background-color") == "rgba(65, 118, 144, 1)"
    resources = browser.execute_script("return performance.getEntriesByType('resource')")
    assert resources
    assert {resource["responseStatus"] for resource in resources} == {200}, resources


def test_totals_cannot_be_changed(admin: Service, browser: webdriver.Chrome) -> None:
    site = f"http://127.0.0.1:{admin.port}/admin/counters/number/"
    browser.get(site)
    assert not browser.find_elements(By.CSS_SELECTOR, "#content .addlink, #content .actions")
    browser.find_element(By.LINK_TEXT, "apple").click()
    wait_for(lambda: "apple" in browser.title, "the page of one total")
    assert not browser.find_elements(By.CSS_SELECTOR, "#content-main input:not([type=hidden])")
    assert not browser.find_elements(By.CSS_SELECTOR, ".deletelink")
    for path in ["add/", "apple/delete/"]:
        browser.get(site + path)
        assert "403" in browser.title, path


def test_the_list_of_totals_says_how_counting_goes(
    admin: Service, browser: webdriver.Chrome
) -> None:
    page = f"http://127.0.0.1:{admin.port}/admin/counters/number/"

    def counting() -> str:
        browser.get(page)
        return browser.find_element(By.ID, "counting").text

    assert "wait to be flushed" in counting()
    assert "error" not in counting()
    shutil.rmtree(admin.journal_dir)
    admin.journal_dir.write_text("in the way")
    wait_for(lambda: "Not ready: the journal cannot be written." in counting(), "the trouble")
    assert "File exists" in counting()


def test_who_tries_too_often_sees_a_page_that_says_so(
    start_service: StartService, browser: webdriver.Chrome
) -> None:
    service = start_service(WEB_CONCURRENCY="1")
    for _ in range(11):
        service.request("POST", "/admin/login/")
    browser.get(f"http://127.0.0.1:{service.port}/admin/")
    browser.find_element(By.NAME, "username").send_keys("root")
    browser.find_element(By.NAME, "password").send_keys("let me in")
    browser.find_element(By.CSS_SELECTOR, "[type=submit]").click()
    wait_for(lambda: "Too many logins" in browser.title, "the page")
    assert "try again in" in browser.find_element(By.TAG_NAME, "body").text
