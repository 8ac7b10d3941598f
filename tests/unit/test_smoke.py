from reco_plugin import conf


def test_unknown_settings_get_a_suggestion(settings):
    settings.RECO_LIMITS = 3
    assert conf.unknown() == {"RECO_LIMITS": "RECO_LIMIT"}
