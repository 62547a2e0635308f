"""Settlement report bytes to lines: one module a report format."""

from collections.abc import Callable, Mapping

from services.formats import mock
from services.formats.report import ReportFormatError, SettlementReport

PARSERS: Mapping[str, Callable[[bytes], SettlementReport]] = {"mock": mock.parse}
"""The parser of each report format, by its name."""


def parse(report_format: str, data: bytes) -> SettlementReport:
    """Read a settlement report of the named format.

    Raises:
        ReportFormatError: the format has no parser, or the file is refused whole.
    """
    parser = PARSERS.get(report_format)
    if parser is None:
        raise ReportFormatError(f"There is no report format {report_format!r}")
    return parser(data)
