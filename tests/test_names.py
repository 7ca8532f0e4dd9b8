import pytest

from digitlab.names import Registry, unknown

ANIMALS = Registry("animal", {"cat": 1, "two-toed-sloth": 2})


@pytest.mark.parametrize("name", ["two_toed_sloth", "Two-Toed-Sloth", "TWOTOED"])
def test_unknown_name_is_answered_with_the_nearest_one(name):
    with pytest.raises(
        ValueError, match=f"^unknown animal '{name}'; did you mean 'two-toed-sloth'"
    ):
        ANIMALS[name]


def test_name_far_from_all_is_answered_with_all_of_them():
    with pytest.raises(ValueError, match="unknown animal 'xyz'; choose from cat, two-toed-sloth"):
        ANIMALS["xyz"]


@pytest.mark.parametrize("name", [7, None, "", ("cat",)])
def test_anything_can_be_an_unknown_name(name):
    with pytest.raises(ValueError, match="unknown animal"):
        ANIMALS[name]


def test_no_known_name_at_all():
    assert str(unknown("animal", "cat", [])) == "unknown animal 'cat'; choose from none"


def test_registry_is_a_dict_otherwise():
    assert ANIMALS["cat"] == 1
    assert ANIMALS.get("dog") is None
    assert "dog" not in ANIMALS
    assert list(ANIMALS) == ["cat", "two-toed-sloth"]
