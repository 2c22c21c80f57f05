#!/usr/bin/env python3
"""What a cell may reach besides its models: real clients, real servers, and everything that must not get through."""
import base64
import hashlib
import http.client
import io
import json
import os
import re
import shutil
import socket
import ssl
import subprocess
import sys
import zipfile

sys.path.insert(0, os.path.dirname(__file__))
from harness import CARD, Place, Skip, TOKEN, free_port, main, run, skip_without_registry, wait_for_port
from mirror import Mirror, make_ca

CURL = 'curl -sS -o /dev/null -w "[%{http_connect} %{http_code}]\\n" '
PUBLIC = '93.184.216.34'  # on our own loopback, in a network of our own
NAMES = {'mirror.example.org': [PUBLIC], 'inside.example.org': ['127.0.0.1'], 'mixed.example.org': [PUBLIC, '127.0.0.1'],
         'meta.example.org': ['169.254.169.254'], 'shared.example.org': ['100.64.1.1'], 'mapped.example.org': ['::ffff:127.0.0.1'],
         'unique.example.org': ['fd00::1'], 'link.example.org': ['169.254.1.1'], 'many.example.org': ['224.0.0.1']}
NETWORK = 'CUSTODY_TEST_OWN_NETWORK'


class World(Place):
    """A place, and a mirror with and without TLS that policy lists as each test wants."""

    def __init__(self, files=None, behave=None, names=('DNS:localhost', 'DNS:mirror.example.org', 'IP:127.0.0.1'), **more):
        if not os.path.exists('/usr/bin/curl'):
            raise Skip('no /usr/bin/curl')
        super().__init__(**more)
        self.ca, certificate, key = make_ca(self.root, names)
        content = files if files is not None else {'/a/x': b'hello\n', '/b/y': b'no\n'}
        self.tls = Mirror(content, certificate, key, host='', behave=behave)
        self.plain = Mirror(content, host='', behave=behave)
        self.port = self.tls.port

    def egress(self, *entries):
        self.policy('egress:\n' + ''.join(f'  - {entry}\n' for entry in entries) if entries else 'egress: []\n')

    def entry(self, host='localhost', port=None, private=True, ca=True, **more):
        words = [f'host: {host}', f'port: {port or self.port}', *([f'ca: {self.ca}'] if ca else []),
                 *(['private: true'] if private else []), *(f'{key}: {value}' for key, value in more.items())]
        return '{ ' + ', '.join(words) + ' }'

    def shell(self, script, check=0, **more):
        done = self.run('/bin/sh', '-c', script + '\ntouch made', check=check, **more)
        done['codes'] = re.findall(r'\[(\d+) (\d+)\]', done['stderr'])
        return done

    def pairs(self, done):
        """(intent, outcome) of each request that left."""
        records = self.log('--run', done['run'], '--type', 'egress')
        intents = {record['seq']: record for record in records if 'intent' not in record}
        pairs = [(intents.pop(record['intent']), record) for record in records if 'intent' in record]
        assert intents == {}, f'intents without an outcome: {intents}'
        return pairs

    def refusals(self, done):
        return [record for record in self.log('--run', done['run'], '--type', 'refused') if record['mechanism'] != 'guard']

    def close(self):
        self.tls.close()
        self.plain.close()
        super().close()


def own_network():
    if not os.environ.get(NETWORK):
        raise Skip('names and addresses of our own need root')


