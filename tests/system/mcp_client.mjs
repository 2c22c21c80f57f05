// The protocol's own client, unchanged, from a cell; prints one line of JSON a fact. Arguments: names of what to do.
import { createRequire } from 'node:module';

const from = createRequire('/opt/engine/node_modules/');
const { Client } = await import(from.resolve('@modelcontextprotocol/sdk/client/index.js'));
const { StreamableHTTPClientTransport } = await import(from.resolve('@modelcontextprotocol/sdk/client/streamableHttp.js'));
const say = (what, value) => console.log('FACT ' + JSON.stringify([what, value]));
const at = (name) => new URL(`${process.env.CUSTODY_MCP_URL}/${name}`);
const attempt = async (what, act) => {
  try { say(what, await act()); } catch (error) { say(what, { refused: String(error.message) }); }
};

async function connected(name) {
  const client = new Client({ name: 'test', version: '1' }, { capabilities: { sampling: {}, roots: { listChanged: true } } });
  const transport = new StreamableHTTPClientTransport(at(name));
  await client.connect(transport);
  return { client, transport };
}

const acts = {
  async all() {
    const { client, transport } = await connected('tickets');
    say('abilities', client.getServerCapabilities());
    say('instructions', client.getInstructions() ?? null);
    await attempt('unlisted yet', async () => (await client.callTool({ name: 'echo', arguments: { text: 'x' } })).content[0].text);
    say('tools', (await client.listTools()).tools.map((tool) => tool.name).sort());
    say('echo', (await client.callTool({ name: 'echo', arguments: { text: 'hello' } })).content[0].text);
    const seen = [];
    await client.callTool({ name: 'slow', arguments: {} }, undefined, { onprogress: (p) => seen.push(p.progress) });
    say('progress', seen);
    await attempt('hidden', async () => await client.callTool({ name: 'hidden', arguments: {} }));
    await attempt('prompts', async () => await client.request({ method: 'prompts/list', params: {} }, { parse: (x) => x }));
    const card = ['4111', '1111', '1111', '1111'].join('');
    await attempt('card', async () => (await client.callTool({ name: 'echo', arguments: { text: `pay with ${card}` } })).content[0].text);
    say('ping', await client.ping());
    const session = transport.sessionId;
    await transport.terminateSession();
    if (session) {
      const headers = { 'content-type': 'application/json', accept: 'application/json, text/event-stream', 'mcp-session-id': session };
      const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'ping' });
      say('after the end', (await fetch(at('tickets'), { method: 'POST', headers, body })).status);
    }
    await client.close();
  },
  async list() {
    await attempt('list', async () => {
      const { client } = await connected('tickets');
      const names = (await client.listTools()).tools.map((tool) => tool.name).sort();
      await client.close();
      return names;
    });
  },
  async other() {
    await attempt('other server', async () => await connected('elsewhere'));
  },
};
for (const name of process.argv.slice(2)) await acts[name]();
process.exit(0);
