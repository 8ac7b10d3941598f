import pytest

from reco_plugin.models import Item


@pytest.mark.django_db
def test_tables_exist():
    assert Item.objects.count() == 0
