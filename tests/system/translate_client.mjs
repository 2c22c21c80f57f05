// The vendors' own clients, unchanged, each asking models whose providers speak another API; prints one line of JSON a fact.
import fs from 'node:fs';
import { createRequire } from 'node:module';
const from = createRequire('/opt/engine/node_modules/');
const { default: OpenAI } = await import(from.resolve('openai'));
const { default: Anthropic } = await import(from.resolve('@anthropic-ai/sdk'));

const say = (what, value) => console.log('FACT ' + JSON.stringify([what, value]));
const refused = async (what, word, ask) => {
  try { await ask(); say(what, 'passed'); } catch (error) { say(what, [error.status, String(error.message).includes(word)]); }
};
const schema = { type: 'object', properties: { command: { type: 'string' } }, required: ['command'] };
const card = fs.readFileSync('typed.txt', 'utf8').trim();

async function chat(model) {
  const client = new OpenAI({ maxRetries: 0 });
  const say_ = (what, value) => say(`chat at ${model} ${what}`, value);
  const tools = [{ type: 'function', function: { name: 'shell', parameters: schema } }];
  const messages = [{ role: 'system', content: 'Be brief.' }, { role: 'user', content: 'hello' }];
  const first = await client.chat.completions.create({ model, messages, tools, max_completion_tokens: 100 });
  const call = first.choices[0].message.tool_calls[0];
  say_('call', [JSON.parse(call.function.arguments).command, first.choices[0].finish_reason, first.usage.completion_tokens]);
  messages.push(first.choices[0].message, { role: 'tool', tool_call_id: call.id, content: 'made' });
  const runner = client.chat.completions.stream({ model, messages, tools, stream_options: { include_usage: true } });
  const final = await runner.finalChatCompletion();
  say_('stream', [final.choices[0].message.content, final.choices[0].finish_reason, final.usage.completion_tokens]);
  const again = client.chat.completions.stream({ model, messages: messages.slice(0, 2), tools });
  say_('stream call', JSON.parse((await again.finalChatCompletion()).choices[0].message.tool_calls[0].function.arguments).command);
  await refused(`chat at ${model} many`, '`n`', () => client.chat.completions.create({ model, messages, n: 2 }));
  await refused(`chat at ${model} card`, 'class pan', () => client.chat.completions.create({ model, messages: [{ role: 'user', content: card }], stream: true }));
}

async function responses(model) {
  const client = new OpenAI({ maxRetries: 0 });
  const say_ = (what, value) => say(`responses at ${model} ${what}`, value);
  const tools = [{ type: 'function', name: 'shell', parameters: schema, strict: false }];
  const asked = { model, input: 'hello', instructions: 'Be brief.', tools, max_output_tokens: 100 };
  const first = await client.responses.create(asked);
  const call = first.output.find((item) => item.type === 'function_call');
  say_('call', [JSON.parse(call.arguments).command, first.status, first.usage.output_tokens]);
  const input = [{ role: 'user', content: 'hello' }, ...first.output, { type: 'function_call_output', call_id: call.call_id, output: 'made' }];
  const final = await client.responses.stream({ model, input, tools }).finalResponse();
  say_('stream', [final.output_text, final.status, final.usage.output_tokens]);
  const again = await client.responses.stream(asked).finalResponse();
  say_('stream call', JSON.parse(again.output.find((item) => item.type === 'function_call').arguments).command);
  await refused(`responses at ${model} previous`, 'kept', () => client.responses.create({ model, input: 'x', previous_response_id: 'resp_1' }).catch((error) => {
    throw Object.assign(error, { message: error.message + error.code + ' kept' }); }));
  await refused(`responses at ${model} limit`, '`max_tool_calls`', () => client.responses.create({ model, input: 'x', max_tool_calls: 1 }));
}

async function messages(model) {
  const client = new Anthropic({ maxRetries: 0 });
  const say_ = (what, value) => say(`messages at ${model} ${what}`, value);
  const tools = [{ name: 'shell', input_schema: schema }];
  const turns = [{ role: 'user', content: 'hello' }];
  const asked = { model, max_tokens: 100, system: 'Be brief.', messages: turns, tools };
  const first = await client.messages.create(asked);
  const call = first.content.find((block) => block.type === 'tool_use');
  say_('call', [call.input.command, first.stop_reason, first.usage.output_tokens]);
  const again = await client.messages.stream(asked).finalMessage();
  say_('stream call', again.content.find((block) => block.type === 'tool_use').input.command);
  turns.push({ role: 'assistant', content: first.content }, { role: 'user', content: [{ type: 'tool_result', tool_use_id: call.id, content: 'made' }] });
  const stream = client.messages.stream(asked);
  let text = '';
  stream.on('text', (piece) => { text += piece; });
  const final = await stream.finalMessage();
  say_('stream', [text, final.stop_reason, final.usage.output_tokens]);
  await refused(`messages at ${model} top`, '`top_k`', () => client.messages.create({ ...asked, top_k: 5 }));
  if (model === 'responses')
    say_('count', (await client.messages.countTokens({ model, messages: turns })).input_tokens > 0);
  else
    await refused(`messages at ${model} count`, 'no counterpart', () => client.messages.countTokens({ model, messages: turns }));
}

for (const [ask, model] of [[chat, 'responses'], [chat, 'messages'], [responses, 'chat'], [responses, 'messages'], [responses, 'bedrock'], [messages, 'chat'], [messages, 'responses']]) {
  try { await ask(model); } catch (error) { say(`${ask.name} at ${model} failed`, String(error.stack).slice(0, 600)); }
}
fs.writeFileSync('made', '');
