"""A mock PSP in this process, an endpoint for its webhooks, and clients of both its APIs."""

import sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from services.local.mock_psp.server import MockPsp, serving
from services.local.mock_psp.settings import AccountSettings, new_account

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "fakes"))

from webhook_receiver import Receiver, receiving  # noqa: E402 - found by the path set above.
