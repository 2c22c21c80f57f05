"""Secrets as other people's files have them: languages, settings formats, tools. Made up by a fixed seed, nobody's.

A row: {'text', 'positive', 'suffix' or 'name', 'form', 'value'}: the value must be within a finding. Rows that hold none are templates and references.
"""
import base64
import random
import string

LETTERS = string.ascii_letters + string.digits
HEX = '0123456789abcdef'

# {v}: the secret. {b}: it in base64. {u}: a user. One line each; \n is a line end.
SHAPES = [
    ('.rb', 'config.password = "{v}"'), ('.rb', ':password => "{v}",'), ('.rb', "secret_key_base: '{v}'"), ('.rb', 'ENV["API_TOKEN"] = "{v}"'), ('.rb', "PASSWORD = '{v}'.freeze"),
    ('.php', "define('DB_PASSWORD', '{v}');"), ('.php', "$password = '{v}';"), ('.php', "'password' => '{v}',"), ('.php', '$cfg["secret"]="{v}";'), ('.php', "private $apiKey = '{v}';"),
    ('.cs', 'private const string ApiKey = "{v}";'), ('.cs', 'var connection = "Server=db;User Id={u};Password={v};";'), ('.cs', 'Password = "{v}",'), ('.cs', 'new NetworkCredential("{u}", "{v}")'),
    ('.kt', 'val apiKey = "{v}"'), ('.kt', 'const val CLIENT_SECRET: String = "{v}"'), ('.swift', 'let apiToken: String = "{v}"'), ('.swift', 'static let secretKey = "{v}"'),
    ('.rs', 'const API_KEY: &str = "{v}";'), ('.rs', 'let password = String::from("{v}");'), ('.rs', 'static TOKEN: &\'static str = "{v}";'), ('.scala', 'val password: String = "{v}"'),
    ('.ts', 'const apiKey: string = "{v}";'), ('.ts', "process.env.API_SECRET = '{v}';"), ('.ts', 'apiKey: `{v}`,'), ('.js', "headers: {{ 'X-Api-Key': '{v}' }}"), ('.js', 'authToken = `{v}`'),
    ('.js', "axios.defaults.headers.common['Authorization'] = 'Bearer {v}';"), ('.js', 'Authorization: "Token {v}"'), ('.java', 'props.setProperty("db.password", "{v}");'),
    ('.java', 'private static final String SECRET_KEY = "{v}";'), ('.java', '@Value("{v}") String password;'), ('.java', '.password("{v}")'), ('.java', 'DriverManager.getConnection(url, "{u}", "{v}");'),
    ('.c', '#define API_KEY "{v}"'), ('.c', 'static const char password[] = "{v}";'), ('.cpp', 'std::string token{{"{v}"}};'), ('.cpp', 'auto secret = "{v}"s;'), ('.c', '.password = "{v}",'),
    ('.go', 'var apiToken = "{v}"'), ('.go', 'const clientSecret string = "{v}"'), ('.go', 'Password: "{v}",'), ('.go', 'os.Setenv("API_KEY", "{v}")'), ('.go', 'token := `{v}`'),
    ('.py', 'password: str = "{v}"'), ('.py', "os.environ['SECRET_KEY'] = '{v}'"), ('.py', 'requests.get(url, auth=("{u}", "{v}"))'), ('.py', "client = Client(api_key='{v}')"), ('.py', 'PASSWORD = r"{v}"'),
    ('.py', 'token = b"{v}"'), ('.py', 'SECRET_KEY = (\n    "{v}"\n)'), ('.py', '"password" : "{v}"'), ('.py', 'connect(host="db", passwd="{v}")'), ('.py', 'app.config["SECRET_KEY"] = "{v}"'),
    ('.pl', "my $password = '{v}';"), ('.pl', "password => '{v}',"), ('.lua', 'local token = "{v}"'), ('.lua', 'password = [[{v}]]'), ('.R', 'api_key <- "{v}"'), ('.R', 'Sys.setenv(API_KEY = "{v}")'),
    ('.ex', 'config :app, secret_key_base: "{v}"'), ('.ex', '@password "{v}"'), ('.clj', '(def api-key "{v}")'), ('.clj', ':password "{v}"'), ('.erl', '{{password, "{v}"}}.'), ('.hs', 'password = "{v}"'),
    ('.dart', "final String apiKey = '{v}';"), ('.groovy', "password = '{v}'"), ('.gradle', 'storePassword "{v}"'), ('.vb', 'Dim password As String = "{v}"'), ('.m', 'NSString *apiKey = @"{v}";'),
    ('.sql', "CREATE USER {u} WITH PASSWORD '{v}';"), ('.sql', "ALTER ROLE {u} PASSWORD '{v}';"), ('.sql', "CREATE USER '{u}'@'%' IDENTIFIED BY '{v}';"), ('.sql', "SET PASSWORD FOR {u} = PASSWORD('{v}');"),
    ('.ps1', '$Password = "{v}"'), ('.ps1', 'ConvertTo-SecureString "{v}" -AsPlainText -Force'), ('.ps1', '$env:API_TOKEN = "{v}"'), ('.ps1', '-Password "{v}"'), ('.bat', 'set DB_PASSWORD={v}'), ('.bat', 'setx API_KEY "{v}"'),
    ('.sh', 'export API_KEY="{v}"'), ('.sh', "PGPASSWORD='{v}' psql -h db"), ('.sh', 'curl -u {u}:{v} https://api.acme.io/'), ('.sh', 'curl -H "Authorization: Bearer {v}" https://api.acme.io/'),
    ('.sh', 'curl -H "X-Auth-Token: {v}" https://api.acme.io/'), ('.sh', 'mysql -u {u} -p{v} app'), ('.sh', 'mysqldump --password={v} app'), ('.sh', 'docker login -u {u} -p {v} registry.acme.io'),
    ('.sh', 'sshpass -p "{v}" ssh {u}@host'), ('.sh', 'echo "{u}:{v}" | chpasswd'), ('.sh', 'redis-cli -a {v} ping'), ('.sh', 'cat > .env <<EOF\nDB_PASSWORD={v}\nEOF'), ('.sh', "read -r -d '' CONFIG <<'EOF'\n  password: {v}\nEOF"),
    ('.sh', 'vault login token={v}'), ('.sh', 'az login --service-principal -p {v}'), ('.sh', 'helm install x --set auth.password={v}'), ('.sh', 'wget --http-password={v} https://acme.io/'), ('.sh', 'export TOKEN={v} # rotate'),
    ('.sh', 'openssl enc -aes-256-cbc -pass pass:{v} -in a'), ('.sh', ': "${{DB_PASSWORD:={v}}}"'), ('.sh', 'DB_PASSWORD=${{DB_PASSWORD:-{v}}}'),
    ('.yaml', 'password: {v}'), ('.yaml', 'password: "{v}"'), ('.yaml', "apiKey: '{v}'"), ('.yaml', 'db:\n  user: {u}\n  password: {v}\n'), ('.yaml', '- name: API_TOKEN\n  value: {v}\n'), ('.yaml', '- name: API_TOKEN\n  value: "{v}"\n'),
    ('.yaml', 'environment:\n  - POSTGRES_PASSWORD={v}\n'), ('.yaml', 'environment:\n  POSTGRES_PASSWORD: {v}\n'), ('.yaml', 'apiVersion: v1\nkind: Secret\nmetadata:\n  name: x\ndata:\n  password: {b}\n'),
    ('.yaml', 'apiVersion: v1\nkind: Secret\nstringData:\n  token: {v}\n'), ('.yaml', 'apiVersion: v1\nkind: Secret\ndata:\n  app.conf: {b}\n'), ('.yaml', 'secret: !!str {v}'), ('.yaml', 'password: >-\n  {v}\n'), ('.yaml', 'password: |\n  {v}\n'),
    ('.yaml', 'auth: {{user: {u}, password: {v}}}'), ('.yaml', 'spring.datasource.password: {v}'), ('.yaml', 'ansible_ssh_pass: {v}'), ('.yaml', 'mysql_root_password: "{v}"'),
    ('.json', '{{"password": "{v}"}}'), ('.json', '{{"db": {{"user": "{u}", "pass": "{v}"}}}}'), ('.json', '{{"client_id": "abc", "client_secret": "{v}"}}'), ('.json', '{{"key": "api_token", "value": "{v}"}}'),
    ('.json', '{{"auths": {{"registry.acme.io": {{"auth": "{d}"}}}}}}'), ('.json', '{{"ConnectionStrings": {{"Default": "Server=db;Uid={u};Pwd={v};"}}}}'), ('.json', '{{"name": "DB_PASSWORD", "value": "{v}"}}'), ('.json', '{{"env": ["SECRET_TOKEN={v}"]}}'),
    ('.toml', 'password = "{v}"'), ('.toml', "token = '{v}'"), ('.toml', '[db]\nsecret_key = """{v}"""'), ('.toml', 'auth = {{ user = "{u}", password = "{v}" }}'),
    ('.tf', 'password = "{v}"'), ('.tf', 'variable "db_password" {{\n  default = "{v}"\n}}'), ('.tf', 'master_password      = "{v}"'), ('.tfvars', 'api_token = "{v}"'), ('.hcl', 'token = "{v}"'), ('.tf', 'access_key = "{v}"'),
    ('Dockerfile', 'ENV API_TOKEN={v}'), ('Dockerfile', 'ENV DB_PASSWORD "{v}"'), ('Dockerfile', 'ARG NPM_TOKEN={v}'), ('Dockerfile', 'RUN echo "//registry.npmjs.org/:_authToken={v}" > ~/.npmrc'), ('Dockerfile', 'ENV DB_PASSWORD {v}'),
    ('.npmrc', '//registry.npmjs.org/:_authToken={v}'), ('.npmrc', '_auth={d}'), ('.npmrc', '//npm.acme.io/:_password={b}'), ('.yarnrc.yml', 'npmAuthToken: "{v}"'), ('.pypirc', '[pypi]\nusername = {u}\npassword = {v}'),
    ('.netrc', 'machine api.acme.io login {u} password {v}'), ('.netrc', 'machine api.acme.io\n  login {u}\n  password {v}\n'), ('.pgpass', 'db.acme.io:5432:app:{u}:{v}'), ('.my.cnf', '[client]\nuser={u}\npassword={v}\n'), ('.my.cnf', '[client]\npassword="{v}"\n'),
    ('.htpasswd', '{u}:$apr1${s8}${h22}'), ('.htpasswd', '{u}:$2y$05${h53}'), ('shadow', '{u}:$6${s16}${h86}:18000:0:99999:7:::'), ('.git-credentials', 'https://{u}:{v}@git.acme.io'), ('.s3cfg', 'secret_key = {v40}'), ('credentials', '[default]\naws_secret_access_key = {v40}'),
    ('.properties', 'db.password={v}'), ('.properties', 'spring.mail.password = {v}'), ('.properties', 'api.key:{v}'), ('.ini', '[smtp]\npass = {v}'), ('.conf', 'requirepass {v}'), ('.conf', 'password {v}'), ('.conf', 'rootpw {v}'), ('.conf', 'bindpw "{v}"'),
    ('.cfg', 'enable secret {v}'), ('.cfg', 'snmp-server community {v} RO'), ('.conf', 'secret "{v}";'), ('.conf', 'psk="{v}"'), ('.conf', 'wpa_passphrase={v}'), ('.conf', 'ServerPassword={v}'), ('.ovpn', '<auth-user-pass>\n{u}\n{v}\n</auth-user-pass>'),
    ('.xml', '<password>{v}</password>'), ('.xml', '<property name="password" value="{v}"/>'), ('.xml', '<entry key="db.password">{v}</entry>'), ('.xml', '<connectionString>Server=db;Database=x;User Id={u};Password={v}</connectionString>'), ('.xml', '<server><id>nexus</id><username>{u}</username><password>{v}</password></server>'),
    ('.config', '<add key="ApiKey" value="{v}" />'), ('.config', '<add name="Db" connectionString="Data Source=db;User ID={u};Password={v}" />'), ('.plist', '<key>APIKey</key>\n<string>{v}</string>'), ('.xml', '<string name="api_key">{v}</string>'),
    ('.txt', 'jdbc:postgresql://db:5432/app?user={u}&password={v}'), ('.txt', 'mongodb+srv://{u}:{v}@cluster0.acme.net/app'), ('.txt', 'redis://:{v}@cache:6379/0'), ('.txt', 'amqps://{u}:{v}@mq/vhost'), ('.txt', 'https://{u}:{v}@git.acme.io/x.git'),
    ('.txt', 'Server=tcp:db,1433;Initial Catalog=x;User ID={u};Password={v};Encrypt=True'), ('.txt', 'DefaultEndpointsProtocol=https;AccountName=x;AccountKey={a88};EndpointSuffix=core.windows.net'), ('.txt', 'Endpoint=sb://x.servicebus.windows.net/;SharedAccessKeyName=k;SharedAccessKey={a44}'),
    ('.txt', 'ldap://db cn=admin,dc=x bindpw={v}'), ('.txt', 'oracle: {u}/{v}@//db:1521/orcl'), ('.txt', 'postgresql://{u}:{v}@db/app?sslmode=require'), ('.txt', 'host=db user={u} password={v} dbname=app'), ('.txt', 'sftp {u}:{v}@files.acme.io'), ('.txt', 'https://api.acme.io/v1?api_key={v}'),
    ('.txt', 'https://acme.io/cb?access_token={v}&x=1'), ('.txt', 'The password is {v}'), ('.txt', 'user: {u} / pass: {v}'), ('.txt', 'login {u}, pw: {v}'), ('.md', 'Use password `{v}` to log in.'), ('.md', 'API key: `{v}`'), ('.md', '| password | {v} |'),
    ('.txt', 'Passwort: {v}'), ('.txt', 'Kennwort: {v}'), ('.txt', 'mot de passe : {v}'), ('.txt', 'contraseña: {v}'), ('.txt', 'senha: {v}'), ('.txt', 'wachtwoord: {v}'), ('.txt', 'hasło: {v}'), ('.txt', 'пароль: {v}'), ('.txt', '密码：{v}'), ('.txt', 'パスワード: {v}'), ('.txt', 'clave = {v}'),
    ('.txt', 'Authorization: Basic {d}'), ('.txt', 'Cookie: session={v}; path=/'), ('.txt', 'Set-Cookie: JSESSIONID={v}'), ('.txt', 'X-API-Key: {v}'), ('.http', 'Authorization: Bearer {v}'), ('.txt', 'otpauth://totp/x?secret={t32}&issuer=x'),
    ('.py', 'key = """-----BEGIN RSA PRIVATE KEY-----\n{k}\n-----END RSA PRIVATE KEY-----"""'), ('.json', '{{"private_key": "-----BEGIN PRIVATE KEY-----\\n{kn}\\n-----END PRIVATE KEY-----\\n"}}'), ('.java', '"-----BEGIN PRIVATE KEY-----\\n" +\n  "{k1}\\n" +\n  "{k2}\\n" +\n  "-----END PRIVATE KEY-----"'),
    ('.yaml', 'key: |\n  -----BEGIN EC PRIVATE KEY-----\n  {k1}\n  {k2}\n  -----END EC PRIVATE KEY-----\n'), ('.txt', '> -----BEGIN OPENSSH PRIVATE KEY-----\n> {k1}\n> {k2}\n> -----END OPENSSH PRIVATE KEY-----'), ('.js', "'-----BEGIN PRIVATE KEY-----',\n'{k1}',\n'{k2}',\n'-----END PRIVATE KEY-----'"),
    ('.txt', '-----BEGIN PGP PRIVATE KEY BLOCK-----\nVersion: x\n\n{k1}\n{k2}\n-----END PGP PRIVATE KEY BLOCK-----'), ('.ppk', 'PuTTY-User-Key-File-2: ssh-rsa\nEncryption: none\nComment: x\nPublic-Lines: 1\n{k1}\nPrivate-Lines: 2\n{k1}\n{k2}\nPrivate-MAC: {h40}'),
    ('.env', 'PRIVATE_KEY="-----BEGIN PRIVATE KEY-----\\n{kn}\\n-----END PRIVATE KEY-----"'), ('.env', 'KEY_B64={kb}'), ('.txt', '-----BEGIN RSA PRIVATE KEY----- {k1} {k2} -----END RSA PRIVATE KEY-----'), ('.xml', '<RSAKeyValue><Modulus>{k1}</Modulus><D>{k2}</D></RSAKeyValue>'),
    ('.json', '{{"kty":"RSA","n":"{k1}","e":"AQAB","d":"{j86}"}}'), ('.key', 'AGE-SECRET-KEY-1{g58}'), ('.conf', '[Interface]\nPrivateKey = {w43}=\n'),
]
# What such lines hold where they hold nothing.
EMPTY = ['', '${DB_PASSWORD}', '$DB_PASSWORD', '{{ .Values.password }}', '<password>', 'changeme', '********', 'xxxxxxxx', '%(password)s', 'your-password-here', '{{ vault_password }}', 'YOUR_API_KEY', '#{password}', '${{ secrets.TOKEN }}', '__PASSWORD__',
         'REDACTED', 'null', '<your token>', 'TODO']


