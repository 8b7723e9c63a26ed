"""Who may come in: the password, tokens of programs, signing out."""

from __future__ import annotations

import asyncio
import math
from typing import TYPE_CHECKING

from nicegui import ui

from noctule.core.errors import NoctuleError
from noctule.service.address import is_loopback
from noctule.web.access import Token, hash_password
from noctule.web.theme import card, url, when_text

if TYPE_CHECKING:
    from noctule.service.service import Service
    from noctule.web.auth import Access

#: Guesses of the present password on this page are counted together.
_HERE = "the page of settings"


def access_card(service: Service) -> None:
    """All of it."""
    access: Access = ui.context.client.request.scope["noctule.access"]
    with card("Access"):
        _state(service)
        _Password(service, access)
        if service.settings.web.password_hash is not None:
            _Tokens(access)
            _leave(access)


def _state(service: Service) -> None:
    web = service.settings.web
    if web.password_hash is not None:
        said = "Whoever wants to come in is asked for the password, also programs and streams."
    else:
        said = "There is no password. Only this machine reaches the app; set one before others shall."
    ui.label(said).classes("n-soft").props('data-testid="access"')


class _Password:
    """Set, change, remove."""

    def __init__(self, service: Service, access: Access) -> None:
        self._service, self._access = service, access
        self._is_set = service.settings.web.password_hash is not None
        with (
            ui.expansion("Change the password" if self._is_set else "Set a password", icon="key")
            .classes("w-full n-inner")
            .props('data-testid="password-fold"'),
            ui.element("div").classes("n-column"),
        ):
            self._old = self._field("Present password", "current-password", "old")
            self._old.set_visibility(self._is_set)
            self._new = self._field("New password", "new-password", "new")
            self._again = self._field("New password again", "new-password", "again")
            with ui.element("div").classes("flex gap-2 wrap"):
                ui.button("Save password", on_click=self._save).props(
                    'unelevated data-testid="save-password"'
                )
                if self._is_set and is_loopback(service.settings.web.host):
                    ui.button("Ask for none", on_click=self._remove).props('flat data-testid="no-password"')

    @staticmethod
    def _field(label: str, autocomplete: str, name: str) -> ui.input:
        made = ui.input(label, password=True, password_toggle_button=True).props(
            f'outlined autocomplete={autocomplete} data-testid="{name}-password" maxlength=1000'
        )
        return made.classes("n-narrow")

    async def _save(self) -> None:
        if self._new.value != self._again.value:
            ui.notify("The two are not the same.", type="negative")
            return
        try:
            await self._is_right()
            hashed = await asyncio.to_thread(hash_password, self._new.value)
            self._service.change_settings({"web": {"password_hash": hashed}})
        except NoctuleError as error:
            ui.notify(str(error), type="negative")
            return
        ui.navigate.to("/login")  # the session was of the password before

    async def _remove(self) -> None:
        try:
            await self._is_right()
            self._service.change_settings({"web": {"password_hash": None}})
        except NoctuleError as error:
            ui.notify(str(error), type="negative")
            return
        ui.navigate.reload()

    async def _is_right(self) -> None:
        if not self._is_set:
            return
        wait_s = self._access.patience.attempt(_HERE)
        if wait_s > 0.0:
            raise NoctuleError(f"too many attempts; try again in {math.ceil(wait_s)} s")
        if not await self._access.fits(self._old.value):
            self._access.patience.wrong(_HERE)
            raise NoctuleError("that is not the present password")
        self._access.patience.right(_HERE)


class _Tokens:
    """Keys of programs: made, shown once, revoked."""

    def __init__(self, access: Access) -> None:
        self._tokens = access.tokens
        ui.html("Tokens", sanitize=False, tag="h2").classes("n-heading mt-4")
        said = "For programs: they send it with each request, as “Authorization: Bearer …”."
        ui.label(said).classes("n-soft n-small")
        self._list = ui.element("div").classes("n-list")
        with ui.element("div").classes("flex gap-2 wrap items-center mt-2"):
            self._name = ui.input("What is it for?").props(
                'outlined dense maxlength=100 data-testid="token-name"'
            )
            ui.button("Make a token", icon="add", on_click=self._make).props('flat data-testid="make-token"')
        self._show()

    def _show(self) -> None:
        self._list.clear()
        with self._list:
            for token in self._tokens.all:
                with ui.element("div").classes("flex items-center gap-3"):
                    with ui.element("div").classes("grow min-w-0"):
                        ui.label(token.name).classes("truncate")
                        ui.label(f"made {when_text(token.made)}").classes("n-faint n-small")
                    button = ui.button("Revoke", on_click=lambda token=token: self._revoke(token))
                    button.props('flat data-testid="revoke"')
                    button.props["aria-label"] = f"revoke {token.name}"

    def _make(self) -> None:
        try:
            _, key = self._tokens.create(self._name.value or "")
        except NoctuleError as error:
            ui.notify(str(error), type="negative")
            return
        self._name.value = ""
        self._show()
        with ui.dialog(value=True) as dialog, ui.card().classes("n-dialog"):
            ui.label("Copy it now: it is not shown again.").classes("font-bold")
            ui.input(value=key).props('readonly outlined data-testid="token"').classes("w-full n-mono")
            with ui.element("div").classes("flex gap-2 justify-end w-full"):
                ui.button("Copy", icon="content_copy", on_click=lambda: ui.clipboard.write(key)).props("flat")
                ui.button("Done", on_click=dialog.close).props('unelevated data-testid="token-done"')

    def _revoke(self, token: Token) -> None:
        try:
            self._tokens.revoke(token.id)
        except NoctuleError as error:
            ui.notify(str(error), type="negative")
        self._show()


def _leave(access: Access) -> None:
    with ui.element("div").classes("flex gap-2 wrap mt-4"):
        with ui.element("form").props(f'method=post action="{url("/logout")}"'):
            ui.button("Sign out").props('type=submit outline data-testid="sign-out"')

        def everywhere() -> None:
            access.sessions.end_all()
            ui.navigate.to("/login")

        ui.button("Sign out everywhere", on_click=everywhere).props('flat data-testid="sign-out-everywhere"')
