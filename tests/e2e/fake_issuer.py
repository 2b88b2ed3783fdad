"""An OpenID issuer on this machine that speaks the real protocol, and can be told to lie."""

import base64
import hashlib
import json
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qs, urlencode, urlsplit

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

CLIENT_ID = "dragoman"
CLIENT_SECRET = "not:so secret"


@dataclass
class Person:
    """Who sits at the issuer's page; ``claims`` go into the identity token, ``told`` into userinfo only."""

    subject: str = "subject-1"
    claims: dict[str, Any] = field(
        default_factory=lambda: {"email": "ana@example.org", "email_verified": True, "name": "Ana"}
    )
    told: dict[str, Any] = field(default_factory=dict[str, Any])


class FakeIssuer:
    """The issuer. ``lies`` replace claims of the next identity tokens; ``signer`` signs them."""

    def __init__(self) -> None:
        self.person = Person()
        self.lies: dict[str, Any] = {}
        self.name: str | None = None
        self.own_key = rsa.generate_private_key(65537, 2048)
        self.kid = "one"
        self.published: list[dict[str, Any]] = []
        self.publish(self.own_key, self.kid)
        self.signer: tuple[Any, str, str | None] = (self.own_key, "RS256", self.kid)
        self.codes: dict[str, dict[str, str]] = {}
        self.calls: list[str] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05})

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def publish(self, key: Any, kid: str) -> None:
        public = key.public_key()
        text = (
            RSAAlgorithm.to_jwk(public) if isinstance(key, rsa.RSAPrivateKey) else ECAlgorithm.to_jwk(public)
        )
        self.published.append({**json.loads(text), "kid": kid, "use": "sig"})

    def turn_key(self) -> None:
        """Signs with another key from now on, of another kind."""
        key = ec.generate_private_key(ec.SECP256R1())
        self.publish(key, "two")
        self.signer = (key, "ES256", "two")

    def sign_in(self, address: str) -> str:
        """What the person does at the issuer's page: the address to which the browser is sent back."""
        asked = {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}
        assert asked["client_id"] == CLIENT_ID
        assert asked["response_type"] == "code"
        assert asked["code_challenge_method"] == "S256"
        assert "openid" in asked["scope"].split()
        code = f"code-{len(self.codes)}"
        self.codes[code] = asked
        return asked["redirect_uri"] + "?" + urlencode({"code": code, "state": asked["state"]})

    def _token(self, asked: dict[str, str]) -> str:
        now = int(time.time())
        claims = {
            "iss": self.url,
            "sub": self.person.subject,
            "aud": CLIENT_ID,
            "exp": now + 300,
            "iat": now,
            "nonce": asked["nonce"],
            **self.person.claims,
            **self.lies,
        }
        key, algorithm, kid = self.signer
        headers = {} if kid is None else {"kid": kid}
        return jwt.encode(claims, key, algorithm=algorithm, headers=headers)

    def _redeem(self, form: dict[str, str], authorization: str) -> tuple[int, dict[str, Any]]:
        expected = base64.b64encode(b"dragoman:not%3Aso%20secret").decode()
        asked = self.codes.pop(form.get("code", ""), None)
        if authorization != f"Basic {expected}" or asked is None:
            return 401, {"error": "invalid_client"}
        digest = hashlib.sha256(form["code_verifier"].encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
        if challenge != asked["code_challenge"] or form["redirect_uri"] != asked["redirect_uri"]:
            return 400, {"error": "invalid_grant"}
        return 200, {"access_token": "let-me-see", "token_type": "Bearer", "id_token": self._token(asked)}

    def _document(self) -> dict[str, Any]:
        return {
            "issuer": self.name or self.url,
            "authorization_endpoint": f"{self.url}/authorize?tenant=1",
            "token_endpoint": f"{self.url}/token",
            "jwks_uri": f"{self.url}/keys",
            "userinfo_endpoint": f"{self.url}/userinfo",
            "end_session_endpoint": f"{self.url}/leave",
        }

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        issuer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                path = urlsplit(self.path).path
                issuer.calls.append(path)
                if path == "/.well-known/openid-configuration":
                    self._answer(200, issuer._document())
                elif path == "/keys":
                    self._answer(200, {"keys": issuer.published})
                elif path == "/userinfo" and self.headers["authorization"] == "Bearer let-me-see":
                    self._answer(200, {"sub": issuer.person.subject, **issuer.person.told})
                elif path == "/authorize":
                    # A real browser is sent back at once, as by an issuer that knows it.
                    self.send_response(302)
                    self.send_header("location", issuer.sign_in(self.path))
                    self.end_headers()
                else:
                    self._answer(404, {})

            def do_POST(self) -> None:
                issuer.calls.append(self.path)
                text = self.rfile.read(int(self.headers["content-length"])).decode()
                form = {name: values[0] for name, values in parse_qs(text).items()}
                self._answer(*issuer._redeem(form, self.headers.get("authorization", "")))

            def _answer(self, status: int, value: dict[str, Any]) -> None:
                body = json.dumps(value).encode()
                self.send_response(status)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:
                pass

        return Handler
