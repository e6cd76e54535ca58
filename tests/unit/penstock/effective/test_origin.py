"""Where settings come from, and names that nobody reads."""

from penstock.effective.origin import origin, strays

PATHS = ["port", "auth.secret", "gateway.heartbeat", "topics"]


def test_what_nobody_set_is_a_default():
    assert origin("port", {}, {}) == "default"


def test_the_variable_goes_before_the_file():
    assert origin("port", {"penstock_port": "1"}, {"port": 2}) == "PENSTOCK_PORT"
    assert origin("auth.secret", {}, {"auth": {"secret": "x"}}) == "penstock.toml"


def test_a_table_given_as_json_is_the_origin_of_what_is_in_it():
    assert origin("auth.secret", {"PENSTOCK_AUTH": "{}"}, {}) == "PENSTOCK_AUTH"


def test_a_mistyped_variable_is_told_with_what_was_meant():
    assert strays(PATHS, {"PENSTOCK_AUTH__SECRT": "x"}, {}) == [
        "Nobody reads the variable PENSTOCK_AUTH__SECRT; did you mean PENSTOCK_AUTH__SECRET?"
    ]


def test_a_mistyped_key_of_the_file_is_told_with_its_table():
    assert strays(PATHS, {}, {"gateway": {"hartbeat": 1}, "zzz": 1}) == [
        "Nobody reads gateway.hartbeat in penstock.toml; did you mean gateway.heartbeat?",
        "Nobody reads zzz in penstock.toml.",
    ]


def test_what_is_read_is_no_stray():
    environment = {"PENSTOCK_AUTH": "{}", "penstock_auth__secret": "x", "PENSTOCK_DEBUG": "1", "PATH": "/bin"}
    file = {"topics": [{"match": "#"}], "gateway": {"heartbeat": 1}}
    assert strays(PATHS, environment, file) == []


def test_a_table_where_there_is_one_setting_is_no_stray_of_its_own():
    assert strays(PATHS, {}, {"topics": {"match": "#"}}) == [], "whoever reads the setting says what is wrong with it"
