"""A withdrawal's workflow as a careless change would make it."""

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from services.psp_gateway.workflows import withdrawal
    from services.psp_gateway.workflows.models import WithdrawalRef


@workflow.defn(name="Withdrawal")
class LooksTwice(withdrawal.WithdrawalWorkflow):
    """Begins with one look more than the workflows that run already."""

    @workflow.init
    def __init__(self, of: WithdrawalRef) -> None:
        super().__init__(of)

    @workflow.run
    async def run(self, of: WithdrawalRef) -> str:
        """Look once more, and go on as before."""
        await self._look()
        return await super().run(of)
