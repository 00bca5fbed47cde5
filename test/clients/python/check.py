"""Drives the proxy with OpenAI's own Python SDK.

Standard input: {"open": {"url", "upstream"}, "keyed": ..., "tight": ...}, three proxies each in front of a
sandbox. Standard output: a line {"name", "problem"} for every check; `problem` is null when it passed.
"""

import asyncio
import base64
import json
import re
import sys
import time
import traceback
import urllib.request

import openai

ACCESS_TOKEN = "eyJhbGciOi.sandbox-paid.x"
TEXT = "Grüße! 你好，世界 👩‍🚀\n\n```ts\nconst a = 1;\n```\n\tone, two, three — done."
LONG = [f"word{index} " for index in range(2000)]
SLOW = {"answer": LONG, "eventDelayMs": 20}
ASKED = {"model": "gpt-4o", "messages": [{"role": "user", "content": "Hello!"}]}


class World:
    def __init__(self, url, upstream):
        self.url = url
        self.upstream = upstream

    def client(self, **options):
        return openai.OpenAI(**self._options(options))

    def async_client(self, **options):
        return openai.AsyncOpenAI(**self._options(options))

    def _options(self, options):
        return {"base_url": f"{self.url}/v1", "api_key": "anything", "max_retries": 0, **options}

    def scenario(self, scenario):
        self._control("scenario", scenario)

    def reset(self):
        self._control("reset", {})

    def conversations(self):
        records = self._control("requests")["requests"]
        return [record for record in records if record["path"].endswith("/conversation")]

    def open_streams(self):
        return self._control("state")["openStreams"]

    def _control(self, path, body=None):
        data = None if body is None else json.dumps(body).encode()
        headers = {"content-type": "application/json"}
        request = urllib.request.Request(f"{self.upstream}/__sandbox/{path}", data, headers)
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(request, timeout=10) as answer:
            return json.load(answer)


def equal(actual, expected):
    assert actual == expected, f"expected {expected!r}, got {actual!r}"


def eventually(holds):
    deadline = time.monotonic() + 5
    while not holds():
        assert time.monotonic() < deadline, "never came true"
        time.sleep(0.01)


def failure_of(call):
    try:
        call()
    except openai.APIError as error:
        return error
    raise AssertionError("the call succeeded")


def ask(client, **fields):
    return client.chat.completions.create(**{**ASKED, **fields})


def read(client, **fields):
    return list(ask(client, stream=True, **fields))


def text_of(chunks, index=0):
    choices = [choice for chunk in chunks for choice in chunk.choices if choice.index == index]
    return "".join(choice.delta.content or "" for choice in choices)


def reasons_of(chunks):
    return [choice.finish_reason for chunk in chunks for choice in chunk.choices if choice.finish_reason]


def say(content):
    return {"messages": [{"role": "user", "content": content}]}


def download(url):
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(url, timeout=10) as answer:
        return answer.read()


def link_in(text, label):
    found = re.search(re.escape(label) + r"\(([^)]+)\)", text)
    assert found, f"no {label} in {text!r}"
    return found[1]


CHECKS = []


def check(function):
    CHECKS.append(function)
    return function


@check
def whole_text_in_one_answer_in_pieces_and_through_the_stream_helper(worlds):
    world = worlds["open"]
    client = world.client()
    for shape in ({"encoding": "legacy", "chunking": "byte"}, {"encoding": "v1", "chunking": "mid-utf8"}):
        world.scenario({"answer": TEXT, **shape})
        whole = ask(client)
        equal(whole.choices[0].message.content, TEXT)
        equal(whole.choices[0].finish_reason, "stop")
        equal(whole.object, "chat.completion")
        chunks = read(client)
        equal(text_of(chunks), TEXT)
        equal(reasons_of(chunks), ["stop"])
        assert all(len(chunk.choices) == 1 for chunk in chunks), "no usage that nobody asked for"
        with client.chat.completions.stream(**ASKED) as stream:
            final = stream.get_final_completion()
        equal(final.choices[0].message.content, TEXT)
        equal(final.choices[0].finish_reason, "stop")


@check
def usage_comes_once_and_is_that_of_the_whole_answer(worlds):
    world = worlds["open"]
    world.scenario({"answer": TEXT})
    whole = ask(world.client())
    chunks = read(world.client(), stream_options={"include_usage": True})
    equal(chunks[-1].choices, [])
    equal(chunks[-1].usage, whole.usage)
    equal([chunk.usage for chunk in chunks[:-1]], [None] * (len(chunks) - 1))
    equal(whole.usage.prompt_tokens, 9)
    equal(whole.usage.total_tokens, 9 + whole.usage.completion_tokens)


