"""The triage page in a real Chromium: widths, and the forms as a person uses them."""

from __future__ import annotations

import pytest

from support.browser import chromium, opened, sideways, watched
from support.fleet_page import fleet_site

pytestmark = [
    pytest.mark.skipif(
        chromium() is None,
        reason="no Chromium was found to look at the page with; install one (Debian: chromium) or name it in $CHROMIUM",
    ),
    # Threads and sockets of the driver end when it does.
    pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"),
]


def test_pages_fit_a_phone_and_forms_work(two_tenants, tmp_path):
    file = tmp_path / "accounts.csv"
    file.write_text("name,vendor,username,password\nroof,growatt,ada,secret-1\n")
    own = f"/plants/{two_tenants.ours}/{two_tenants.our_plants[0]}"
    report = f"/customers/{two_tenants.ours}/report?name=Meier"
    with fleet_site(two_tenants.scene.url) as site, opened() as browser:
        tab = watched(browser, 390, 844, extra_http_headers={"X-Forwarded-User": "admin@acme"})
        page, address = tab.page, site.address.rstrip("/")
        for path in ("/", "/customers", report, "/accounts", "/import", "/members", "/audit", f"{own}/report", own):
            page.goto(f"{address}{path}")
            assert sideways(page) <= 0, path
        page.get_by_role("button", name="Acknowledge").click()
        page.wait_for_url("**done=answered")
        page.get_by_role("textbox", name="Customer").fill("Neu & Co")
        page.get_by_role("button", name="Save").click()
        page.wait_for_url("**done=saved")
        assert page.get_by_role("textbox", name="Customer").input_value() == "Neu & Co"
        page.goto(f"{address}/import")
        for button, result in (("Check", "1 account can be imported"), ("Import", "1 account imported")):
            page.set_input_files("input[type=file]", str(file))
            page.get_by_role("button", name=button).click()
            page.get_by_role("heading", name=result).wait_for()
        assert tab.problems == []
        page.context.close()
