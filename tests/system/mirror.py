"""A server on loopback that egress tests reach: TLS or not, files of a folder, everything that it was asked."""
import http.server
import pathlib
import ssl
import subprocess
import threading


def make_ca(folder, names):
    """A CA and a server's certificate of it below `folder`; gives (ca, certificate, key)."""
    folder = pathlib.Path(folder)

    def openssl(*words):
        subprocess.run(['openssl', *map(str, words)], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    ca, key, request, certificate = (folder / name for name in ('ca.pem', 'server.key', 'server.csr', 'server.pem'))
    openssl('req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', folder / 'ca.key',
            '-out', ca, '-days', '2', '-subj', '/CN=test CA', '-addext', 'keyUsage=critical,keyCertSign,cRLSign')
    openssl('req', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', key, '-out', request,
            '-subj', '/CN=mirror')
    (folder / 'server.ext').write_text('subjectAltName=' + ','.join(names) + '\n')
    openssl('x509', '-req', '-in', request, '-CA', ca, '-CAkey', folder / 'ca.key', '-CAcreateserial', '-out', certificate,
            '-days', '2', '-extfile', folder / 'server.ext')
    return ca, certificate, key


class Mirror:
    """Serves `files` ({path: bytes}); `asked` has (method, path, headers, body) of each request."""

    def __init__(self, files, certificate=None, key=None, host='127.0.0.1', behave=None):
        asked = self.asked = []
        mirror_files = self.files = files

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = 'HTTP/1.1'

            def answer(self):
                length = int(self.headers.get('content-length') or 0)
                body = self.body = self.rfile.read(length)
                asked.append((self.command, self.path, dict(self.headers), body))
                if behave is not None and behave(self):
                    return
                content = mirror_files.get(self.path.split('?')[0])
                status = 200 if content is not None else 404
                content = content if content is not None else b'no such file\n'
                self.send_response(status)
                self.send_header('content-type', 'text/html' if self.path.endswith('/') else 'application/octet-stream')
                self.send_header('content-length', str(len(content)))
                self.end_headers()
                if self.command != 'HEAD':
                    self.wfile.write(content)

            do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = answer

            def log_message(self, *words):
                pass

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, request, address):
                pass  # clients that break off are what some tests are about

        self.server = Server((host, 0), Handler)
        self.port = self.server.server_address[1]
        if certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate, key)
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True, do_handshake_on_connect=False)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()