@check
def several_answers_to_one_question(worlds):
    world = worlds["open"]
    answers = ["first", "second answer", "third, the longest"]
    for stream in (False, True):
        world.scenario([{"answer": answer, "times": 1} for answer in answers])
        if stream:
            chunks = read(world.client(), n=3)
            texts = [text_of(chunks, index) for index in range(3)]
            equal(reasons_of(chunks), ["stop"] * 3)
        else:
            whole = ask(world.client(), n=3)
            texts = [choice.message.content for choice in whole.choices]
        equal(sorted(texts), sorted(answers))


@check
def stop_and_max_tokens_cut_the_answer(worlds):
    world = worlds["open"]
    world.scenario({"answer": "one, two, STOP three"})
    stopped = ask(world.client(), stop=["STOP"])
    equal(stopped.choices[0].message.content, "one, two, ")
    equal(stopped.choices[0].finish_reason, "stop")
    equal(text_of(read(world.client(), stop="STOP")), "one, two, ")
    world.scenario({"answer": "one two three four five six"})
    cut = ask(world.client(), max_tokens=3)
    equal(cut.choices[0].message.content, "one two three")
    equal(cut.choices[0].finish_reason, "length")
    equal(cut.usage.completion_tokens, 3)
    chunks = read(world.client(), max_tokens=3)
    equal(text_of(chunks), "one two three")
    equal(reasons_of(chunks), ["length"])


@check
def closing_a_stream_ends_the_upstream_stream(worlds):
    world = worlds["open"]
    world.scenario(SLOW)
    stream = ask(world.client(), stream=True)
    for chunk in stream:
        if text_of([chunk]):
            break
    equal(world.open_streams(), 1)
    stream.close()
    eventually(lambda: world.open_streams() == 0)
    equal(world.conversations()[0]["outcome"], "aborted")


@check
def cancelling_a_task_ends_the_upstream_stream(worlds):
    world = worlds["open"]
    world.scenario(SLOW)

    async def cancel_one():
        async with world.async_client() as client:
            task = asyncio.create_task(client.chat.completions.create(**ASKED))
            while world.open_streams() == 0:
                await asyncio.sleep(0.01)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            eventually(lambda: world.open_streams() == 0)

    asyncio.run(asyncio.wait_for(cancel_one(), 10))


@check
def many_streams_at_once_stay_apart(worlds):
    world = worlds["open"]

    async def one(client, number):
        messages = [{"role": "user", "content": f"What is {number} + 1000?"}]
        stream = await client.chat.completions.create(model="gpt-4o", messages=messages, stream=True)
        return text_of([chunk async for chunk in stream])

    async def many():
        async with world.async_client() as client:
            return await asyncio.gather(*(one(client, number) for number in range(20)))

    for number, text in enumerate(asyncio.run(many())):
        assert str(number + 1000) in text.replace(",", ""), f"{number}: {text}"


@check
def faults_of_the_request_name_the_field(worlds):
    world = worlds["open"]
    bad = [
        ({"messages": [{"role": "wizard", "content": "x"}]}, "messages[0].role", "invalid_value"),
        ({"n": 0}, "n", "invalid_value"),
        ({"max_tokens": "ten"}, "max_tokens", "invalid_value"),
        ({"logprobs": True}, "logprobs", "unsupported_parameter"),
    ]
    for fields, param, code in bad:
        error = failure_of(lambda: ask(world.client(), **fields))
        equal((type(error), error.param, error.code), (openai.BadRequestError, param, code))
        equal(error.request_id, error.response.headers["x-request-id"])
    equal(world.conversations(), [])


