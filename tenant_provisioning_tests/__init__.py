"""The tests, the faults and the bench. Whatever they do in an event loop they do in one of the kind that runs have."""

import asyncio

import uvloop

asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())
