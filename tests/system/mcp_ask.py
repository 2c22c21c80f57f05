"""What an agent that means no good sends to the door: each line of steps.json, in order; prints one line of JSON an answer."""
import http.client
import json
import os
import urllib.parse

DOOR = urllib.parse.urlsplit(os.environ.get('CUSTODY_MCP_URL', 'http://127.0.0.1:9187/mcp'))


def ask(step):
    headers = {'content-type': 'application/json', 'accept': 'application/json, text/event-stream', **step.get('headers', {})}
    body = step.get('raw') if 'raw' in step else json.dumps(step['send']) if 'send' in step else None
    body = body.replace('CARD', ''.join(['4111', '1111', '1111', '1111'])) if body else None
    connection = http.client.HTTPConnection(DOOR.hostname, DOOR.port, timeout=60)
    connection.request(step.get('verb', 'POST'), step.get('path', f'/mcp/{step.get("server", "tickets")}'), body, headers)
    answer = connection.getresponse()
    text = answer.read(1 << 20).decode('utf-8', 'replace')
    connection.close()
    return {'name': step['name'], 'status': answer.status, 'session': answer.getheader('mcp-session-id'), 'body': text}


for line in open('steps.json'):
    try:
        print('GOT ' + json.dumps(ask(json.loads(line))), flush=True)
    except Exception as why:
        print('GOT ' + json.dumps({'name': json.loads(line)['name'], 'status': 0, 'body': repr(why)}), flush=True)