def a_listed_host_is_reached_and_every_request_is_recorded():
    world = World()
    try:
        world.egress(world.entry(methods='[GET, PUT]', paths='["/a/**"]'), world.entry(port=world.plain.port, ca=False))
        secure, plain = f'https://localhost:{world.port}', f'http://localhost:{world.plain.port}'
        done = world.shell(f'curl -sS {secure}/a/x >got; {CURL} {plain}/a/x; {CURL} -T README "{secure}/a/up?x=1"; cat got >&2; '
                           f'{CURL} -I {plain}/b/y')
        assert done['codes'] == [('000', '200'), ('200', '404'), ('000', '200')], done['stderr']
        assert 'hello' in done['stderr'].splitlines(), done['stderr']
        assert [row[:2] for row in world.tls.asked] == [('GET', '/a/x'), ('PUT', '/a/up?x=1')], world.tls.asked
        assert world.tls.asked[1][3] == b'a sample\n'
        pairs = world.pairs(done)
        assert [(i['object']['method'], i['object']['path'], i['outcome'], o['outcome'], o['status']) for i, o in pairs] == [
            ('GET', '/a/x', 'intended', 'ok', 200), ('GET', '/a/x', 'intended', 'ok', 200),
            ('PUT', '/a/up', 'intended', 'ok', 404), ('HEAD', '/b/y', 'intended', 'ok', 200)], pairs
        digest = hashlib.sha256(ssl.PEM_cert_to_DER_cert((world.root / 'server.pem').read_text())).hexdigest()
        assert [o['object'].get('certificate') for _, o in pairs] == [digest, None, digest, None], pairs
        for intent, outcome in pairs:
            assert intent['object']['host'] == 'localhost' and intent['class'] == 'code' and intent['rule'].startswith('egress['), intent
            assert outcome['duration_us'] > 0 and outcome['bytes_out'] > 40, outcome
        assert pairs[0][1]['bytes_in'] == 6
        assert world.verify()['result'] == 'holds'
    finally:
        world.close()


def what_is_not_listed_is_not_reached():
    world = World()
    try:
        world.egress(world.entry(methods='[GET]', paths='["/a/**"]'))
        secure, plain = f'https://localhost:{world.port}', f'http://localhost:{world.plain.port}'
        to = f'--resolve localhost:{world.port}:127.0.0.1 --noproxy "*"'
        script = (f'{CURL} {secure}/b/y; {CURL} -X DELETE {secure}/a/x; {CURL} -T README {secure}/a/x; {CURL} {secure}/a/%2e%2e/b/y; '
                  f'{CURL} --path-as-is {secure}/a/../b/y; {CURL} -H "Host: other.example.org" {secure}/a/x; '
                  f'{CURL} {plain}/a/x; {CURL} https://example.org/; {CURL} https://localhost:1/; {CURL} {to} {secure}/a/x; '
                  f'{CURL} --proxytunnel {plain}/a/x; {CURL} -H "Connection: upgrade" -H "Upgrade: h2c" {secure}/a/x')
        done = world.shell(script)
        assert done['codes'] == [('200', '403'), ('200', '403'), ('200', '403'), ('200', '400'), ('200', '400'), ('200', '400'),
                                 ('000', '404'), ('403', '000'), ('403', '000'), ('000', '000'), ('403', '000'), ('200', '400')], done['stderr']
        assert world.tls.asked == [] and world.plain.asked == [], (world.tls.asked, world.plain.asked)
        assert world.pairs(done) == []
        assert [r['reason'] for r in world.refusals(done)] == [
            'path', 'method', 'method', 'path', 'path', 'host', 'unknown-path', 'egress', 'egress', 'egress', 'upgrade'], world.refusals(done)
    finally:
        world.close()


def nothing_is_reached_where_policy_lists_nothing():
    world = World()
    try:
        world.egress()
        proxy = '--noproxy none.example --proxy http://127.0.0.1:9187'
        done = world.shell(f'env | grep -i -e proxy= -e _CA -e ca.pem; ls ~/.custody; {CURL} https://localhost:{world.port}/a/x; '
                           f'{CURL} {proxy} https://localhost:{world.port}/a/x; {CURL} {proxy} http://localhost:{world.plain.port}/a/x')
        assert [code for code in done['codes']] == [('000', '000'), ('405', '000'), ('000', '404')], done['stderr']
        assert 'HTTPS_PROXY=\n' in done['stderr'] and 'ca.pem' not in done['stderr'], done['stderr']
        assert world.tls.asked == [] and world.plain.asked == [] and world.pairs(done) == []
    finally:
        world.close()


