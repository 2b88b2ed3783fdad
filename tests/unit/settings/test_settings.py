from collections.abc import Mapping
from pathlib import Path

import pytest

from dragoman.kit.errors import InvalidInput
from dragoman.settings import LoadedSettings, Settings, every_field, load_settings
from dragoman.settings.load import MASK
from dragoman.settings.reference import reference


@pytest.fixture
def load(tmp_path: Path):
    def run(
        environment: Mapping[str, str] | None = None, toml: str | None = None, **flags: object
    ) -> LoadedSettings:
        if toml is not None:
            (tmp_path / "dragoman.toml").write_text(toml)
        given = {"HOME": str(tmp_path), "DRAGOMAN_DATA_DIR": str(tmp_path / "data"), **(environment or {})}
        named = {name.replace("__", "."): value for name, value in flags.items()}
        return load_settings(flags=named, environment=given, working_dir=tmp_path)

    return run


def _origin(loaded: LoadedSettings, name: str) -> str:
    return next(row.origin for row in loaded.shown() if row.name == name)


def test_without_anything_set_the_defaults_hold(load) -> None:
    settings = load().settings
    assert (settings.server.host, settings.server.port) == ("127.0.0.1", 8080)
    assert settings.offline is False
    assert settings.database_url is None
    assert settings.knowledge.max_upload_bytes == 262_144_000
    assert settings.embedding.provider == "local"
    assert settings.asksage.auth_error_status == 400
    assert settings.models.local.thread_count >= 1
    assert _origin(load(), "server.port") == "default"


def test_command_line_wins_over_environment_over_file_over_default(load, tmp_path: Path) -> None:
    toml = "[server]\nport = 1001\nhost = '10.0.0.1'\n[log]\nlevel = 'error'\n"
    environment = {"DRAGOMAN_SERVER__PORT": "1002", "DRAGOMAN_SERVER__HOST": "10.0.0.2"}
    loaded = load(environment, toml, server__port=1003)
    assert (loaded.settings.server.port, loaded.settings.server.host) == (1003, "10.0.0.2")
    assert loaded.settings.log.level == "error"
    assert _origin(loaded, "server.port") == "command line"
    assert _origin(loaded, "server.host") == "environment DRAGOMAN_SERVER__HOST"
    assert _origin(loaded, "log.level") == f"file {tmp_path / 'dragoman.toml'}"
    assert _origin(loaded, "log.format") == "default"


def test_an_unused_flag_and_an_empty_variable_set_nothing(load) -> None:
    loaded = load({"DRAGOMAN_SERVER__PORT": "", "DRAGOMAN_DATABASE__URL": ""}, server__host=None)
    assert loaded.settings.server.port == 8080
    assert loaded.settings.database_url is None
    assert _origin(loaded, "server.host") == "default"


def test_the_file_in_the_data_folder_is_read_when_the_working_directory_has_none(
    load, tmp_path: Path
) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "dragoman.toml").write_text("offline = true")
    assert load().settings.offline is True
    assert load(toml="offline = false").settings.offline is False


def test_a_named_file_is_read_instead_and_must_exist(tmp_path: Path) -> None:
    (tmp_path / "dragoman.toml").write_text("offline = false")
    (tmp_path / "mine.toml").write_text("offline = true")
    environment = {"DRAGOMAN_CONFIG": "mine.toml"}
    assert load_settings(environment=environment, working_dir=tmp_path).settings.offline is True
    with pytest.raises(InvalidInput, match=r"none\.toml cannot be read"):
        load_settings(config=Path("none.toml"), environment={}, working_dir=tmp_path)


def test_the_data_folder_follows_the_xdg_rules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", "/somewhere/share")
    assert load_settings(environment={}, working_dir=tmp_path).settings.data_dir == Path(
        "/somewhere/share/dragoman"
    )
    monkeypatch.delenv("XDG_DATA_HOME")
    monkeypatch.setenv("HOME", "/home/someone")
    found = load_settings(environment={}, working_dir=tmp_path).settings.data_dir
    assert found == Path("/home/someone/.local/share/dragoman")


