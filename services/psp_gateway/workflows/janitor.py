"""The janitor's round: takes up, for every tenant, what a crash or a silent provider left.

A schedule runs it again and again, one round at a time; so nothing in it is tried twice here.
"""

import asyncio
from collections import Counter
from collections.abc import Mapping
from datetime import timedelta

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ApplicationError

with workflow.unsafe.imports_passed_through():
    from services.psp_gateway.workflows import signatures

_ONCE = RetryPolicy(maximum_attempts=1)
_LIST_TIMEOUT = timedelta(seconds=10)
_JOB_TIMEOUT = timedelta(minutes=5)


@workflow.defn(name="Janitor")
class JanitorWorkflow:
    """One round."""

    @workflow.run
    async def run(self) -> Mapping[str, int]:
        """Do one round; return how many of each kind of leftover were taken up, if any.

        What fails for one tenant keeps no other waiting; the run then fails at its end, to be seen.
        """
        tenants = await workflow.execute_activity(
            signatures.list_tenants, start_to_close_timeout=_LIST_TIMEOUT, retry_policy=_ONCE
        )
        results = await asyncio.gather(
            *(
                workflow.execute_activity(
                    job,
                    tenant_id,
                    start_to_close_timeout=_JOB_TIMEOUT,
                    retry_policy=_ONCE,
                    summary=tenant_id,
                )
                for tenant_id in tenants
                for job in (signatures.take_up_leftovers, signatures.attend_withdrawals)
            ),
            return_exceptions=True,
        )
        taken_up: Counter[str] = Counter()
        failures: list[BaseException] = []
        for result in results:
            if isinstance(result, BaseException):
                failures.append(result)
            else:
                taken_up.update(result)
        if failures:
            message = f"{len(failures)} of {len(results)} jobs failed; the next round goes on"
            raise ApplicationError(message) from failures[0]
        return {kind: count for kind, count in taken_up.items() if count}
