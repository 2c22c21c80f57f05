// secretlint's core over the files of a folder, read before the clock starts. Usage: secretlint.mjs PACKAGES FOLDER
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

const [packages, folder] = process.argv.slice(2);
const within = (name) => pathToFileURL(join(packages, 'node_modules', name)).href;
const { lintSource } = await import(within('@secretlint/core/module/index.js'));
const { creator } = await import(within('@secretlint/secretlint-rule-preset-recommend/module/index.js'));
const files = readdirSync(folder).map((name) => ({ name, content: readFileSync(join(folder, name), 'utf8') }));
const rules = [{ id: '@secretlint/secretlint-rule-preset-recommend', rule: creator, options: {} }];
const cpu = process.cpuUsage();
const began = performance.now();
let found = 0;
for (const { name, content } of files) {
  const source = { filePath: name, content, ext: '', contentType: 'text' };
  found += (await lintSource({ source, options: { config: { rules } } })).messages.length;
}
const used = process.cpuUsage(cpu);
console.log(JSON.stringify({ found, seconds: (performance.now() - began) / 1000, processor: (used.user + used.system) / 1e6 }));
