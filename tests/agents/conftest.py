"""Fixtures of the bots' configuration. No assertions."""

import pytest

from agents import environment


@pytest.fixture
def environ(settings):
    """Sets the variables of hybrid AI to these, and all others to nothing."""

    def set_variables(**variables):
        settings.AGENT_DEFAULTS = environment.read(variables)

    return set_variables
