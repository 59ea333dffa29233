"""The package itself: root exports, module docstrings, and the example in the package docstring."""

from __future__ import annotations

import copy
import doctest
import pickle

import pytest

import heliograph
from heliograph import Growatt, errors
from heliograph.core.session import Session
from heliograph.keeper import DEFAULT_KEEPER, Keeper
from heliograph.vendors import growatt
from support.growatt_emulator import EmulatedCloud
from support.subprocesses import python


def test_root_exports_every_public_error_and_lists_all_names():
    names = set(heliograph.__all__)
    public = {name for name, row in vars(errors).items() if isinstance(row, type) and issubclass(row, Exception)}
    assert public <= names <= set(dir(heliograph))
    assert all(getattr(heliograph, name) is not None for name in names)
    assert heliograph.AccountLocked is errors.AccountLocked
    with pytest.raises(AttributeError, match="no attribute 'Absent'"):
        _ = heliograph.Absent


def test_root_import_of_one_vendor_does_not_load_the_other():
    program = python("import sys, heliograph; heliograph.Growatt; print('heliograph.vendors.goodwe' in sys.modules)")
    assert program.communicate() == (b"False\n", b"")


def test_package_docstring_runs_against_the_emulator(monkeypatch):
    from heliograph.emulator.server import serve_in_thread

    box = EmulatedCloud()
    account = box.emulator.accounts[0]
    with serve_in_thread(box.emulator) as ready:
        monkeypatch.setitem(growatt.auth.SERVERS, "eu", ready["growatt"])
        text = heliograph.__doc__.replace('"me", "secret"', f"{account.username!r}, {account.password!r}")
        text = text.replace("Growatt(m***, server='https://openapi.growatt.com/')", "Growatt(...)")
        text = text.replace("  # doctest: +SKIP", "").replace("Roof 4210.0 W", f"{account.plants[0].name} ... W")
        example = doctest.DocTestParser().get_doctest(text, {}, "heliograph", None, None)
        assert len(example.examples) == 4
        assert doctest.DocTestRunner(optionflags=doctest.ELLIPSIS).run(example) == (0, 4)


def test_client_copy_or_pickle_raises_error_with_advice():
    client = Growatt("ada", "hunter2", keeper=None)
    for copied in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError, match="a Growatt client cannot be pickled or copied; create one in each process"):
            copied(client)
    assert Session.from_dict(pickle.loads(pickle.dumps(client.session.to_dict()))).server == client.session.server


def test_client_uses_default_keeper_without_keeper_or_session_argument():
    assert Growatt("ada", "hunter2").guard.store.folder == DEFAULT_KEEPER.folder
    with pytest.raises(errors.ConfigError, match="has no keeper"):
        _ = Growatt("ada", "hunter2", session=Session("https://openapi.growatt.com/")).guard
    with pytest.warns(DeprecationWarning, match="DEFAULT_KEEPER"):
        assert Growatt("ada", "hunter2", keeper="usual").guard.store.folder == DEFAULT_KEEPER.folder


def test_keeper_repr_shows_its_folder(tmp_path):
    assert (repr(DEFAULT_KEEPER), repr(Keeper(tmp_path))) == ("Keeper()", f"Keeper({str(tmp_path)!r})")
