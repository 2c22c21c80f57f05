// The vendors' own clients, unchanged, asked in every way that agents use; prints one line of JSON a fact.
import fs from 'node:fs';
import { createRequire } from 'node:module';
const from = createRequire('/opt/engine/node_modules/');
const { default: OpenAI } = await import(from.resolve('openai'));
const { default: Anthropic } = await import(from.resolve('@anthropic-ai/sdk'));
const { GoogleGenAI } = await import(from.resolve('@google/genai'));

const say = (what, value) => console.log('FACT ' + JSON.stringify([what, value]));
const refused = async (what, ask) => {
  try { await ask(); say(what, 'passed'); } catch (error) { say(what, [error.status, String(error.message).includes('custody')]); }
};
const schema = { type: 'object', properties: { command: { type: 'string' } }, required: ['command'] };
const card = fs.readFileSync('typed.txt', 'utf8').trim();

async function openai() {
  const client = new OpenAI({ maxRetries: 0 });
  say('openai models', (await client.models.list()).data.map((model) => model.id).includes('onprem'));
  say('openai model', (await client.models.retrieve('onprem')).id);
  const tools = [{ type: 'function', function: { name: 'shell', parameters: schema } }];
  const messages = [{ role: 'user', content: 'hello' }];
  const first = await client.chat.completions.create({ model: 'onprem', messages, tools });
  const call = first.choices[0].message.tool_calls[0];
  say('openai call', JSON.parse(call.function.arguments).command);
  messages.push(first.choices[0].message, { role: 'tool', tool_call_id: call.id, content: 'made' });
  let text = '', usage = null;
  const asked = { model: 'onprem', messages, tools, stream: true, stream_options: { include_usage: true } };
  for await (const chunk of await client.chat.completions.create(asked)) {
    text += chunk.choices[0]?.delta?.content ?? '';
    usage = chunk.usage ?? usage;
  }
  say('openai stream', [text, usage.completion_tokens]);
  const embedded = await client.embeddings.create({ model: 'onprem', input: ['a', 'b'] });
  say('openai embeddings', embedded.data.map((row) => row.embedding.length));
  say('openai completion', (await client.completions.create({ model: 'onprem', prompt: 'x' })).choices[0].text);
  await refused('openai refused', () => client.chat.completions.create({ model: 'onprem', messages: [{ role: 'user', content: card }] }));
  await refused('openai files', () => client.files.list());
}

async function responses() {
  const client = new OpenAI({ maxRetries: 0 });
  const tools = [{ type: 'function', name: 'shell', parameters: schema, strict: false }];
  const first = await client.responses.create({ model: 'responses', input: 'hello', tools });
  const call = first.output.find((item) => item.type === 'function_call');
  say('responses call', JSON.parse(call.arguments).command);
  const input = [{ role: 'user', content: 'hello' }, call, { type: 'function_call_output', call_id: call.call_id, output: 'made' }];
  let text = '', usage = null;
  for await (const event of await client.responses.create({ model: 'responses', input, tools, stream: true })) {
    if (event.type === 'response.output_text.delta') text += event.delta;
    if (event.type === 'response.completed') usage = event.response.usage.output_tokens;
  }
  say('responses stream', [text, usage]);
  say('responses count', (await client.responses.inputTokens.count({ model: 'responses', input: 'hello' })).input_tokens > 0);
  await refused('responses previous', () => client.responses.create({ model: 'responses', input: 'x', previous_response_id: 'resp_1' }));
  await refused('responses search', () => client.responses.create({ model: 'responses', input: 'x', tools: [{ type: 'web_search' }] }));
}

async function anthropic(model) {
  const client = new Anthropic({ maxRetries: 0 });
  const tools = [{ name: 'shell', input_schema: schema }];
  const messages = [{ role: 'user', content: 'hello' }];
  const first = await client.messages.create({ model, max_tokens: 100, messages, tools });
  const call = first.content.find((block) => block.type === 'tool_use');
  say(model + ' call', call.input.command);
  messages.push({ role: 'assistant', content: first.content }, { role: 'user', content: [{ type: 'tool_result', tool_use_id: call.id, content: 'made' }] });
  const stream = client.messages.stream({ model, max_tokens: 100, messages, tools });
  let text = '';
  stream.on('text', (piece) => { text += piece; });
  const final = await stream.finalMessage();
  say(model + ' stream', [text, final.usage.output_tokens]);
  await refused(model + ' refused', () => client.messages.create({ model, max_tokens: 1, messages: [{ role: 'user', content: card }] }));
  if (model !== 'messages') return;
  say('messages models', (await client.models.list()).data.map((entry) => entry.id).includes('messages'));
  say('messages model', (await client.models.retrieve('messages')).display_name);
  say('messages count', (await client.messages.countTokens({ model, messages })).input_tokens > 0);
}

async function gemini() {
  const client = new GoogleGenAI({ apiKey: process.env.GEMINI_API_KEY });
  const config = { tools: [{ functionDeclarations: [{ name: 'shell', parametersJsonSchema: schema }] }] };
  const contents = [{ role: 'user', parts: [{ text: 'hello' }] }];
  const first = await client.models.generateContent({ model: 'gemini', contents, config });
  say('gemini call', first.functionCalls[0].args.command);
  contents.push(first.candidates[0].content, { role: 'user', parts: [{ functionResponse: { id: first.functionCalls[0].id, name: 'shell', response: { output: 'made' } } }] });
  let text = '', usage = null;
  for await (const chunk of await client.models.generateContentStream({ model: 'gemini', contents, config })) {
    text += chunk.text ?? '';
    usage = chunk.usageMetadata?.candidatesTokenCount ?? usage;
  }
  say('gemini stream', [text, usage]);
  say('gemini count', (await client.models.countTokens({ model: 'gemini', contents: 'hello' })).totalTokens > 0);
  const embedded = await client.models.embedContent({ model: 'gemini', contents: ['a', 'b'] });
  say('gemini embeddings', embedded.embeddings.map((row) => row.values.length));
  const names = [];
  for await (const model of await client.models.list()) names.push(model.name);
  say('gemini models', names.includes('models/gemini'));
  say('gemini model', (await client.models.get({ model: 'gemini' })).displayName);
  await refused('gemini refused', () => client.models.generateContent({ model: 'gemini', contents: card }));
  await refused('gemini search', () => client.models.generateContent({ model: 'gemini', contents: 'x', config: { tools: [{ googleSearch: {} }] } }));
}

const parts = { openai, responses, messages: () => anthropic('messages'), bedrock: () => anthropic('bedrock'), gemini };
for (const name of process.argv.slice(2)) {
  try { await parts[name](); } catch (error) { say(name + ' failed', String(error.stack).slice(0, 600)); }
}
fs.writeFileSync('made', '');
