"""All settings there are."""

from pydantic import BaseModel, Field, SecretStr

from penstock.effective.fields import all_settings
from penstock.effective.programs import CLASSES


class Nested(BaseModel):
    interval: float = Field(default=10.0, gt=0, le=60, description="Seconds between two looks.")


class One(BaseModel):
    name: str = Field(default="x", description="A name.")
    nested: Nested = Field(default=Nested(), description="How closely.")


class Other(BaseModel):
    name: str = Field(default="x", description="A name.")
    keys: tuple[SecretStr, ...] = Field(default=(), description="Keys.")
    port: int | None = Field(default=None, ge=1, description="A port.")


SETTINGS = {setting.path: setting for setting in all_settings({"one": One, "other": Other})}


def test_a_shared_setting_appears_once_with_both_readers():
    assert SETTINGS["name"].programs == ("one", "other")


def test_a_nested_one_is_found_by_its_path_with_unit_and_bounds():
    setting = SETTINGS["nested.interval"]
    assert (setting.kind, setting.unit, setting.bounds, setting.default) == (
        "number",
        "seconds",
        "more than 0 to 60",
        10.0,
    )


def test_secrets_are_known_even_in_lists():
    assert SETTINGS["keys"].secret
    assert not SETTINGS["name"].secret


def test_an_optional_one_is_of_its_inner_type():
    assert (SETTINGS["port"].kind, SETTINGS["port"].bounds) == ("whole number", "at least 1")


def test_every_setting_of_every_program_has_a_sentence():
    for setting in all_settings(CLASSES):
        assert setting.sentence.endswith("."), setting.path


def test_no_two_programs_mean_different_things_by_one_name():
    meanings = {}
    for kind in CLASSES.values():
        for setting in all_settings({"it": kind}):
            assert meanings.setdefault(setting.path, setting) == setting