@check
def refusals_are_the_classes_of_the_sdk(worlds):
    world = worlds["open"]
    refusals = [
        ({"error": "message_too_long"}, openai.BadRequestError, "context_length_exceeded"),
        ({"forceLogin": True}, openai.AuthenticationError, "anonymous_unavailable"),
        ({"error": "cloudflare"}, openai.PermissionDeniedError, "upstream_challenge"),
        ({"error": "unusual_activity"}, openai.PermissionDeniedError, "upstream_refused"),
        ({"error": "model_not_found"}, openai.NotFoundError, "model_not_found"),
        ({"error": "too_many_requests"}, openai.RateLimitError, "rate_limit_exceeded"),
        ({"error": "server_error"}, openai.InternalServerError, "upstream_error"),
        ({"resetBeforeHeaders": True}, openai.InternalServerError, "upstream_unreachable"),
        ({"cutAfterEvents": 1}, openai.InternalServerError, "upstream_protocol_error"),
    ]
    for scenario, expected, code in refusals:
        world.scenario(scenario)
        for stream in (False, True):
            error = failure_of(lambda: ask(world.client(), stream=stream))
            equal((type(error), error.code), (expected, code))
            assert error.request_id and error.type and error.message
    world.scenario({"error": "model_cap", "clearsInS": 77})
    limit = failure_of(lambda: ask(world.client()))
    equal((type(limit), limit.response.headers["retry-after"]), (openai.RateLimitError, "77"))


@check
def a_failure_in_mid_stream_is_raised_by_the_loop(worlds):
    world = worlds["open"]
    for fault, code in (({"errorEventAfter": 12}, "upstream_refused"), ({"cutAfterEvents": 12}, "upstream_protocol_error")):
        world.scenario({"answer": LONG, "eventDelayMs": 10, **fault})
        heard = []

        def listen():
            for chunk in ask(world.client(), stream=True):
                heard.append(chunk)

        error = failure_of(listen)
        equal(error.code, code)
        assert text_of(heard).startswith("word0 word1 "), text_of(heard)
        equal(reasons_of(heard), [])


@check
def every_answer_has_its_request_id(worlds):
    world = worlds["open"]
    client = world.client()
    raw = client.chat.completions.with_raw_response.create(**ASKED)
    assert raw.request_id
    equal(raw.request_id, raw.headers["x-request-id"])
    equal(raw.parse()._request_id, raw.request_id)
    streamed = client.chat.completions.with_raw_response.create(**ASKED, stream=True)
    assert streamed.request_id and streamed.request_id != raw.request_id
    equal(reasons_of(list(streamed.parse())), ["stop"])
    chosen = ask(client, extra_headers={"x-request-id": "caller-chose-this"})
    equal(chosen._request_id, "caller-chose-this")


@check
def models(worlds):
    client = worlds["open"].client()
    listed = list(client.models.list())
    assert any(model.id == "gpt-4o" for model in listed)
    equal(client.models.retrieve("gpt-4o"), next(model for model in listed if model.id == "gpt-4o"))
    error = failure_of(lambda: client.models.retrieve("no-such-model"))
    equal((type(error), error.code), (openai.NotFoundError, "model_not_found"))


@check
def an_access_token_as_the_key_reaches_the_accounts_own_api(worlds):
    world = worlds["open"]
    ask(world.client(api_key=ACCESS_TOKEN))
    ask(world.client())
    own, anonymous = world.conversations()
    equal((own["path"], own["headers"]["authorization"]), ("/backend-api/conversation", f"Bearer {ACCESS_TOKEN}"))
    equal((anonymous["path"], anonymous["headers"].get("authorization")), ("/backend-anon/conversation", None))


@check
def keys_open_the_door_and_others_do_not(worlds):
    world = worlds["keyed"]
    ask(world.client(api_key="sk-first"))
    ask(world.client(api_key=ACCESS_TOKEN))
    world.reset()
    stranger = world.client(api_key="sk-stranger", max_retries=2)
    for call in (lambda: ask(stranger), lambda: read(stranger), stranger.models.list):
        error = failure_of(call)
        equal((type(error), error.code), (openai.AuthenticationError, "invalid_api_key"))
    equal(world.conversations(), [])


@check
def what_cannot_get_better_is_not_retried_by_the_sdk(worlds):
    world = worlds["open"]
    patient = world.client(max_retries=2)
    world.scenario({"error": "message_too_long"})
    equal(type(failure_of(lambda: ask(patient))), openai.BadRequestError)
    equal(len(world.conversations()), 1)
    world.scenario([{"error": "server_error", "times": 1}, {"answer": TEXT}])
    equal(ask(patient).choices[0].message.content, TEXT)
    equal(len(world.conversations()), 3)