def the_repositorys_file_only_narrows():
    world = World(repository_policy='version: 1\nrepository: billing\nowner: tom\n')
    try:
        world.egress(world.entry(methods='[GET, PUT]', paths='["/a/**"]'))
        url = f'https://localhost:{world.port}'
        narrow = f'egress: [{{ host: localhost, port: {world.port}, methods: [GET], paths: ["/a/x"] }}]\n'
        world.write('custody.yaml', f'version: 1\nrepository: billing\nowner: tom\n{narrow}')
        world.commit('narrower')
        done = world.shell(f'{CURL} {url}/a/x; {CURL} {url}/a/z; {CURL} -T README {url}/a/x')
        assert done['codes'] == [('200', '200'), ('200', '403'), ('200', '403')], done['stderr']
        world.write('custody.yaml', 'version: 1\nrepository: billing\nowner: tom\negress: []\n')
        world.commit('none')
        done = world.shell(f'{CURL} {url}/a/x')
        assert done['codes'] == [('000', '000')], done['stderr']
        for wider in ('host: evil.example', f'host: localhost, port: {world.port}, methods: [POST]'):
            world.write('custody.yaml', f'version: 1\nrepository: billing\nowner: tom\negress: [{{ {wider} }}]\n')
            world.commit('wider')
            done = world.run('/bin/true')
            assert done['exit'] == 3 and 'wider' in done['stderr'], done['stderr']
    finally:
        world.close()


def nothing_sensitive_leaves_in_an_upload_a_url_or_a_header():
    world = World(files={'README': b'x\n'}, **{})
    try:
        world.write('cards.csv', f'name,card\nann,{CARD}\n')
        world.write('.env', f'GITHUB_TOKEN={TOKEN}\n')
        world.commit('secrets')
        world.egress(world.entry(methods='[GET, PUT, POST]'))
        url = f'https://localhost:{world.port}'
        percent = ''.join(f'%{byte:02x}' for byte in f'card {CARD}'.encode())
        sends = [f'{url}/a/x?card={CARD}', f'{url}/a/{TOKEN}', f'{url}/a/x?q={percent}', f'-H "X-Card: card {CARD}" {url}/a/x',
                 f'-H "Authorization: Bearer {TOKEN}" {url}/a/x', f'--data "card={CARD}" {url}/up', f'-X PUT --data "token {TOKEN}" {url}/up',
                 f'--data "{base64.b64encode(f"my card is {CARD} yes".encode()).decode()}" {url}/up',
                 f'-F file=@upload.txt {url}/up', f'-H "Transfer-Encoding: chunked" -T upload.txt {url}/up',
                 f'-H "Content-Encoding: gzip" --data-binary @packed {url}/up', f'--data-binary @packed {url}/up']
        setup = f'printf "the card is %s%s\\n" {CARD[:8]} {CARD[8:]} >upload.txt; gzip -c upload.txt >packed; '
        # what the view shows are stand-ins: they look like what they stand for, and count as it
        shown = f'{CURL} --data-binary @.env {url}/up; {CURL} --data-binary @cards.csv {url}/up; '
        done = world.shell(setup + ''.join(f'{CURL} {words}; ' for words in sends) + shown + 'rm upload.txt packed', check=None)
        assert [code for _, code in done['codes']] == ['403'] * 10 + ['415', '403', '403', '403'], (done['codes'], done['stderr'])
        assert world.tls.asked == [], world.tls.asked
        refused = world.refusals(done)
        assert {r['reason'] for r in refused} == {'data-class', 'encoded'} and len(refused) == 14, refused
        told = json.dumps(world.log())
        assert CARD not in told and TOKEN not in told and CARD[:8] not in told
    finally:
        world.close()


