"""The ways in which a sender can be known to a site."""

from __future__ import annotations

import json
import re
from base64 import b64encode
from dataclasses import dataclass, replace

from django.test import override_settings
from hypothesis import strategies as st

from example_project.settings import SECRET_KEY

from .client import HOST, JSON, Answer, Application, Call, Client
from .sites import OLD_KEY, Site

FORGOTTEN_KEY = "a key that is none any more"
KEYS = {"present": SECRET_KEY, "old": OLD_KEY, "forgotten": FORGOTTEN_KEY}
TOKENS = {"missing": None, "wrong": "w" * 32, "malformed": "no token"}


def _basic(user: str, password: str) -> str:
    return "Basic " + b64encode(f"{user}:{password}".encode()).decode()


USERS = ["ada", "ben", "staff", "partner"]
RIGHT = [each for user in USERS for each in (f"Token {user}-token", _basic(user, f"{user}-secret"))]
WRONG = ["Token wrong", _basic("ada", "wrong")]


@dataclass(frozen=True)
class Sender:
    """Who sends. `login` is a user with a session, `csrf` what the sender knows of the token of its cookie or session.

    `key` is the one that the session was signed with. A `fresh` remote user was never here before.
    """

    login: str | None = None
    csrf: str = "valid"
    key: str = "present"
    authorization: str | None = None
    remote_user: str | None = None
    fresh: bool = False
    language: str | None = None
    cookie: str | None = None
    origin: bool = False

    def on(self, site: Site) -> Sender:
        """The same sender, who cannot log in where a session is a dict."""
        return replace(self, login=None, remote_user=None, fresh=False) if site.chain == "dict sessions" else self

    def is_let_in_by(self, site: Site) -> bool:
        """Whether a batch view that authenticates does not refuse this sender."""
        renewed = self.key == "forgotten" or self.fresh
        if self.authorization in WRONG or (renewed and site.csrf_use_sessions):  # with a new session, a new token
            return False
        session = self.login or (site.chain == "remote users" and self.remote_user)
        return not session or self.csrf == "valid" or (self.authorization or "").startswith("Basic ")


def connect(application: Application, site: Site, sender: Sender) -> Client:
    """The client that `sender` is, once it has logged in and looked at a page."""
    client = Client(application, site.scheme, site.prefix, server=site.server())
    if site.scheme == "https":
        client.headers["Referer"] = f"https://{HOST}/"
    known_as = "HTTP_REMOTE_USER" if site.road.asgi else "REMOTE_USER"  # where Django looks
    remote_user = {known_as: sender.remote_user} if sender.remote_user else {}
    if not sender.fresh:
        client.server |= remote_user
    with override_settings(SECRET_KEY=KEYS[sender.key], SECRET_KEY_FALLBACKS=[]):
        _visit(client, sender)
    client.server |= remote_user
    said = {"Authorization": sender.authorization, "Accept-Language": sender.language}
    client.headers |= {name: value for name, value in said.items() if value}
    if sender.origin:
        client.headers["Origin"] = f"{site.scheme}://{HOST}"
    return client


def _visit(client: Client, sender: Sender) -> None:
    if sender.login or sender.remote_user or sender.csrf == "valid":
        client.send(Call("GET", "/accounts/login/"))  # where a remote user is logged in, which renews the token
        client.token = _token(client.send(Call("GET", "/accounts/login/")))
    if sender.login:
        _log_in(client, sender.login)
    if sender.cookie:
        client.send(Call("POST", f"/api/cookies/?name=a&path=/&value={sender.cookie}"))
    if sender.csrf in TOKENS:
        client.token, client.follows_cookie = TOKENS[sender.csrf], False
    if sender.csrf == "malformed" and (secret := client.find("csrftoken")):
        secret.value = client.token


def _log_in(client: Client, user: str) -> None:
    form = json.dumps({"username": user, "password": f"{user}-secret"}).encode()
    answer = client.send(Call("POST", "/api/login/", {"Content-Type": JSON}, form))
    assert answer.status == 200, answer
    client.token = _token(client.send(Call("GET", "/accounts/login/")))


def _token(page: Answer) -> str:
    found = re.search(rb'name="csrfmiddlewaretoken" value="(\w+)"', page.body)
    assert found, page
    return found[1].decode()


senders = st.builds(
    Sender,
    login=st.none() | st.sampled_from(USERS),
    csrf=st.sampled_from(["valid", *TOKENS]),
    key=st.sampled_from(sorted(KEYS)),
    authorization=st.none() | st.sampled_from([*RIGHT, *WRONG]),
    remote_user=st.none() | st.sampled_from(["ada", "staff", "guest"]),
    fresh=st.booleans(),
    language=st.sampled_from([None, "de", "fr, en;q=0.5"]),
    cookie=st.sampled_from([None, "1"]),
    origin=st.booleans(),
)
