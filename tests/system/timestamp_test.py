"""RFC 3161 time stamps over a ledger's checkpoints; `openssl ts` is the authority."""
import fcntl
import http.server
import json
import os
import shutil
import threading
import time

from harness import Place, Skip, main, run

VERIFY = os.path.abspath(os.environ.get('CUSTODY_VERIFY', 'build/custody-verify'))
SETTINGS = '''
[ tsa ]
default_tsa = one
[ one ]
serial = {root}/serial
crypto_device = builtin
signer_digest = sha256
default_policy = 1.2.3.4.1
digests = sha256
accuracy = secs:1
ordering = no
tsa_name = no
ess_cert_id_chain = no
ess_cert_id_alg = sha256
'''


class Authority:
    """A root, a certificate that may stamp, and `openssl ts -reply` behind HTTP."""

    def __init__(self, root):
        self.root = root
        root.mkdir()
        (root / 'serial').write_text('01\n')
        (root / 'settings').write_text(SETTINGS.format(root=root))
        (root / 'extensions').write_text('extendedKeyUsage=critical,timeStamping\nkeyUsage=critical,digitalSignature\n')
        self.ca = root / 'ca.pem'
        self.openssl('req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout',
                     root / 'ca.key', '-out', self.ca, '-subj', '/CN=test root', '-days', '2')
        self.openssl('req', '-new', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout',
                     root / 'tsa.key', '-out', root / 'tsa.csr', '-subj', '/CN=test tsa')
        self.openssl('x509', '-req', '-in', root / 'tsa.csr', '-CA', self.ca, '-CAkey', root / 'ca.key', '-CAcreateserial',
                     '-out', root / 'tsa.pem', '-days', '2', '-extfile', root / 'extensions')
        authority = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers['Content-Length']))
                assert self.headers['Content-Type'] == 'application/timestamp-query'
                answer = authority.reply(body)
                self.send_response(200)
                self.send_header('Content-Type', 'application/timestamp-reply')
                self.send_header('Content-Length', str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *_):
                pass

        self.server = http.server.HTTPServer(('127.0.0.1', 0), Handler)
        self.url = f'http://127.0.0.1:{self.server.server_port}/'
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def openssl(self, *words):
        return run(['openssl', *words], check=0)

    def reply(self, request):
        (self.root / 'asked.tsq').write_bytes(request)
        self.openssl('ts', '-reply', '-config', self.root / 'settings', '-section', 'one', '-queryfile',
                     self.root / 'asked.tsq', '-inkey', self.root / 'tsa.key', '-signer', self.root / 'tsa.pem',
                     '-out', self.root / 'said.tsr')
        return (self.root / 'said.tsr').read_bytes()

    def close(self):
        self.server.shutdown()
        self.server.server_close()


def with_authority(test):
    def wrapped():
        if shutil.which('openssl') is None:
            raise Skip('no openssl program')
        place = Place()
        authority = Authority(place.root / 'authority')
        try:
            test(place, authority)
        finally:
            authority.close()
            place.close()
    wrapped.__name__ = test.__name__
    return wrapped


def append(place):
    place.run('true')
    deadline = time.monotonic() + 30
    with open(place.home / 'ledger/lock') as lock:
        while time.monotonic() < deadline:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                time.sleep(0.05)
    return int((place.home / 'ledger/checkpoint').read_text().splitlines()[1])


def verify(place, authority, check, **more):
    return json.loads(run([VERIFY, place.home / 'ledger', '--key', place.home / 'keys/ledger.vkey', '--timestamps',
                           more.get('stamps', place.home / 'ledger/timestamps'), '--tsa-ca', more.get('ca', authority.ca),
                           '--json'], check=check).stdout)


@with_authority
def an_authority_stamps_over_http_and_both_verifiers_believe_it(place, authority):
    sizes = []
    for _ in range(3):
        sizes.append(append(place))
        place.custody('timestamp', '--url', authority.url, '--tsa-ca', authority.ca, check=0)
    grown = append(place)
    report = verify(place, authority, 0)
    assert report['stamped'] == sizes[-1] < grown, report
    said = place.custody('verify', '--timestamps', place.home / 'ledger/timestamps', '--tsa-ca', authority.ca,
                         check=0).stdout
    assert f'{sizes[-1]} records existed at' in said and '3 time stamps hold' in said, said
    stamp = place.home / 'ledger/timestamps' / str(sizes[0])
    text = stamp.with_suffix('.checkpoint').read_text().split('\n\n')[0] + '\n'
    (authority.root / 'text').write_text(text)
    authority.openssl('ts', '-verify', '-data', authority.root / 'text', '-in', stamp.with_suffix('.tsr'), '-CAfile',
                      authority.ca)


@with_authority
def without_a_network_request_and_answer_are_files(place, authority):
    size = append(place)
    asked, said = place.root / 'asked.tsq', place.root / 'said.tsr'
    place.custody('timestamp', '--request', asked, check=0)
    said.write_bytes(authority.reply(asked.read_bytes()))
    append(place)
    place.custody('timestamp', '--file', said, '--tsa-ca', authority.ca, check=0)
    assert verify(place, authority, 0)['stamped'] == size
    other = place.root / 'other.tsq'
    authority.openssl('ts', '-query', '-data', place.repo / 'README', '-sha256', '-cert', '-out', other)
    said.write_bytes(authority.reply(other.read_bytes()))
    refused = place.custody('timestamp', '--file', said, '--tsa-ca', authority.ca)
    assert refused.returncode not in (0, 1), refused


@with_authority
def what_does_not_hold_is_tampering_and_nothing_is_incomplete(place, authority):
    append(place)
    place.custody('timestamp', '--url', authority.url, '--tsa-ca', authority.ca, check=0)
    empty = place.root / 'empty'
    empty.mkdir()
    assert verify(place, authority, 2, stamps=empty)['problems'] == ['no time stamp holds: no time was verified']
    stranger = Authority(place.root / 'stranger')
    stranger.close()
    assert verify(place, authority, 1, ca=stranger.ca)['stamped'] == 0
    size = append(place)
    place.custody('timestamp', '--url', authority.url, '--tsa-ca', authority.ca, check=0)
    stamps = place.home / 'ledger/timestamps'
    first = min(int(path.stem) for path in stamps.glob('*.tsr'))
    shutil.copy(stamps / f'{first}.tsr', stamps / f'{size}.tsr')  # a token of another checkpoint
    assert verify(place, authority, 1)['result'] == 'tampering'


@with_authority
def a_ledger_that_is_behind_a_stamped_checkpoint_is_tampering(place, authority):
    append(place)
    old = place.root / 'old'
    shutil.copytree(place.home / 'ledger', old)
    append(place)
    place.custody('timestamp', '--url', authority.url, '--tsa-ca', authority.ca, check=0)
    done = run([VERIFY, old, '--key', place.home / 'keys/ledger.vkey', '--timestamps',
                place.home / 'ledger/timestamps', '--tsa-ca', authority.ca, '--json'], check=1)
    assert 'a time-stamped checkpoint covers' in done.stdout, done.stdout


if __name__ == '__main__':
    main([an_authority_stamps_over_http_and_both_verifiers_believe_it, without_a_network_request_and_answer_are_files,
          what_does_not_hold_is_tampering_and_nothing_is_incomplete,
          a_ledger_that_is_behind_a_stamped_checkpoint_is_tampering])