def a_tunnel_leads_to_the_host_that_it_was_asked_for():
    world = World()
    try:
        world.egress(world.entry(upload='4K'))
        url = f'https://localhost:{world.port}'
        python = ('/usr/bin/python3 -c "import socket,ssl,sys\n'
                  's=socket.create_connection((\'127.0.0.1\',9187))\n'
                  f's.sendall(b\'CONNECT localhost:{world.port} HTTP/1.1\\r\\nHost: localhost:{world.port}\\r\\n\\r\\n\')\n'
                  'got=s.recv(4096)\n'
                  'print(\'connect\',got.split()[1].decode(),file=sys.stderr)\n'
                  '%s\n"; ')
        other = python % ('c=ssl._create_unverified_context()\ntry:\n c.wrap_socket(s,server_hostname=\'evil.example\'); print(\'in\',file=sys.stderr)\n'
                          'except OSError: print(\'cut\',file=sys.stderr)')
        nameless = python % ('c=ssl._create_unverified_context()\ntry:\n c.wrap_socket(s); print(\'in\',file=sys.stderr)\n'
                             'except OSError: print(\'cut\',file=sys.stderr)')
        plain = python % ('s.sendall(b\'GET /a/x HTTP/1.1\\r\\nHost: localhost\\r\\n\\r\\n\')\nprint(\'got\',len(s.recv(4096)),file=sys.stderr)')
        done = world.shell(f'{CURL} {url}/a/x; {other}{nameless}{plain}head -c 9000 /dev/zero >big; {CURL} -T big {url}/up; rm big')
        seen = done['stderr']
        assert done['codes'][0] == ('200', '200'), seen
        assert seen.count('connect 200') == 3 and seen.count('cut') == 2 and '\nin\n' not in seen and 'got 0' in seen, seen
        assert [row[:2] for row in world.tls.asked if row[0] != 'PUT' or row[3]] == [('GET', '/a/x')], world.tls.asked
        pairs = world.pairs(done)
        assert [(o['outcome'], o.get('reason')) for _, o in pairs] == [
            ('ok', None), ('refused', 'server-name'), ('refused', 'server-name'), ('refused', 'no-tls'), ('failed', 'limit')], pairs
        assert all(i['class'] == 'opaque' and i['object']['method'] == 'CONNECT' for i, _ in pairs), pairs
    finally:
        world.close()


def a_request_cannot_hide_in_another():
    """Smuggling, in the clear and within the TLS that ends at us: refused, and nothing of it arrives."""
    world = World()
    try:
        world.egress(world.entry(methods='[GET, POST]', paths='["/a/**"]'), world.entry(port=world.plain.port, ca=False, methods='[GET, POST]'))
        cases = ['Content-Length: 5\\r\\nTransfer-Encoding: chunked\\r\\n\\r\\n0\\r\\n\\r\\nGET /b/y HTTP/1.1\\r\\n\\r\\n',
                 'Content-Length: 5\\r\\nContent-Length: 6\\r\\n\\r\\nhello!', 'Content-Length: +5\\r\\n\\r\\nhello',
                 'Transfer-Encoding: chunked\\r\\n\\r\\n5;x=y\\r\\nhello\\r\\n0\\r\\n\\r\\n', 'Transfer-Encoding : chunked\\r\\n\\r\\n0\\r\\n\\r\\n',
                 'X: a\\nGET /b/y HTTP/1.1\\r\\n\\r\\n', 'Transfer-Encoding: xchunked\\r\\n\\r\\n', 'Host: evil.example\\r\\n\\r\\n']
        script = ['import socket,ssl,sys', 'cases=' + repr([case.encode().decode('unicode_escape') for case in cases]),
                  'def ask(s,text):', ' s.sendall(text.encode()); s.settimeout(10); got=b""', ' try:',
                  '  while b"\\r\\n" not in got:', '   more=s.recv(4096)', '   if not more: break', '   got+=more', ' except OSError: pass',
                  ' return got.split(b" ")[1].decode() if b" " in got else "cut"',
                  'for case in cases:', ' s=socket.create_connection(("127.0.0.1",9187))',
                  f' print("plain",ask(s,"POST http://localhost:{world.plain.port}/a/x HTTP/1.1\\r\\nHost: localhost:{world.plain.port}\\r\\n"+case),file=sys.stderr)',
                  ' s=socket.create_connection(("127.0.0.1",9187))',
                  f' assert ask(s,"CONNECT localhost:{world.port} HTTP/1.1\\r\\nHost: localhost:{world.port}\\r\\n\\r\\n")=="200"',
                  ' t=ssl.create_default_context(cafile=__import__("os").environ["SSL_CERT_FILE"]).wrap_socket(s,server_hostname="localhost")',
                  f' print("tls",ask(t,"POST /a/x HTTP/1.1\\r\\nHost: localhost:{world.port}\\r\\n"+case),file=sys.stderr)']
        world.write('ask.py', '\n'.join(script) + '\n')
        world.commit('a client')
        done = world.shell('/usr/bin/python3 ask.py', timeout=200)
        codes = re.findall(r'^(?:plain|tls) (\w+)$', done['stderr'], re.M)
        assert len(codes) == 2 * len(cases) and set(codes) <= {'400', '501'}, done['stderr']
        assert world.tls.asked == [] and world.plain.asked == [], (world.tls.asked, world.plain.asked)
        assert world.pairs(done) == []
    finally:
        world.close()