def rows(seed=23, each=4):
    chance = random.Random(seed)
    some = lambda n, alphabet=LETTERS: ''.join(chance.choice(alphabet) for _ in range(n))
    makers = [lambda: some(32, HEX), lambda: some(40), lambda: some(16), lambda: some(24) + 'A9', lambda: chance.choice('TRSPM') + some(5, string.ascii_lowercase) + some(3, string.digits) + chance.choice('!-_'),
              lambda: some(11) + chance.choice('!#-_') + some(3, string.digits), lambda: '-'.join(some(n, HEX) for n in (8, 4, 4, 4, 12))]
    alnum64 = LETTERS + '+/'
    for name, shape in SHAPES:
        for n in range(each):
            v = chance.choice(makers)()
            user = chance.choice(['joe', 'app', 'svc_backup', 'admin'])
            k1, k2 = some(64, alnum64), some(64, alnum64)
            k = '\n'.join(some(64, alnum64) for _ in range(6))
            parts = {'v': v, 'u': user, 'b': base64.b64encode(v.encode()).decode(), 'd': base64.b64encode(f'{user}:{v}'.encode()).decode(), 'k': k, 'kn': k.replace('\n', '\\n'), 'k1': k1, 'k2': k2,
                     'kb': base64.b64encode(('-----BEGIN ' + 'PRIVATE KEY-----\n' + k + '\n-----END ' + 'PRIVATE KEY-----\n').encode()).decode(), 's8': some(8), 's16': some(16), 'h22': some(22, LETTERS + './'),
                     'h53': some(53, LETTERS + './'), 'h86': some(86, LETTERS + './'), 'h40': some(40, HEX), 'v40': some(40, alnum64), 'a88': some(86, alnum64) + '==', 'a44': some(43, alnum64) + '=',
                     't32': some(32, 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'), 'j86': some(86, LETTERS + '-_'), 'g58': some(58, 'QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L'), 'w43': some(43, alnum64)}
            text = shape.format(**parts)
            held = next((parts[key] for key in ('v', 'b', 'd', 'v40', 'a88', 'a44', 't32', 'h22', 'h53', 'h86', 'g58', 'w43', 'kb', 'k2', 'j86') if '{' + key + '}' in shape), k.split('\n')[0])
            yield {'text': text + '\n', 'positive': True, 'name': name, 'form': shape, 'value': held}
        if '{v}' in shape:
            for empty in chance.sample(EMPTY, 2):
                if empty:
                    yield {'text': shape.format(**dict(parts, v=empty)) + '\n', 'positive': False, 'name': name, 'form': shape}
