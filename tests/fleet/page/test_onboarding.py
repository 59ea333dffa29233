"""Onboarding: a CSV file is checked, then imported as checked; passwords are never shown again."""

from __future__ import annotations

import re

import pytest

from support.fleet_page import as_person, fleet_site, send_file

CSV = "name,vendor,username,password,customer,tags\nroof,growatt,ada,secret-1,Meier,new\nbarn,goodwe,eve,secret-2,,\n"


@pytest.fixture
def site(two_tenants):
    with fleet_site(two_tenants.scene.url) as running:
        yield running


def send_csv(site, fleet, text, do="check", checked="", person="admin@acme"):
    fields = {"tenant": fleet.ours, "file": text, "do": do, "checked": checked}
    return send_file(site, "/import", fields, person)


def names(fleet):
    return [name for (name,) in fleet.scene.run("SELECT name FROM account WHERE tenant = %s ORDER BY 1", (fleet.ours,))]


def test_file_is_checked_then_imported(two_tenants, site):
    reply = send_csv(site, two_tenants, CSV)
    assert reply.status == 200, reply.body
    assert b"2 accounts can be imported" in reply.body
    assert names(two_tenants) == ["acme one"]
    (checked,) = re.findall(rb'name="checked" value="([0-9a-f]{64})"', reply.body)
    reply = send_csv(site, two_tenants, CSV, "import", checked.decode())
    assert b"2 accounts imported" in reply.body
    assert names(two_tenants) == ["acme one", "barn", "roof"]
    assert two_tenants.scene.run("SELECT customer, tags FROM account WHERE name = 'roof'") == [("Meier", ["new"])]
    stored = str(two_tenants.scene.run("SELECT * FROM account")) + str(two_tenants.scene.run("SELECT * FROM audit"))
    assert "secret" not in stored
    assert "ada" not in stored.replace("admin", "")


def test_another_file_than_the_checked_one_is_not_imported(two_tenants, site):
    checked = re.findall(rb'name="checked" value="([0-9a-f]{64})"', send_csv(site, two_tenants, CSV).body)[0].decode()
    for other in ("", checked):
        text = CSV if not other else CSV.replace("secret-2", "secret-3")
        reply = send_csv(site, two_tenants, text, "import", other)
        assert b"not the file that was checked" in reply.body
    assert names(two_tenants) == ["acme one"]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "name;vendor\nroof;growatt\n",
        "name,vendor,username,password,colour\nroof,growatt,ada,secret-1,red\n",
        CSV + "roof,growatt,bob,secret-4,,\n",
        CSV + "attic,growatt,ada,secret-5,,\n",
        CSV + "attic,nobody,bob,secret-6,,\n",
    ],
)
def test_problems_are_listed_and_nothing_is_imported(two_tenants, site, text):
    from hashlib import sha256

    reply = send_csv(site, two_tenants, text)
    assert reply.status == 400
    assert b"problem" in reply.body
    assert b'name="checked"' not in reply.body
    send_csv(site, two_tenants, text, "import", sha256(text.encode()).hexdigest())
    assert names(two_tenants) == ["acme one"]
    assert b"secret-" not in reply.body


def test_file_that_is_no_text_is_refused(two_tenants, site):
    body = (
        f'--xx\r\nContent-Disposition: form-data; name="tenant"\r\n\r\n{two_tenants.ours}\r\n'.encode()
        + b'--xx\r\nContent-Disposition: form-data; name="file"; filename="a.xlsx"\r\n\r\n\xff\xfe\x00\r\n--xx--\r\n'
    )
    headers = {"Content_Type": "multipart/form-data; boundary=xx", "Origin": site.address.rstrip("/")}
    reply = site.ask("/import", "POST", body, **as_person("admin@acme", **headers))
    assert reply.status == 400
    assert b"UTF-8" in reply.body


def test_server_without_the_key_does_not_import(two_tenants):
    with fleet_site(two_tenants.scene.url, key=False) as site:
        assert b"heliograph fleet import" in site.ask("/import", **as_person("admin@acme")).body
        assert send_csv(site, two_tenants, CSV).status == 403