def the_server_must_prove_who_it_is():
    world = World(names=('DNS:other.example.org',))
    try:
        world.egress(world.entry(methods='[GET]'), world.entry(host='127.0.0.1', methods='[GET]', ca=False))
        done = world.shell(f'{CURL} https://localhost:{world.port}/a/x; {CURL} https://127.0.0.1:{world.port}/a/x')
        assert done['codes'] == [('200', '502'), ('200', '502')], done['stderr']
        assert world.tls.asked == []
        assert [(o['outcome'], o['reason']) for _, o in world.pairs(done)] == [('failed', 'certificate')] * 2
    finally:
        world.close()


def private_addresses_are_refused_after_resolution():
    own_network()
    world = World()
    try:
        listed = [world.entry(host=name, private=False, methods='[GET]') for name in NAMES]
        world.egress(*listed, world.entry(host='127.0.0.1', private=False, methods='[GET]'))
        hosts = [*NAMES, '127.0.0.1']
        done = world.shell(''.join(f'{CURL} https://{name}:{world.port}/a/x; ' for name in hosts))
        assert done['codes'] == [('200', '200')] + [('200', '403')] * (len(hosts) - 1), (done['codes'], done['stderr'])
        assert [row[:2] for row in world.tls.asked] == [('GET', '/a/x')], world.tls.asked
        pairs = world.pairs(done)
        assert [(o['outcome'], o.get('reason')) for _, o in pairs] == [('ok', None)] + [('refused', 'address')] * (len(hosts) - 1), pairs
        # with `private: true` private ones are meant, and the clouds' are not
        world.egress(*(world.entry(host=name, methods='[GET]') for name in ('inside.example.org', 'meta.example.org', 'many.example.org')))
        world.tls.asked.clear()
        done = world.shell(''.join(f'{CURL} https://{name}:{world.port}/a/x; ' for name in ('inside.example.org', 'meta.example.org', 'many.example.org')))
        reasons = [(o['outcome'], o.get('reason')) for _, o in world.pairs(done)]
        assert reasons == [('failed', 'certificate'), ('refused', 'address'), ('refused', 'address')], reasons
    finally:
        world.close()


def limits_of_bytes_hold():
    big = os.urandom(3 << 20)
    world = World(files={'/big': big, '/a/x': b'hello\n'})
    try:
        world.egress(world.entry(methods='[GET, PUT]', upload='1K', download='4M'))
        url = f'https://localhost:{world.port}'
        done = world.shell(f'head -c 600 /dev/zero | tr "\\0" a >up; {CURL} {url}/big; {CURL} -T up {url}/up; {CURL} -T up {url}/up; '
                           f'{CURL} {url}/big; {CURL} {url}/a/x; rm up')
        codes = [code for _, code in done['codes']]
        assert codes[:3] == ['200', '404', '403'], done['stderr']
        outcomes = [(o['outcome'], o.get('reason')) for _, o in world.pairs(done)]
        assert outcomes[:3] == [('ok', None), ('ok', None), ('failed', 'limit')] and outcomes[3][0] in ('ok', 'failed'), outcomes
        assert sum(o['bytes_in'] for _, o in world.pairs(done)) <= 4 << 20
    finally:
        world.close()