def test_lists_and_tables_of_the_environment_are_json(load) -> None:
    environment = {
        "DRAGOMAN_EGRESS__ALLOW": '["hooks.example", "10.0.0.0/8"]',
        "DRAGOMAN_MODELS__ALIASES": '{"fast": "local"}',
        "DRAGOMAN_MODELS__ALIASES__SMART": "big",
        "DRAGOMAN_MODELS__PROVIDERS": '{"lan": {"base_url": "http://10.0.0.9/v1/", "models": ["m"]}}',
        "DRAGOMAN_MODELS__PROVIDERS__LAN__OUTSIDE": "false",
        "DRAGOMAN_MODELS__PROVIDERS__LAN__API_KEY": "lan-secret",
    }
    loaded = load(environment)
    assert loaded.settings.egress.allow == ["hooks.example", "10.0.0.0/8"]
    assert loaded.settings.models.aliases == {"fast": "local", "smart": "big"}
    provider = loaded.settings.models.providers["lan"]
    assert (provider.base_url, provider.outside, provider.models) == ("http://10.0.0.9/v1", False, ["m"])
    origin = "environment DRAGOMAN_MODELS__PROVIDERS"
    assert _origin(loaded, "models.providers.lan.base_url") == origin
    assert _origin(loaded, "models.providers.lan.outside") == f"{origin}__LAN__OUTSIDE"


def test_providers_in_the_file_are_merged_with_those_of_the_environment(load) -> None:
    toml = "[models.providers.lan]\nbase_url = 'http://10.0.0.9/v1'\nkind = 'anthropic'\n"
    loaded = load({"DRAGOMAN_MODELS__PROVIDERS__LAN__API_KEY": "k"}, toml)
    provider = loaded.settings.models.providers["lan"]
    assert provider.kind == "anthropic"
    assert provider.api_key is not None
    assert provider.api_key.get_secret_value() == "k"


