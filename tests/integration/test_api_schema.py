"""schemathesis: whatever the OpenAPI document admits, and whatever it does not, is answered as it says.

It needs no server: the app runs in process over a store in memory. It stands here because it takes its time.
"""

import fakes
import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.specs.openapi.checks import positive_data_acceptance

from api.app import make_app
from api.service import service
from api.settings import ApiSettings
from model.samples import Sample

pytestmark = pytest.mark.integration

settings_ = ApiSettings(api_log_level="error")
app = make_app(service(settings_, fakes.bundle(), [Sample("made up", fakes.impression())], fakes.Peeked()))
schema = schemathesis.openapi.from_dict(app.openapi())
schema.app = app


@schema.parametrize()
@settings(max_examples=25, derandomize=True, suppress_health_check=list(HealthCheck))
def test_every_answer_is_as_documented(case: schemathesis.Case) -> None:
    """No server error, no undocumented status, type or shape, whatever is sent."""
    # JSON Schema can not say of a number that it is the YYMMDDHH of a date, nor of tensors that they fit together.
    unsaid = [positive_data_acceptance] if case.method == "POST" else []
    case.call_and_validate(excluded_checks=unsaid)