def large_files_pass_whole_in_either_framing():
    big = os.urandom(20 << 20)

    def behave(handler):
        if handler.path == '/chunked':
            handler.send_response(200)
            handler.send_header('Transfer-Encoding', 'chunked')
            handler.end_headers()
            for at in range(0, len(big), 70000):
                piece = big[at:at + 70000]
                handler.wfile.write(b'%x\r\n%s\r\n' % (len(piece), piece))
            handler.wfile.write(b'0\r\n\r\n')
            return True
        if handler.path == '/closed':
            handler.send_response(200)
            handler.send_header('Connection', 'close')
            handler.end_headers()
            handler.wfile.write(big)
            handler.close_connection = True
            return True
        if handler.path == '/short':
            handler.send_response(200)
            handler.send_header('Content-Length', '100')
            handler.end_headers()
            handler.wfile.write(b'only this')
            handler.close_connection = True
            return True
        return False

    world = World(files={'/big': big}, behave=behave)
    try:
        world.egress(world.entry(methods='[GET]'), world.entry(port=world.plain.port, ca=False))
        digest = hashlib.sha256(big).hexdigest()
        secure, plain = f'https://localhost:{world.port}', f'http://localhost:{world.plain.port}'
        urls = [f'{secure}/big', f'{secure}/chunked', f'{plain}/big', f'{plain}/chunked', f'{plain}/closed']
        done = world.shell(''.join(f'curl -sS --limit-rate 40M {url} | sha256sum >&2; ' for url in urls) +
                           f'curl -sS {secure}/short >/dev/null || echo cut >&2; curl -sS {plain}/short >/dev/null || echo cut >&2')
        assert done['stderr'].count(digest) == len(urls), done['stderr']
        assert done['stderr'].splitlines().count('cut') == 2, done['stderr']
        outcomes = [(o['outcome'], o['bytes_in']) for _, o in world.pairs(done)]
        assert outcomes[:5] == [('ok', len(big))] * 5 and [o for o, _ in outcomes[5:]] == ['failed', 'failed'], outcomes
    finally:
        world.close()


