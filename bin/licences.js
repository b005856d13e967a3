// The licences of what is bundled: their text has to travel with every copy, and a bundle leaves it behind.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const SHOWN = /^(licen[cs]e|copying|notice)(\.|-|$)/i;

/** A rolldown plugin: writes THIRD-PARTY-LICENSES.txt with every package of which code is in the bundle. */
export const licences = {
  name: 'licences',
  generateBundle(_options, bundle) {
    const folders = new Set();
    for (const chunk of Object.values(bundle)) {
      for (const id of Object.keys(chunk.modules ?? {})) folders.add(packageFolder(id));
    }
    folders.delete(undefined);
    const packages = [...folders].map(describe).sort((a, b) => (a.title < b.title ? -1 : 1));
    this.emitFile({
      type: 'asset',
      fileName: 'THIRD-PARTY-LICENSES.txt',
      source: `${[
        'flatrender is under the MIT licence (LICENSE). The files in this folder contain code of the packages below.\n',
        ...new Set(packages.map(({ title, text }) => `${'='.repeat(80)}\n${title}\n\n${text.trim()}\n`)),
      ].join('\n')}`,
    });
  },
};

/** …/node_modules/@a/b/lib/x.js → …/node_modules/@a/b; undefined for our own files and virtual modules. */
function packageFolder(id) {
  return /^(.*[\\/]node_modules[\\/](?:@[^\\/]+[\\/])?[^\\/]+)[\\/]/.exec(id.replace(/^\0/, ''))?.[1];
}

function describe(folder) {
  const { name, version, license, author, repository } = JSON.parse(
    readFileSync(join(folder, 'package.json'), 'utf8'),
  );
  if (!license) throw new Error(`${name} names no licence: it cannot be bundled`);
  const files = readdirSync(folder)
    .filter((file) => SHOWN.test(file))
    .sort();
  const by = [author?.name ?? author, repository?.url ?? repository].filter(Boolean).join(', ');
  return {
    title: `${name} ${version} (${license})`,
    text:
      files.map((file) => readFileSync(join(folder, file), 'utf8').trim()).join('\n\n') ||
      `The package comes without a text of its licence. By ${by || 'its authors'}.`,
  };
}
