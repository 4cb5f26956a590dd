"""Opening hours in a real browser: what is typed is explained at once."""

import pytest
from selenium.webdriver.common.by import By

from tests.contactcenter.test_pages import browser, log_in, wait  # noqa: F401 - a fixture

pytestmark = [pytest.mark.e2e, pytest.mark.django_db(transaction=True)]


def test_hours_are_explained_while_they_are_typed(live_server, browser):  # noqa: F811
    log_in(browser, live_server.url)
    browser.get(f"{live_server.url}/admin/telephony/schedule/add/")
    words = browser.find_element(By.CSS_SELECTOR, "form [role=status]")
    wait(browser, lambda: "now, until" in words.text)
    field = browser.find_element(By.NAME, "expression")
    field.clear()
    field.send_keys("sometimes")
    wait(browser, lambda: "cannot be read" in words.text)
