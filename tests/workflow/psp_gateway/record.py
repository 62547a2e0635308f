"""Records the histories that `test_histories.py` replays.

`python -m tests.workflow.psp_gateway.record`: run it for a new story, and for one whose workflow
was changed behind a patch; an old history stays as long as a workflow of its time may run.
"""

import asyncio
import re
from pathlib import Path

from temporalio.client import Client
from temporalio.worker import Worker

from services.psp_gateway.workflows.withdrawal import WithdrawalWorkflow
from tests.fakes.temporal_server import running_temporal
from tests.fakes.withdrawal_stories import OF, STORIES, Story, Teller

HISTORIES = Path(__file__).resolve().parents[1] / "histories" / "psp_gateway"
_QUEUE = "recording"
# A failure's stack names folders of the machine that recorded it, and replays do not look at it.
_WHERE_IT_FAILED = re.compile(r'"stackTrace": "(?:[^"\\]|\\.)*"')


async def play(client: Client, name: str, story: Story) -> str:
    """Play a story and return its history, as JSON."""
    teller = Teller(story)
    async with Worker(
        client,
        task_queue=_QUEUE,
        workflows=[WithdrawalWorkflow],
        activities=teller.activities(),
        identity="recorder",
    ):
        handle = await client.start_workflow(
            WithdrawalWorkflow.run, OF, id=f"{OF.workflow_id}/{name}", task_queue=_QUEUE
        )
        async with asyncio.timeout(30):
            for deed in story.deeds:
                while teller.told < deed.after:
                    await asyncio.sleep(0.01)
                await deed.do(handle)
            await handle.result()
        return _WHERE_IT_FAILED.sub('"stackTrace": ""', (await handle.fetch_history()).to_json())


async def main() -> None:
    """Record every story that has no history yet."""
    HISTORIES.mkdir(parents=True, exist_ok=True)
    async with running_temporal() as server:
        for name, story in STORIES.items():
            path = HISTORIES / f"{name}.json"
            if not path.exists():
                path.write_text(await play(server.client, name, story) + "\n", "utf-8")


if __name__ == "__main__":
    asyncio.run(main())