def whoever_carries_it_takes_the_run_along():
    world = World()
    try:
        world.egress(world.entry(methods='[GET]'))
        for role in ('egress', 'dialer'):
            process = world.start([world.program, 'run', '--repo', world.repo, '--requester', 'tom', '--json', '--', 'sleep', '60'],
                                  stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
            world.wait_for_run()
            children = run(['pgrep', '-x', '-P', process.pid, role], check=0).stdout.split()
            assert len(children) == 1, children
            os.kill(int(children[0]), 9)
            told = json.loads(process.communicate(timeout=60)[0].splitlines()[-1])
            # the dialer's end is egress's, too: either may be noticed first
            assert process.returncode == 2 and set(told['reasons']) & {'egress', 'dialer'}, (role, told)
        assert world.verify()['result'] == 'holds'
    finally:
        world.close()


def models_are_still_served_by_the_door():
    """A client that asks the proxy for the door's own address is at the door, whatever is listed."""
    world = World()
    try:
        world.egress(world.entry(methods='[GET]'))
        done = world.shell(f'{CURL} $OPENAI_BASE_URL/models; {CURL} --noproxy "" $OPENAI_BASE_URL/models')
        assert done['codes'] == [('000', '200'), ('000', '200')], done['stderr']
    finally:
        world.close()


# ---- real package managers ----

def wheel(name, version):
    """A wheel with one module, as bytes."""
    made = io.BytesIO()
    info = f'{name}-{version}.dist-info'
    files = {f'{name}.py': f'VALUE = "{version}"\n', f'{info}/METADATA': f'Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n',
             f'{info}/WHEEL': 'Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n'}
    with zipfile.ZipFile(made, 'w') as archive:
        for path, text in files.items():
            archive.writestr(path, text)
        archive.writestr(f'{info}/RECORD', ''.join(f'{path},,\n' for path in [*files, f'{info}/RECORD']))
    return made.getvalue()


def pip_installs_from_an_index_over_tls():
    if run(['/usr/bin/python3', '-m', 'pip', '--version']).returncode != 0:
        raise Skip('no pip for /usr/bin/python3 (python3-pip)')
    packages = {f'/packages/demo_pkg-1.{n}-py3-none-any.whl': wheel('demo_pkg', f'1.{n}') for n in range(3)}
    links = ''.join(f'<a href="{path}#sha256={hashlib.sha256(content).hexdigest()}">{path.rsplit("/")[-1]}</a>\n'
                    for path, content in packages.items())
    world = World(files={'/simple/demo-pkg/': f'<!DOCTYPE html><html><body>{links}</body></html>'.encode(), **packages})
    try:
        world.egress(world.entry(methods='[GET, HEAD]', paths='["/simple/**", "/packages/*.whl"]'))
        pip = '/usr/bin/python3 -m pip install --no-cache-dir --disable-pip-version-check -q --no-deps --no-input'
        done = world.shell(f'{pip} --target /tmp/site --index-url https://localhost:{world.port}/simple/ demo-pkg==1.1 && '
                           'PYTHONPATH=/tmp/site /usr/bin/python3 -c "import demo_pkg,sys; print(demo_pkg.VALUE, file=sys.stderr)"; '
                           f'{pip} --retries 0 --target /tmp/other --index-url https://localhost:{world.port}/private/ demo-pkg || echo refused >&2')
        lines = done['stderr'].splitlines()
        assert '1.1' in lines and 'refused' in lines, done['stderr']
        assert {row[1] for row in world.tls.asked} == {'/simple/demo-pkg/', '/packages/demo_pkg-1.1-py3-none-any.whl'}, world.tls.asked
        assert all(o['outcome'] == 'ok' for _, o in world.pairs(done))
    finally:
        world.close()


VERDACCIO = os.path.join(os.path.dirname(__file__), '../data/verdaccio/package.json')


def installed_verdaccio():
    """From npm, once for a build folder; tools/install-deps does it before."""
    folder = os.path.abspath(os.path.join(os.environ.get('CUSTODY_BUILD', 'build'), 'verdaccio'))
    program = os.path.join(folder, 'node_modules/verdaccio/bin/verdaccio')
    if os.path.exists(program):
        return program
    if os.environ.get(NETWORK):
        raise Skip('verdaccio is not installed, and could not be: see above')
    os.makedirs(folder, exist_ok=True)
    shutil.copy(VERDACCIO, folder)
    done = run(['npm', 'install', '--no-audit', '--no-fund', '--ignore-scripts'], cwd=folder, env=dict(os.environ), timeout=600)
    if done.returncode != 0:
        skip_without_registry()
        raise Skip(f'npm does not install verdaccio here: {done.stderr.strip()[-200:]}')
    return program


class Registry:
    """verdaccio on loopback, over TLS, with packages of our own in it."""

    def __init__(self, world):
        self.world, self.port = world, free_port()
        config = world.root / 'verdaccio.yaml'
        config.write_text(f'storage: {world.root}/storage\nauth: {{ htpasswd: {{ file: {world.root}/htpasswd }} }}\nuplinks: {{}}\n'
                          'packages: { "@*/*": { access: $all, publish: $all }, "**": { access: $all, publish: $all } }\n'
                          f'https: {{ key: {world.root}/server.key, cert: {world.root}/server.pem }}\n'
                          f'log: {{ type: file, path: {world.root}/verdaccio.log, level: http }}\n')
        self.url = f'https://localhost:{self.port}/'
        world.start(['node', installed_verdaccio(), '--config', config, '--listen', f'https://127.0.0.1:{self.port}'],
                    stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=world.root)
        wait_for_port(self.port, 60)
        (world.root / 'npmrc').write_text(f'registry={self.url}\ncafile={world.ca}\n//localhost:{self.port}/:_authToken=none\n')

    def npm(self, folder, *words):
        env = {'PATH': os.environ['PATH'], 'HOME': str(self.world.root), 'npm_config_userconfig': str(self.world.root / 'npmrc'),
               'npm_config_update_notifier': 'false', 'NODE_EXTRA_CA_CERTS': str(self.world.ca)}
        return run(['npm', *words, '--no-audit', '--no-fund'], cwd=folder, env=env, timeout=120, check=0)

    def publish(self, name, dependencies=None):
        folder = self.world.root / 'package' / name.replace('/', '-')
        folder.mkdir(parents=True)
        (folder / 'package.json').write_text(json.dumps({'name': name, 'version': '1.0.0', 'main': 'index.js', 'dependencies': dependencies or {}}))
        (folder / 'index.js').write_text(f'module.exports = "{name}";\n')
        self.npm(folder, 'publish', '--access', 'public')


def npm_ci_installs_from_a_registry():
    if shutil.which('npm') is None:
        raise Skip('no npm')
    installed_verdaccio()
    world = World(repository_policy='version: 1\nrepository: billing\nowner: tom\npaths: { scratch: [node_modules] }\n')
    try:
        registry = Registry(world)
        registry.publish('left')
        registry.publish('@scope/right', {'left': '1.0.0'})
        world.write('package.json', json.dumps({'name': 'app', 'version': '1.0.0', 'dependencies': {'@scope/right': '1.0.0'}}))
        world.write('.gitignore', 'node_modules\n')
        world.write('.npmrc', f'registry={registry.url}\n')
        registry.npm(world.repo, 'install', '--package-lock-only')
        world.own()
        world.commit('an application')
        world.egress(world.entry(port=registry.port, methods='[GET]', paths='["/**"]'))
        npm = 'npm_config_update_notifier=false npm_config_fund=false npm_config_audit=false npm'
        done = world.shell(f'{npm} ci >&2 && node -p "require(\'left\') + require(\'@scope/right\')" >&2; {npm} publish >&2 || echo not published >&2',
                           timeout=200)
        assert 'left@scope/right' in done['stderr'], done['stderr']
        assert 'not published' in done['stderr'].splitlines(), done['stderr']
        pairs = world.pairs(done)
        assert pairs and all(i['object']['method'] == 'GET' and o['outcome'] == 'ok' for i, o in pairs), pairs
        paths = {i['object']['path'] for i, _ in pairs}
        assert {'/left/-/left-1.0.0.tgz', '/@scope/right/-/right-1.0.0.tgz'} <= paths, paths
    finally:
        world.close()


def own_names():
    """Starts this test again in a network and with a hosts file of its own."""
    if os.geteuid() != 0 or os.environ.get(NETWORK) or shutil.which('unshare') is None:
        return
    try:
        installed_verdaccio()  # while there is a network
    except Skip as reason:
        print(f'# {reason}', flush=True)
    lines = '127.0.0.1 localhost\n' + ''.join(f'{address} {name}\n' for name, list_ in NAMES.items() for address in list_)
    hosts = f'/tmp/custody-test-hosts-{os.getpid()}'
    with open(hosts, 'w') as made:
        made.write(lines)
    script = (f'mount --bind {hosts} /etc/hosts && rm -f {hosts} && ip link set lo up && ip address add {PUBLIC}/32 dev lo && '
              f'ip address add 100.64.1.1/32 dev lo && ip address add fd00::1/128 dev lo && exec "$@"')
    if run(['unshare', '-m', '-n', '--', 'sh', '-c', script.replace('exec "$@"', 'true').replace(f'rm -f {hosts}', 'true')]).returncode == 0:
        os.environ[NETWORK] = '1'
        os.execvp('unshare', ['unshare', '-m', '-n', '--', 'sh', '-c', script, 'sh', sys.executable, *sys.argv])
    os.unlink(hosts)


if __name__ == '__main__':
    own_names()
    main([
        a_listed_host_is_reached_and_every_request_is_recorded,
        what_is_not_listed_is_not_reached,
        nothing_is_reached_where_policy_lists_nothing,
        the_repositorys_file_only_narrows,
        nothing_sensitive_leaves_in_an_upload_a_url_or_a_header,
        a_tunnel_leads_to_the_host_that_it_was_asked_for,
        a_request_cannot_hide_in_another,
        the_server_must_prove_who_it_is,
        private_addresses_are_refused_after_resolution,
        limits_of_bytes_hold,
        large_files_pass_whole_in_either_framing,
        whoever_carries_it_takes_the_run_along,
        models_are_still_served_by_the_door,
        pip_installs_from_an_index_over_tls,
        npm_ci_installs_from_a_registry,
    ])
