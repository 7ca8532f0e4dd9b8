import pytest

from digitlab.names import Registry, unknown

ANIMALS = Registry("animal", {"cat": 1, "two-toed-sloth": 2})


@pytest.mark.parametrize(
    ("name", "words"),
    [
        *((name, "did you mean 'two-toed-sloth'") for name in ("two_toed_sloth", "TWOTOED")),
        (("cat",), "did you mean 'cat'"),
        *((name, "choose from cat, two-toed-sloth") for name in ("xyz", 7, None, "")),
    ],
)
def test_unknown_name_is_answered_with_the_nearest_one_or_all_of_them(name, words):
    with pytest.raises(ValueError, match=r"^unknown animal") as error:
        ANIMALS[name]
    assert f"unknown animal {name!r}; {words}" in str(error.value)


def test_no_known_name_at_all():
    assert str(unknown("animal", "cat", [])) == "unknown animal 'cat'; choose from none"


def test_registry_is_a_dict_otherwise():
    assert (ANIMALS["cat"], ANIMALS.get("dog")) == (1, None)
    assert list(ANIMALS) == ["cat", "two-toed-sloth"]