@check
def limits_of_the_proxy(worlds):
    world = worlds["tight"]
    world.scenario({"headersDelayMs": 20_000})
    late = failure_of(lambda: ask(world.client()))
    equal((type(late), late.status_code, late.code), (openai.InternalServerError, 504, "upstream_timeout"))
    world.scenario(SLOW)
    held = ask(world.client(), stream=True)
    full = failure_of(lambda: ask(world.client()))
    equal((type(full), full.status_code, full.code), (openai.InternalServerError, 503, "proxy_overloaded"))
    assert int(full.response.headers["retry-after"]) > 0
    held.close()
    world.scenario({"answer": TEXT})
    equal(ask(world.client(max_retries=2)).choices[0].message.content, TEXT)


@check
def images_files_and_code_of_a_tool(worlds):
    world = worlds["open"]
    client = world.client(api_key=ACCESS_TOKEN)
    for links in ("direct", "session"):
        world.scenario({"flow": "plot", "links": links})
        for text in (ask(client).choices[0].message.content, text_of(read(client))):
            assert "```python\nimport csv\n" in text and "```output\n42\n4 rows\n```" in text, text
            equal(download(link_in(text, "![image]"))[:8], b"\x89PNG\r\n\x1a\n")
            equal(download(link_in(text, "[Get]")), b"n,square\n1,1\n2,4\n3,9\n4,16\n")


@check
def sources_and_thoughts(worlds):
    world = worlds["open"]
    client = world.client(api_key=ACCESS_TOKEN)
    for encoding in ("legacy", "v1"):
        world.scenario({"flow": "browsing", "encoding": encoding})
        text = ask(client).choices[0].message.content
        equal(link_in(text, "[Why ice floats]"), "https://physics.example/ice?from=search")
    world.scenario({"flow": "thinking"})
    message = ask(client).choices[0].message
    assert "two halves" in message.reasoning_content and "two halves" not in message.content
    deltas = [chunk.choices[0].delta for chunk in read(client)]
    thought = "".join(getattr(delta, "reasoning_content", None) or "" for delta in deltas)
    equal(thought, message.reasoning_content)


@check
def images_are_generated(worlds):
    client = worlds["open"].client(api_key=ACCESS_TOKEN)
    drawn = client.images.generate(prompt="a cat", n=2, response_format="url")
    equal([download(image.url)[1:4] for image in drawn.data], [b"PNG", b"PNG"])
    inline = client.images.generate(prompt="a cat", response_format="b64_json")
    equal(base64.b64decode(inline.data[0].b64_json)[1:4], b"PNG")


@check
def images_and_files_are_seen_by_the_model(worlds):
    world = worlds["open"]
    client = world.client(api_key=ACCESS_TOKEN)
    drawn = client.images.generate(prompt="a cat", response_format="b64_json").data[0].b64_json
    image = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{drawn}"}}
    seen = ask(client, **say([{"type": "text", "text": "What is this?"}, image])).choices[0].message.content
    assert "256x256 PNG image" in seen and f"{len(base64.b64decode(drawn))} bytes" in seen, seen
    table = base64.b64encode(b"a,b\n1,2\n").decode()
    file = {"filename": "t.csv", "file_data": f"data:text/csv;base64,{table}"}
    told = ask(client, **say([{"type": "file", "file": file}])).choices[0].message.content
    assert "text/csv, 8 bytes" in told, told


@check
def a_kept_chat_goes_on(worlds):
    client = worlds["open"].client(api_key=ACCESS_TOKEN)
    kept = {"history_disabled": False}
    first = ask(client, **say("Remember the walrus"), extra_body=kept)
    place = {"conversation_id": first.conversation_id, "parent_message_id": first.message_id}
    second = ask(client, **say("What did I just say?"), extra_body={**kept, **place})
    assert "Remember the walrus" in second.choices[0].message.content
    equal(second.conversation_id, first.conversation_id)


@check
def an_answer_cut_by_upstream_arrives_whole(worlds):
    world = worlds["open"]
    cut = {"answer": LONG[:60], "finish": "max_tokens", "times": 1}
    world.scenario([cut, {"times": 1}, cut, {"times": 1}])
    client = world.client(api_key=ACCESS_TOKEN)
    equal(ask(client).choices[0].message.content, "".join(LONG[:60]))
    chunks = read(client)
    equal((text_of(chunks), reasons_of(chunks)), ("".join(LONG[:60]), ["stop"]))


def main():
    worlds = {name: World(**addresses) for name, addresses in json.load(sys.stdin).items()}
    for function in CHECKS:
        for world in worlds.values():
            world.reset()
        problem = None
        try:
            function(worlds)
        except Exception:
            problem = traceback.format_exc()
        print(json.dumps({"name": function.__name__.replace("_", " "), "problem": problem}), flush=True)


main()
