"""A configuration is taken as it is meant, or refused with what is wrong in it."""

import pytest

from fracture.node import NodeError
from fracture.node.config import Allow, NodeConfig

FULL = """
spool = "spool"
weights = "weights"
[listen]
aet = "FRACTURE"
port = 11112
[listen.tls]
certificate = "node.pem"
[allow]
calling = ["XRAY1", "ORTHANC"]
addresses = ["10.0.0.0/8", "::1/128"]
[pacs]
aet = "ORTHANC"
host = "pacs.example"
port = 4242
[films]
modalities = ["DX"]
body_parts = ["HAND"]
series_description = "(?i)hand|wrist"
only_unanswered = true
[results]
kinds = ["sr"]
study_quiet_seconds = 120
[limits]
associations = 4
"""


def test_a_file_is_read_relative_to_where_it_lies(tmp_path):
    (tmp_path / "weights").mkdir()
    (tmp_path / "node.toml").write_text(FULL)
    config = NodeConfig.load(tmp_path / "node.toml")
    assert config.spool == tmp_path / "spool"
    assert config.weights == str(tmp_path / "weights")
    assert config.listen.tls.certificate == tmp_path / "node.pem"
    assert config.films.modalities == ["DX"] and config.limits.associations == 4
    assert config.retention.failed_days == 30


def test_weights_may_be_of_the_hub(tmp_path):
    (tmp_path / "node.toml").write_text(FULL.replace('"weights"', '"me/w@v1"'))
    assert NodeConfig.load(tmp_path / "node.toml").weights == "me/w@v1"


PACS = {"host": "pacs.example", "port": 104}


@pytest.mark.parametrize(
    ("wrong", "where"),
    [
        ({}, "spool"),
        ({"spool": "s"}, "pacs"),
        ({"spool": "s", "pacs": {}}, "host (DIMSE) or url"),
        ({"spool": "s", "pacs": {**PACS, "url": "http://x"}}, "host (DIMSE) or url"),
        ({"pacs": {**PACS, "port": 70000}}, "pacs.port"),
        ({"pacs": {**PACS, "aet": "MORE_THAN_SIXTEEN_"}}, "pacs.aet"),
        ({"listen": {"aet": "A\\B"}}, "listen.aet"),
        ({"listen": {"aet": "  "}}, "listen.aet"),
        ({"listen": {"prot": 1}}, "listen.prot"),
        ({"listen": {"tls": {}}}, "certificate"),
        ({"allow": {"addresses": ["10.0.0.1/8"]}}, "allow.addresses"),
        ({"films": {"modalities": ["CT"]}}, "films.modalities"),
        ({"films": {"series_description": "("}}, "films.series_description"),
        ({"results": {"kinds": []}}, "results.kinds"),
        ({"limits": {"associations": 0}}, "limits.associations"),
        ({"retention": {"failed_days": "long"}}, "retention.failed_days"),
    ],
)
def test_what_cannot_be_is_named(wrong, where):
    values = {"spool": "s", "pacs": PACS} if wrong.keys() - {"spool"} else {}
    with pytest.raises(NodeError) as raised:
        NodeConfig.of(values | wrong)
    assert raised.value.code == "config_invalid" and where in raised.value.message


@pytest.mark.parametrize("content", [None, b"spool = ", b"\xff\xfe"])
def test_a_file_that_is_none_is_told(content, tmp_path):
    if content is not None:
        (tmp_path / "node.toml").write_bytes(content)
    with pytest.raises(NodeError) as raised:
        NodeConfig.load(tmp_path / "node.toml")
    assert raised.value.code == "config_unreadable"


def test_a_password_is_not_shown():
    pacs = {"url": "http://x", "username": "u", "password": "hunter2"}
    config = NodeConfig.of({"spool": "s", "pacs": pacs})
    assert "hunter2" not in repr(config)
    assert config.pacs.password.get_secret_value() == "hunter2"


@pytest.mark.parametrize(
    ("networks", "address", "admitted"),
    [
        ([], "203.0.113.9", True),
        (["127.0.0.0/8"], "127.0.0.1", True),
        (["127.0.0.0/8"], "::ffff:127.0.0.1", True),
        (["127.0.0.0/8"], "203.0.113.9", False),
        (["fe80::/10"], "fe80::1%eth0", True),
        (["127.0.0.0/8"], "::1", False),
    ],
)
def test_addresses_are_admitted_by_network(networks, address, admitted):
    assert Allow(addresses=networks).admits(address) is admitted
