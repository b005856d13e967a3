// The software bill of materials of a release (CycloneDX 1.5, JSON): every package of which code is in the built program
// or beside it, with version, licence and digest, and the Node.js that is handed out. `npm sbom` writes it; what only
// builds and tests, and is in no release, is left out. The same sources give the same bytes.
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';

const root = join(import.meta.dirname, '..');

interface Component {
  readonly 'bom-ref': string;
  readonly name: string;
  readonly version: string;
  readonly purl: string;
  readonly scope: string;
  readonly licenses?: readonly { readonly license?: { readonly id?: string | undefined } }[];
  readonly properties: readonly { readonly name: string; readonly value: string }[];
}

interface Sbom {
  readonly serialNumber: string;
  readonly metadata: { readonly timestamp: string; readonly component: object };
  readonly components: readonly Component[];
  readonly dependencies: readonly { readonly ref: string; readonly dependsOn: readonly string[] }[];
}

/** Writes `flatrender-<version>-sbom.cdx.json`; dist/ has to be built. Returns its path. */
export async function releaseSbom(directory: string): Promise<string> {
  const { name, version } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8'));
  const file = join(directory, `${name}-${version}-sbom.cdx.json`);
  await writeFile(file, `${JSON.stringify(await shippedOf(await npmSbom()), null, 2)}\n`);
  return file;
}

async function npmSbom(): Promise<Sbom> {
  const args = ['sbom', '--package-lock-only', '--sbom-format', 'cyclonedx', '--sbom-type', 'application'];
  const { stdout } = await promisify(execFile)('npm', args, { cwd: root, maxBuffer: 64 * 1024 * 1024 });
  return JSON.parse(stdout) as Sbom;
}

async function shippedOf(all: Sbom): Promise<Sbom> {
  const bundled = await bundledPackages();
  const components = all.components
    .filter((component) => bundled.has(component['bom-ref']) || !isForDevelopment(component))
    .map((component) => ({
      ...component,
      // Whether npm installs it or the bundle contains it: the program runs with it.
      scope: 'required',
      properties: component.properties.filter(({ name }) => name !== DEVELOPMENT),
      licenses: component.licenses ?? [{ license: { id: LICENCES[component.name] } }],
    }));
  const missing = [...bundled].filter((ref) => !components.some((component) => component['bom-ref'] === ref));
  if (missing.length > 0)
    throw new Error(`in the bundle, but not in package-lock.json: ${missing.join(', ')}`);
  const refs = new Set(components.map((component) => component['bom-ref']));
  const dependencies = all.dependencies
    .filter(({ ref }) => refs.has(ref))
    .map(({ ref, dependsOn }) => ({ ref, dependsOn: dependsOn.filter((other) => refs.has(other)) }));
  const digest = createHash('sha256').update(JSON.stringify(components)).digest('hex');
  const { timestamp: _, ...metadata } = all.metadata;
  return {
    ...all,
    serialNumber: `urn:uuid:${uuidOf(digest)}`,
    metadata: { ...metadata, component: { ...metadata.component, name: 'flatrender' } } as Sbom['metadata'],
    components,
    dependencies,
  };
}

/** Packages that name no licence in their package.json, but come with its text. */
const LICENCES: Readonly<Record<string, string>> = { '@shinyoshiaki/jspack': 'BSD-3-Clause' };

const DEVELOPMENT = 'cdx:npm:package:development';

function isForDevelopment({ properties }: Component): boolean {
  return properties.some(({ name, value }) => name === DEVELOPMENT && value === 'true');
}

/** `name@version` of what rolldown put into dist/, and of the Node.js that the releases contain. */
async function bundledPackages(): Promise<Set<string>> {
  const text = await readFile(join(root, 'dist', 'THIRD-PARTY-LICENSES.txt'), 'utf8');
  const titles = [...text.matchAll(/^={80}\n(\S+) (\S+) \(.*\)$/gm)];
  if (titles.length === 0)
    throw new Error('dist/THIRD-PARTY-LICENSES.txt names no package: run "npm run build"');
  const node = JSON.parse(await readFile(join(root, 'node_modules', 'node', 'package.json'), 'utf8'));
  return new Set([`node@${node.version}`, ...titles.map(([, name, version]) => `${name}@${version}`)]);
}

/** A name-based UUID (RFC 9562, version 8) of a digest. */
function uuidOf(hex: string): string {
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-8${hex.slice(13, 16)}-a${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
}