def test_every_secret_can_come_from_a_file(load, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("from-a-file\n")
    secrets = [field for field in every_field(Settings) if field.secret and "*" not in field.path]
    assert len(secrets) >= 4
    environment = {f"{field.variable}_FILE": str(secret) for field in secrets}
    loaded = load({**environment, "DRAGOMAN_BOOTSTRAP__EMAIL": "a@b.example"})
    assert loaded.settings.database_url == "from-a-file"
    for field in secrets:
        assert _origin(loaded, field.name) == f"environment {field.variable}_FILE ({secret})"


@pytest.mark.parametrize(
    ("environment", "words"),
    [
        ({"DRAGOMAN_DATABASE__URL": "x", "DRAGOMAN_DATABASE__URL_FILE": "y"}, "both set"),
        (
            {"DRAGOMAN_DATABASE__URL_FILE": "/no/such/file"},
            "DRAGOMAN_DATABASE__URL_FILE: /no/such/file cannot be read",
        ),
        ({"DRAGOMAN_SERVER__HOST_FILE": "/etc/hostname"}, "is no setting"),
        ({"DRAGOMAN_SERVER__PROT": "1"}, "did you mean 'DRAGOMAN_SERVER__PORT'"),
        ({"DRAGOMAN_OFLINE": "1"}, "did you mean 'DRAGOMAN_OFFLINE'"),
        ({"DRAGOMAN_SERVER": "{}"}, "names a group"),
        ({"DRAGOMAN_EGRESS__ALLOW": "10.0.0.0/8"}, "must be JSON"),
        ({"DRAGOMAN_EGRESS__ALLOW": '["http://x"]'}, "egress.allow.*neither a host name"),
        ({"DRAGOMAN_SERVER__PORT": "70000"}, r"server.port \(environment DRAGOMAN_SERVER__PORT\): .*65535"),
        ({"DRAGOMAN_SERVER__PORT": "many"}, "server.port"),
        ({"DRAGOMAN_LOG__LEVEL": "loud"}, "log.level"),
        ({"DRAGOMAN_BOOTSTRAP__API_KEY": "sk-x"}, "bootstrap.email"),
        ({"DRAGOMAN_EMBEDDING__PROVIDER": "openai"}, "embedding.base_url"),
        ({"DRAGOMAN_KNOWLEDGE__PASSAGE_OVERLAP_TOKENS": "500"}, "must be less"),
        ({"DRAGOMAN_MODELS__PROVIDERS__X__BASE_URL": "file:///x"}, "http:// or https://"),
    ],
)
def test_a_mistake_in_the_environment_is_refused_with_its_place(load, environment, words: str) -> None:
    with pytest.raises(InvalidInput, match=words) as refusal:
        load(environment)
    assert refusal.value.code == "invalid_settings"


@pytest.mark.parametrize(
    ("toml", "words"),
    [
        ("[server]\nprot = 1", r"'prot' in \[server\] is no setting; did you mean 'port'"),
        ("[sever]\nport = 1", "'sever' at the top is no setting; did you mean 'server'"),
        ("[models.local]\nthread = 1", "did you mean 'threads'"),
        ("[models.providers.x]\nbase_ur = 1", r"in \[models.providers.x\] .*did you mean 'base_url'"),
        ("server = 5", "needs a table"),
        ("[server]\nport = 'x'", "server.port"),
        ("not toml", "is not TOML"),
    ],
)
def test_a_mistake_in_the_file_is_refused_with_its_place(load, toml: str, words: str) -> None:
    with pytest.raises(InvalidInput, match=words):
        load(None, toml)


def test_a_refusal_never_repeats_a_secret(load) -> None:
    with pytest.raises(InvalidInput) as refusal:
        load(
            None,
            "[bootstrap]\napi_key = 5550123\nemail = 'a@b.example'\n[database]\nurl = ['hunter2-hunter2']",
        )
    assert "5550123" not in refusal.value.detail
    assert "hunter2" not in refusal.value.detail


def test_shown_settings_mask_every_secret(load) -> None:
    environment = {
        "DRAGOMAN_DATABASE__URL": "postgresql://u:hunter2@db/x",
        "DRAGOMAN_SERVER__METRICS_TOKEN": "hunter2",
        "DRAGOMAN_MODELS__PROVIDERS__X__BASE_URL": "https://x.example",
        "DRAGOMAN_MODELS__PROVIDERS__X__API_KEY": "hunter2",
    }
    loaded = load(environment)
    assert "hunter2" not in str(loaded.shown())
    assert "hunter2" not in repr(loaded)
    masked = [row.name for row in loaded.shown() if row.value == MASK]
    assert masked == ["server.metrics_token", "database.url", "models.providers.x.api_key"]


def test_the_key_of_other_openai_programs_gives_a_provider_unless_one_is_set(load) -> None:
    loaded = load({"OPENAI_API_KEY": "sk-other"})
    provider = loaded.settings.models.providers["openai"]
    assert provider.base_url == "https://api.openai.com/v1"
    assert provider.models
    assert _origin(loaded, "models.providers.openai.api_key") == "environment OPENAI_API_KEY"
    own = load(
        {"OPENAI_API_KEY": "sk-other", "DRAGOMAN_MODELS__PROVIDERS__OPENAI__BASE_URL": "http://own.example"}
    )
    assert own.settings.models.providers["openai"].base_url == "http://own.example"
    assert own.settings.models.providers["openai"].api_key is None


def test_the_variables_that_kubernetes_adds_for_a_service_of_this_name_are_no_mistake(load) -> None:
    links = {
        "DRAGOMAN_PORT": "tcp://10.0.0.1:80",
        "DRAGOMAN_SERVICE_HOST": "10.0.0.1",
        "DRAGOMAN_PORT_80_TCP": "x",
    }
    assert load({**links, "KUBERNETES_SERVICE_HOST": "10.0.0.1"}).settings.server.port == 8080
    with pytest.raises(InvalidInput):
        load(links)


def test_settings_cannot_be_changed_once_read(load) -> None:
    settings = load().settings
    with pytest.raises(ValueError, match="frozen"):
        settings.server.port = 1


def test_every_setting_is_described_and_stands_on_the_reference_page() -> None:
    page = reference()
    fields = list(every_field(Settings))
    assert len(fields) > 50
    for field in fields:
        assert field.info.description, field.name
        assert f"`{field.name.replace('*', 'NAME')}`" in page
        assert field.variable in page
