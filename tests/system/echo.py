"""A provider that says back what it was told, as streams of each dialect: in a text and in what two tools are given, a few characters at a
time, the tools' pieces between one another where the dialect allows that."""
import json
import re

TOOLS = (('write_file', {'path': 'a "b".txt'}), ('send_mail', {'to': 'x@example.org'}))
USAGE = {'input': 9, 'output': 9}


def pieces(text, size=3):
    return [text[at:at + size] for at in range(0, len(text), size)]


def between(*lists):
    """One of each in turn."""
    for number in range(max(map(len, lists))):
        for which, parts in enumerate(lists):
            if number < len(parts):
                yield which, parts[number]


def chat(text, calls):
    def event(delta, reason=None):
        return {'id': 'c-1', 'object': 'chat.completion.chunk', 'created': 1, 'model': 'echo',
                'choices': [{'index': 0, 'delta': delta, 'finish_reason': reason}]}
    yield event({'role': 'assistant', 'content': ''})
    for piece in pieces(text):
        yield event({'content': piece})
    for number, (name, _) in enumerate(calls):
        yield event({'tool_calls': [{'index': number, 'id': f'call_{number}', 'type': 'function', 'function': {'name': name, 'arguments': ''}}]})
    for number, piece in between(*(pieces(given) for _, given in calls)):
        yield event({'tool_calls': [{'index': number, 'function': {'arguments': piece}}]})
    yield event({}, 'tool_calls')
    yield {**event({}), 'choices': [], 'usage': {'prompt_tokens': USAGE['input'], 'completion_tokens': USAGE['output'], 'total_tokens': 18}}


def responses(text, calls):
    said = {'type': 'message', 'id': 'msg_1', 'role': 'assistant', 'status': 'completed',
            'content': [{'type': 'output_text', 'text': text, 'annotations': []}]}
    items = [{'type': 'function_call', 'id': f'fc_{number}', 'call_id': f'call_{number}', 'name': name, 'arguments': given, 'status': 'completed'}
             for number, (name, given) in enumerate(calls)]
    whole = {'id': 'resp_1', 'object': 'response', 'created_at': 1, 'model': 'echo', 'status': 'completed', 'output': [said, *items],
             'usage': {'input_tokens': USAGE['input'], 'output_tokens': USAGE['output'], 'total_tokens': 18}}
    part = {'item_id': 'msg_1', 'output_index': 0, 'content_index': 0}
    events = [{'type': 'response.created', 'response': {**whole, 'status': 'in_progress', 'output': []}},
              {'type': 'response.output_item.added', 'output_index': 0, 'item': {**said, 'content': [], 'status': 'in_progress'}},
              {'type': 'response.content_part.added', **part, 'part': {'type': 'output_text', 'text': '', 'annotations': []}},
              *({'type': 'response.output_text.delta', **part, 'delta': piece, 'logprobs': []} for piece in pieces(text)),
              {'type': 'response.output_text.done', **part, 'text': text, 'logprobs': []},
              {'type': 'response.content_part.done', **part, 'part': said['content'][0]},
              {'type': 'response.output_item.done', 'output_index': 0, 'item': said},
              *({'type': 'response.output_item.added', 'output_index': number + 1, 'item': {**item, 'arguments': '', 'status': 'in_progress'}}
                for number, item in enumerate(items)),
              *({'type': 'response.function_call_arguments.delta', 'item_id': f'fc_{number}', 'output_index': number + 1, 'delta': piece}
                for number, piece in between(*(pieces(given) for _, given in calls))),
              *({'type': 'response.function_call_arguments.done', 'item_id': f'fc_{number}', 'output_index': number + 1,
                 'name': item['name'], 'arguments': item['arguments']} for number, item in enumerate(items)),
              *({'type': 'response.output_item.done', 'output_index': number + 1, 'item': item} for number, item in enumerate(items)),
              {'type': 'response.completed', 'response': whole}]
    for number, event in enumerate(events):
        yield {'type': event['type'], 'sequence_number': number, **event}


def messages(text, calls):
    yield {'type': 'message_start', 'message': {'id': 'msg_1', 'type': 'message', 'role': 'assistant', 'model': 'echo', 'content': [], 'stop_reason': None,
                                                'stop_sequence': None, 'usage': {'input_tokens': USAGE['input'], 'output_tokens': 1}}}
    yield {'type': 'content_block_start', 'index': 0, 'content_block': {'type': 'text', 'text': ''}}
    yield {'type': 'ping'}
    for piece in pieces(text):
        yield {'type': 'content_block_delta', 'index': 0, 'delta': {'type': 'text_delta', 'text': piece}}
    yield {'type': 'content_block_stop', 'index': 0}
    for number, (name, given) in enumerate(calls, 1):
        yield {'type': 'content_block_start', 'index': number, 'content_block': {'type': 'tool_use', 'id': f'toolu_{number}', 'name': name, 'input': {}}}
        for piece in pieces(given):
            yield {'type': 'content_block_delta', 'index': number, 'delta': {'type': 'input_json_delta', 'partial_json': piece}}
        yield {'type': 'content_block_stop', 'index': number}
    yield {'type': 'message_delta', 'delta': {'stop_reason': 'tool_use', 'stop_sequence': None}, 'usage': {'output_tokens': USAGE['output']}}
    yield {'type': 'message_stop'}


def gemini(text, calls):
    def event(part, **more):
        return {'candidates': [{'content': {'parts': [part], 'role': 'model'}, 'index': 0, **more}], 'modelVersion': 'echo', 'responseId': 'r-1'}
    for piece in pieces(text):
        yield event({'text': piece})
    for name, given in calls:
        yield event({'functionCall': {'name': name, 'args': json.loads(given)}})
    yield {**event({'text': ''}, finishReason='STOP'), 'usageMetadata': {'promptTokenCount': 9, 'candidatesTokenCount': 9, 'totalTokenCount': 18}}


# By the end of the path: the events, whether each is named, what ends a line, and what ends the stream.
DIALECTS = {'/chat/completions': (chat, False, '\n', 'data: [DONE]\n\n'), '/responses': (responses, True, '\n', ''),
            '/messages': (messages, True, '\n', ''), ':streamGenerateContent': (gemini, False, '\r\n', '')}


def stream(path, value):
    """The whole stream that says `value`."""
    make, is_named, end, last = next(row for name, row in DIALECTS.items() if path.split('?')[0].endswith(name))
    calls = [(name, json.dumps({**given, 'content': f'"{value}"\n'})) for name, given in TOOLS]
    text = ''
    for event in make(f'The card {value} is on file.', calls):
        text += (f'event: {event["type"]}{end}' if is_named else '') + f'data: {json.dumps(event)}{end}{end}'
    return text + last


def behave(handler):
    """For a Mirror: says what stands between "card" and "on file" in the request, a few bytes at a time."""
    path = handler.path
    told = re.search(rb'card (\d+) on file', handler.body)
    handler.send_response(200)
    handler.send_header('content-type', 'text/event-stream')
    handler.send_header('transfer-encoding', 'chunked')
    handler.end_headers()
    for piece in pieces(stream(path, told.group(1).decode() if told else 'unknown').encode(), 11):
        handler.wfile.write(b'%x\r\n%s\r\n' % (len(piece), piece))
    handler.wfile.write(b'0\r\n\r\n')
    return True
