// The vendors' own clients read streams in which the model says what it was given a stand-in for; prints one line of JSON a fact.
import fs from 'node:fs';
import { createRequire } from 'node:module';
const from = createRequire('/opt/engine/node_modules/');
const { default: OpenAI } = await import(from.resolve('openai'));
const { default: Anthropic } = await import(from.resolve('@anthropic-ai/sdk'));
const { GoogleGenAI } = await import(from.resolve('@google/genai'));

const card = CARD;
const prompt = `card ${card} on file`;
const schema = { type: 'object', properties: { path: { type: 'string' }, to: { type: 'string' }, content: { type: 'string' } } };
const names = ['write_file', 'send_mail'];
// The text, what a tool of the cell is given, and what one is given that sends it elsewhere.
const say = (what, text, calls) => {
  const of = (name) => calls.filter((call) => call.name === name).map((call) => (typeof call.given === 'string' ? JSON.parse(call.given) : call.given));
  const [file, ...more] = of('write_file');
  const [mail] = of('send_mail');
  console.log('FACT ' + JSON.stringify([what, [text === `The card ${card} is on file.`, file.content === `"${card}"\n` && file.path === 'a "b".txt',
    /^"\d{16}"\n$/.test(mail.content) && !mail.content.includes(card), more.length]]));
};

async function chat() {
  const tools = names.map((name) => ({ type: 'function', function: { name, parameters: schema } }));
  const stream = new OpenAI({ maxRetries: 0 }).chat.completions.stream({ model: 'onprem', messages: [{ role: 'user', content: prompt }], tools });
  const { message } = (await stream.finalChatCompletion()).choices[0];
  say('chat', message.content, message.tool_calls.map((call) => ({ name: call.function.name, given: call.function.arguments })));
}

async function responses() {
  const tools = names.map((name) => ({ type: 'function', name, parameters: schema, strict: false }));
  let text = '', whole = null;
  const given = {}, items = [];
  for await (const event of await new OpenAI({ maxRetries: 0 }).responses.create({ model: 'responses', input: prompt, tools, stream: true })) {
    if (event.type === 'response.output_text.delta') text += event.delta;
    if (event.type === 'response.function_call_arguments.delta') given[event.output_index] = (given[event.output_index] ?? '') + event.delta;
    if (event.type === 'response.output_item.done' && event.item.type === 'function_call') items[event.output_index] = event.item;
    if (event.type === 'response.completed') whole = event.response;
  }
  const calls = Object.values(items);
  say('responses', text, calls.map((item, number) => ({ name: item.name, given: given[number + 1] })));
  say('responses done', text, calls.map((item) => ({ name: item.name, given: item.arguments })));
  const [message, ...rest] = whole.output;
  say('responses completed', message.content[0].text, rest.map((item) => ({ name: item.name, given: item.arguments })));
}

async function messages() {
  const tools = names.map((name) => ({ name, input_schema: schema }));
  const stream = new Anthropic({ maxRetries: 0 }).messages.stream({ model: 'messages', max_tokens: 100, messages: [{ role: 'user', content: prompt }], tools });
  let text = '';
  stream.on('text', (piece) => { text += piece; });
  const { content } = await stream.finalMessage();
  say('messages', text, content.filter((block) => block.type === 'tool_use').map((block) => ({ name: block.name, given: block.input })));
}

async function gemini() {
  const config = { tools: [{ functionDeclarations: names.map((name) => ({ name, parametersJsonSchema: schema })) }] };
  let text = '';
  const calls = [];
  const client = new GoogleGenAI({ apiKey: process.env.GEMINI_API_KEY });
  for await (const chunk of await client.models.generateContentStream({ model: 'gemini', contents: prompt, config })) {
    const parts = chunk.candidates[0].content.parts;
    text += parts.map((part) => part.text ?? '').join('');
    for (const part of parts) if (part.functionCall) calls.push({ name: part.functionCall.name, given: part.functionCall.args });
  }
  say('gemini', text, calls);
}

for (const part of [chat, responses, messages, gemini]) {
  try { await part(); } catch (error) { console.log('FACT ' + JSON.stringify([part.name + ' failed', String(error.stack).slice(0, 600)])); }
}
fs.writeFileSync('made', '');
